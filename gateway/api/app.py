"""The web application: reads a request, finds its handler, writes the answer. It decides nothing about payments.

Bodies are parsed here and answered as bytes: neither FastAPI's form parsing nor its encoding takes part. Whatever comes
in, the answer has Stripe's error body; only a defect of ours is a 500.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from gateway.api.answering import preflight, refusal, respond
from gateway.api.direct import Direct, Serve
from gateway.api.keys import Caller, KeyRing, digest
from gateway.api.reading import check_version, idempotency_key, parameters_of
from gateway.api.routes import ENDPOINTS, Endpoint
from gateway.core import access
from gateway.core.claims import Answer, Ticket
from gateway.core.errors import API_ERROR, ApiError, rate_limited, unrecognized
from gateway.core.expand import check_paths
from gateway.core.forms import Tree, canonical
from gateway.core.identifiers import TRACE_BYTES, identifier, trace_id
from gateway.core.limits import READ, SEARCH, WRITE, Gate, Limit
from gateway.core.parameters import read
from gateway.handlers.balance import asks_for_balance, informed
from gateway.handlers.claiming import keep_failure
from gateway.handlers.context import Call, Ports
from gateway.handlers.searching import TOTAL_COUNT
from gateway.request_log import Answered, RequestLog

_REQUEST_ID_BYTES = 14
_NO_LIMITS: Mapping[str, Limit] = {}

log = structlog.get_logger("gateway")


def build_app(
    ports: Ports,
    keys: KeyRing,
    *,
    body_max_bytes: int = 262_144,
    limits: Mapping[str, Limit] = _NO_LIMITS,
    requests: RequestLog | None = None,
) -> Direct:
    """Build the application.

    Parameters
    ----------
    ports
        What the handlers work with.
    keys
        Who may call.
    body_max_bytes
        Longer bodies are refused with 413.
    limits
        Class of request to what one API key may do of it; none by default.
    requests
        Where every request is noted.

    Returns
    -------
    Direct
    """
    app = FastAPI(title="cardrails gateway", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    gate, requests, adapters = Gate(limits), requests or RequestLog(ports.business), dict[tuple[str, str], Serve]()
    for endpoint in ENDPOINTS:
        adapter = _Adapter(ports, keys, endpoint, body_max_bytes, gate, requests)
        adapters[endpoint.method, endpoint.path] = adapter.serve
        app.add_api_route(
            endpoint.path, adapter.serve, methods=[endpoint.method], response_model=None, name=endpoint.handler.__name__
        )

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, _error: Exception) -> Response:
        if request.method == "OPTIONS":
            return preflight(request)
        return respond(request, _new_request_id(ports), refusal(unrecognized(request.method, request.url.path)))

    return Direct(app, adapters)


class _Adapter:
    """Between HTTP and one handler."""

    def __init__(
        self,
        ports: Ports,
        keys: KeyRing,
        endpoint: Endpoint,
        body_max_bytes: int,
        gate: Gate,
        requests: RequestLog,
    ) -> None:
        self._requests = requests
        self._ports = ports
        self._keys = keys
        self._endpoint = endpoint
        self._body_max_bytes = body_max_bytes
        self._gate = gate
        is_search = endpoint.path.endswith("/search")
        self._class = SEARCH if is_search else READ if endpoint.method == "GET" else WRITE

    async def serve(self, request: Request) -> Response:
        """Answer a request."""
        request_id, trace = _new_request_id(self._ports), trace_id(self._ports.entropy(TRACE_BYTES))
        asked = self._requests.begin()
        call = reason = tree = caller = None
        try:
            tree = await self._read(request)
            caller = await self._caller(request, tree)
            with self._admitted(caller):
                call = self._call(request, caller, tree, request_id, trace)
                answer = await self._answer(call)
        except ApiError as error:
            answer, reason = refusal(error, is_public=call is not None and call.is_public), error.reason
        except Exception as error:
            # A defect, or a store that refuses: the text of a foreign exception could carry what we must not show.
            log.exception("request failed", request=request_id, error=type(error).__name__)
            answer = refusal(ApiError(500, "An unknown error occurred.", kind=API_ERROR))
            if call is not None:
                await keep_failure(self._ports, call.ticket, answer)
        account = "" if caller is None else caller.account.id
        told = (request.method, request.url.path, tree, answer.status, answer.body)
        self._requests.end(asked, Answered(request_id, trace, account, *told))
        return respond(request, request_id, answer, trace=trace, reason=reason)

    async def _answer(self, call: Call) -> Answer:
        """Let the handler answer."""
        if self._endpoint.method == "GET" and asks_for_balance(call):
            return await informed(self._ports, call, self._endpoint.handler)
        return await self._endpoint.handler(self._ports, call)

    @contextmanager
    def _admitted(self, caller: Caller) -> Iterator[None]:
        name = f"{caller.account.id} {caller.hint}"
        reason = self._gate.enter(name, self._class, self._ports.wall().timestamp())
        if reason is not None:
            raise rate_limited(reason)
        try:
            yield
        finally:
            self._gate.leave(name, self._class)

    async def _read(self, request: Request) -> Tree:
        check_version(request)
        return await parameters_of(request, self._body_max_bytes)

    async def _caller(self, request: Request, tree: Tree) -> Caller:
        """Authenticate; a browser may give its publishable key as a parameter, which is taken out of the tree."""
        named, headers = tree.get("key"), request.headers
        fallback = named if isinstance(named, str) else None
        caller = await self._keys.caller(headers.get("authorization"), fallback, headers.get("stripe-account"))
        if fallback is not None:
            del tree["key"]
        return caller

    def _call(self, request: Request, caller: Caller, tree: Tree, request_id: str, trace: str) -> Call:
        """Return what is asked for; nothing has been done when this raises."""
        endpoint = self._endpoint
        who = (caller.kind, caller.scopes)
        if not access.allows(*who, endpoint.kind, endpoint.access, is_public=endpoint.is_public):
            raise access.refusal(caller.kind, caller.hint, caller.account.id, endpoint.kind, endpoint.access)
        ticket = _ticket(request, caller, tree, request_id)
        params = read(endpoint.spec, tree)
        access.check_parameters(caller.kind, params)
        paths = [path for path in params.get("expand") or () if self._class != SEARCH or path != TOTAL_COUNT]
        expanded = check_paths(endpoint.kind, paths, is_list=endpoint.is_list)
        access.check_expansion(*who, caller.hint, caller.account.id, expanded)
        identifiers = tuple(request.path_params.values())
        return Call(caller.account, ticket, trace, identifiers, params, request.url.path, caller.is_public)


def _ticket(request: Request, caller: Caller, tree: Tree, request_id: str) -> Ticket:
    key = idempotency_key(request)
    if key is None:
        return Ticket(caller.account.id, None, "", request_id)
    digested = digest(caller, request.method, request.url.path, canonical(tree))
    return Ticket(caller.account.id, key, digested, request_id)


def _new_request_id(ports: Ports) -> str:
    return identifier("req", ports.entropy(_REQUEST_ID_BYTES))
