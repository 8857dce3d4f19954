"""The control port: one per process, serving every node of the process under `/nodes/{name}`.

Health and readiness are open; everything else needs a service token: signed, valid for a minute, for one audience
(the node) and with the scope of the call. Default deny. It never shows a card number, a CVV, a PIN or a key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
import jwt
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, ValidationError

from iso.errors import CardrailsError, LocalProtocolError
from node.clock import BusinessClock, Entropy, Wall, wall_clock
from node.core.faults import Fault, Faults
from node.settings import Section

Scope = Literal["read", "operate"]
TOKEN_LIFETIME_S = 60
ISSUER = "cardrails"
PROBLEM = "application/problem+json"


class ControlError(CardrailsError):
    """A control call was refused or found nobody."""


class FaultPort(Protocol):
    """What the control port does with a node's faults; a node has faults of its own kind."""

    model: type[BaseModel]
    """Body of `POST /nodes/{name}/faults`."""

    def add(self, wanted: Any) -> dict[str, Any]:
        """Arm what a body of `model` asks for and say it back; `LocalProtocolError` if it cannot be armed."""

    def fired(self) -> list[dict[str, Any]]:
        """Return what struck, in order."""

    def clear(self) -> None:
        """Disarm all."""


class Controlled:
    """What a node shows and lets itself be told.

    Parameters
    ----------
    name
        In the topology.
    clock
        Its business clock.
    is_ready
        Whether all its links are signed on.
    view
        A JSON-able summary of its state, without card numbers.
    messages
        `(after, limit) -> crossings`, masked.
    faults
        The provoked faults of its links.
    fault_port
        For a node whose faults are of another kind.
    nudge
        Makes it take a turn, so that what business time has made due happens now.
    """

    def __init__(
        self,
        name: str,
        clock: BusinessClock,
        *,
        is_ready: Callable[[], bool],
        view: Callable[[], dict[str, Any]],
        messages: Callable[[int, int], list[dict[str, Any]]] | None = None,
        faults: Faults | None = None,
        fault_port: FaultPort | None = None,
        nudge: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.is_ready = is_ready
        self.view = view
        self.messages = messages or (lambda _after, _limit: [])
        self.faults = faults or Faults()
        self.fault_port = fault_port or LinkFaults(self.faults)
        self.nudge = nudge


class FaultRequest(Section):
    """Body of `POST /nodes/{name}/faults`."""

    link: str
    direction: Literal["in", "out"]
    mti: str = Field(pattern=r"^\d{4}$")
    action: Literal["close", "drop"]
    times: int = Field(default=1, ge=1, le=1_000_000)


class LinkFaults:
    """Faults of a node's links; see `FaultPort`."""

    model: type[BaseModel] = FaultRequest

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def add(self, wanted: Any) -> dict[str, Any]:
        """Arm a fault."""
        fault = Fault(**wanted.model_dump())
        self._faults.add(fault)
        return fault._asdict()

    def fired(self) -> list[dict[str, Any]]:
        """Return what struck, in order."""
        return [fault._asdict() for fault in self._faults.fired]

    def clear(self) -> None:
        """Disarm all."""
        self._faults.clear()


class AdvanceRequest(Section):
    """Body of `POST /nodes/{name}/clock`."""

    advance_s: float = Field(ge=0, le=10 * 366 * 86_400)


def service_secret(folder: Path, entropy: Entropy) -> str:
    """Return the secret that signs service tokens in this house; made at the first start, readable by its owner."""
    path = folder / "control.key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(entropy(32).hex())
    return path.read_text()


def service_token(secret: str, node: str, scope: Scope, wall: Wall = wall_clock) -> str:
    """Sign a token for one node and one scope, valid for a minute."""
    now = wall()
    claims = {"iss": ISSUER, "aud": node, "scope": scope, "iat": now, "exp": now + timedelta(seconds=TOKEN_LIFETIME_S)}
    return jwt.encode(claims, secret, algorithm="HS256")


def control_app(nodes: Mapping[str, Controlled], secret: str) -> FastAPI:
    """Build the control port of a process."""
    app = FastAPI(title="cardrails control port", openapi_url="/openapi.json", docs_url=None, redoc_url=None)

    def node_for(request: Request, scope: Scope) -> Controlled:
        name = request.path_params["name"]
        header = request.headers.get("authorization", "")
        try:
            claims = jwt.decode(
                header.removeprefix("Bearer "),
                secret,
                algorithms=["HS256"],
                audience=name,
                issuer=ISSUER,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.InvalidTokenError:
            claims = {}
        if claims.get("scope") not in ((scope,) if scope == "operate" else ("read", "operate")):
            raise _Refused(401, "a service token for this node and scope is needed")
        return open_node(name)

    def open_node(name: str) -> Controlled:
        node = nodes.get(name)
        if node is None:
            raise _Refused(404, "no such node in this process")
        return node

    @app.exception_handler(_Refused)
    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, _Refused)
        return _problem(error.status, error.detail)

    @app.get("/nodes")
    async def names() -> Response:
        return _json({"nodes": sorted(nodes)})

    @app.get("/nodes/{name}/health")
    async def health(name: str) -> Response:
        return _json({"node": open_node(name).name, "status": "ok"})

    @app.get("/nodes/{name}/ready")
    async def ready(name: str) -> Response:
        is_ready = open_node(name).is_ready()
        return _json({"node": name, "ready": is_ready}, 200 if is_ready else 503)

    @app.get("/nodes/{name}/state")
    async def state(request: Request) -> Response:
        return _json(node_for(request, "read").view())

    @app.get("/nodes/{name}/messages")
    async def messages(request: Request) -> Response:
        node = node_for(request, "read")
        after, limit = _whole(request, "after", 0), _whole(request, "limit", 1000)
        return _json({"messages": node.messages(after, min(limit, 10_000))})

    @app.get("/nodes/{name}/clock")
    async def clock(request: Request) -> Response:
        return _clock(node_for(request, "read").clock)

    @app.post("/nodes/{name}/clock")
    async def advance(request: Request) -> Response:
        node = node_for(request, "operate")
        wanted = await _body(request, AdvanceRequest)
        node.clock.advance(timedelta(seconds=wanted.advance_s))
        node.nudge()
        return _clock(node.clock)

    @app.get("/nodes/{name}/faults")
    async def faults(request: Request) -> Response:
        return _json({"fired": node_for(request, "read").fault_port.fired()})

    @app.post("/nodes/{name}/faults")
    async def add_fault(request: Request) -> Response:
        node = node_for(request, "operate")
        wanted = await _body(request, node.fault_port.model)
        try:
            armed = node.fault_port.add(wanted)
        except LocalProtocolError as error:
            problem = str(error)
        else:
            return _json(armed, 201)
        raise _Refused(422, problem)

    @app.delete("/nodes/{name}/faults")
    async def clear_faults(request: Request) -> Response:
        node_for(request, "operate").fault_port.clear()
        return _json({"faults": []})

    return app


class ControlClient:
    """The typed client of control ports; `urls` gives each node's port, so one process or six look the same."""

    def __init__(self, urls: Mapping[str, str], secret: str, wall: Wall = wall_clock) -> None:
        self._urls = dict(urls)
        self._secret = secret
        self._wall = wall
        self._http = httpx.Client(timeout=10, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def nodes(self) -> list[str]:
        """The nodes this client can reach, by name."""
        return list(self._urls)

    def ready(self, node: str) -> bool:
        """Whether a node answers and all its links are signed on."""
        try:
            return self._http.get(f"{self._urls[node]}/nodes/{node}/ready").status_code == 200
        except httpx.TransportError:
            return False

    def state(self, node: str) -> dict[str, Any]:
        """Return a node's summary."""
        return self._call("GET", node, "state", "read")

    def messages(self, node: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Return what crossed a node's links, oldest first, masked."""
        found = self._call("GET", node, f"messages?after={after}&limit={limit}", "read")
        return list(found["messages"])

    def business_time(self, node: str) -> datetime:
        """Return a node's business time."""
        return datetime.fromisoformat(self._call("GET", node, "clock", "read")["now"])

    def advance(self, node: str, by: timedelta) -> datetime:
        """Move a node's business time forward; return it."""
        answer = self._call("POST", node, "clock", "operate", {"advance_s": by.total_seconds()})
        return datetime.fromisoformat(answer["now"])

    def add_fault(self, node: str, fault: Fault) -> None:
        """Arm a fault on one of a node's links."""
        self.provoke(node, fault._asdict())

    def provoke(self, node: str, fault: Mapping[str, Any]) -> dict[str, Any]:
        """Arm a fault of the node's own kind; return it as the node understood it."""
        return self._call("POST", node, "faults", "operate", dict(fault))

    def calm(self, node: str) -> None:
        """Disarm every fault of a node."""
        self._call("DELETE", node, "faults", "operate")

    def faults_fired(self, node: str) -> list[Fault]:
        """Return the faults that struck a node's links, in order."""
        return [Fault(**fired) for fired in self.struck(node)]

    def struck(self, node: str) -> list[dict[str, Any]]:
        """Return the faults that struck, of the node's own kind, in order."""
        return list(self._call("GET", node, "faults", "read")["fired"])

    def _call(self, method: str, node: str, path: str, scope: Scope, body: object = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {service_token(self._secret, node, scope, self._wall)}"}
        try:
            answer = self._http.request(method, f"{self._urls[node]}/nodes/{node}/{path}", headers=headers, json=body)
        except httpx.TransportError as error:
            failure = f"{node}: its control port does not answer ({type(error).__name__})"
        else:
            if answer.is_success:
                return dict(answer.json())
            failure = f"{node}: {answer.status_code} {answer.text[:200]}"
        raise ControlError(failure)


class _Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


async def _body(request: Request, model: type[Any]) -> Any:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    raise _Refused(422, f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}")


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise _Refused(422, f"{name}: a whole number is needed")
    return int(text)


def _clock(clock: BusinessClock) -> Response:
    return _json({"now": clock.now().isoformat(), "offset_s": clock.offset.total_seconds(), "version": clock.version})


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


def _problem(status: int, detail: str) -> Response:
    body = {"type": "about:blank", "title": "refused", "status": status, "detail": detail}
    return Response(json.dumps(body), status, media_type=PROBLEM)
