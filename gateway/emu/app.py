"""The application of `/emu/v1`: its operations, and what OpenAPI says of them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.emu import examples
from gateway.emu.clock import clock
from gateway.emu.desk import Desk
from gateway.emu.duties import duties
from gateway.emu.faults import faults
from gateway.emu.hosts import cards, hosts
from gateway.emu.keys import keys
from gateway.emu.messages import messages
from gateway.emu.problems import ProblemDocument, answer_problem, documented, guard
from gateway.emu.seed import seed
from gateway.emu.traces import traces

PREFIX = "/emu/v1"
VERSION = "1"
BODY_MAX_BYTES = 65_536
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="cardrails /emu/v1"'}
_DESCRIPTION = (
    "The native face of a cardrails house, for engineers: what crossed the wires, and how the house is run. Every "
    "operation needs the operator's key. Refusals are problem documents (RFC 9457). Card numbers are masked everywhere."
)


def build_emu(desk: Desk) -> FastAPI:
    """Build the application, to stand below `PREFIX`; see `Faces`."""
    app = FastAPI(
        title="cardrails /emu/v1",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
    )
    guard(app)
    app.add_middleware(_BodyGuard)
    app.add_middleware(_KeyGuard, desk=desk, described_at=f"{PREFIX}{app.openapi_url}")
    for rooms in (traces, messages, cards, hosts, clock, faults, keys, duties, seed):
        app.include_router(rooms(desk))

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


class Faces:
    """Both faces of a gateway on one address: what is below `PREFIX` goes to `/emu/v1`, the rest to `/v1`."""

    def __init__(self, shops: ASGIApp, operators: ASGIApp) -> None:
        self._shops = shops
        self._operators = operators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PREFIX or path.startswith(f"{PREFIX}/")):
            await self._shops(scope, receive, send)
            return
        await self._operators({**scope, "root_path": scope.get("root_path", "") + PREFIX}, receive, send)


class _KeyGuard:
    """Refuses whoever is not the operator, before anything else is told: only the description is for everybody."""

    def __init__(self, app: ASGIApp, desk: Desk, described_at: str) -> None:
        self._app = app
        self._desk = desk
        self._described_at = described_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_closed = scope["type"] == "http" and scope["path"] != self._described_at
        if is_closed and not self._desk.admits(Headers(scope=scope).get("authorization")):
            detail = "the operator's key is needed: Authorization: Bearer KEY"
            await answer_problem(401, detail, _CHALLENGE)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _BodyGuard:
    """Refuses bodies that no operation takes, before anything is made of them: too long, or not said to be JSON.

    A page of somebody else's can have a browser send any body but one that says that it is JSON.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        pieces, length = [], 0
        try:
            async for piece in Request(scope, receive).stream():
                length += len(piece)
                if length > BODY_MAX_BYTES:
                    refusal = answer_problem(413, f"a body has at most {BODY_MAX_BYTES} bytes")
                    await refusal(scope, receive, send)
                    return
                pieces.append(piece)
        except ClientDisconnect:
            return
        if length and scope["method"] == "POST" and not _says_json(Headers(scope=scope)):
            await answer_problem(415, "a body is JSON: Content-Type: application/json")(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": b"".join(pieces), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


def _says_json(headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes, servers=app.servers
    )
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= {**problem.pop("$defs"), "ProblemDocument": problem}
    for item in document["paths"].values():
        for method, operation in item.items():
            if method == "post":
                operation["responses"] |= {str(status): what for status, what in documented(413, 415).items()}
            # FastAPI takes nulls out of examples, and null is what some of them are about.
            (answer,) = (one for code, one in operation["responses"].items() if code.startswith("2"))
            for content in answer["content"].values():
                content["example"] = examples.answer(operation["operationId"])
    return document
