"""The web application: reads a request, finds its handler, writes the answer. It decides nothing about payments.

Bodies are parsed here and answered as bytes: neither FastAPI's form parsing nor its encoding takes part. Whatever comes
in, the answer has Stripe's error body; only a defect of ours is a 500.
"""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gateway.api.keys import Caller, KeyRing, digest
from gateway.api.routes import ENDPOINTS, Endpoint
from gateway.core.cards import carries_card_number
from gateway.core.claims import KEY_MAX, Answer, Ticket
from gateway.core.errors import API_ERROR, IDEMPOTENCY_ERROR, ApiError
from gateway.core.expand import check_paths
from gateway.core.forms import Tree, canonical, parse_form
from gateway.core.identifiers import identifier
from gateway.core.parameters import read
from gateway.core.render import dumps
from gateway.handlers.context import Call, Ports

API_VERSION = "2026-10-28.endive"
"""The version whose shapes are answered, whatever version the client names."""

FORM = "application/x-www-form-urlencoded"
_REQUEST_ID_BYTES = 14
_TRACE_ID_BYTES = 16
_RETRY = {409: "true", 500: None, 503: "true"}

log = structlog.get_logger("gateway")


def build_app(ports: Ports, keys: KeyRing, *, body_max_bytes: int = 262_144) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    ports
        What the handlers work with.
    keys
        Who may call.
    body_max_bytes
        Longer bodies are refused with 413.

    Returns
    -------
    FastAPI
    """
    app = FastAPI(title="cardrails gateway", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for endpoint in ENDPOINTS:
        adapter = _Adapter(ports, keys, endpoint, body_max_bytes)
        app.add_api_route(
            endpoint.path, adapter.serve, methods=[endpoint.method], response_model=None, name=endpoint.handler.__name__
        )

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, _error: Exception) -> Response:
        error = ApiError(404, f"Unrecognized request URL ({request.method}: {request.url.path}).")
        return _respond(request, _new_request_id(ports), _refusal(error))

    return app


class _Adapter:
    """Between HTTP and one handler."""

    def __init__(self, ports: Ports, keys: KeyRing, endpoint: Endpoint, body_max_bytes: int) -> None:
        self._ports = ports
        self._keys = keys
        self._endpoint = endpoint
        self._body_max_bytes = body_max_bytes

    async def serve(self, request: Request) -> Response:
        """Answer a request."""
        request_id, trace = _new_request_id(self._ports), self._ports.entropy(_TRACE_ID_BYTES).hex()
        try:
            call = await self._call(request, request_id, trace)
            answer = await self._endpoint.handler(self._ports, call)
        except ApiError as error:
            answer = _refusal(error)
        except Exception as error:
            # A defect, or a store that refuses: the text of a foreign exception could carry what we must not show.
            log.exception("request failed", request=request_id, error=type(error).__name__)
            answer = _refusal(ApiError(500, "An unknown error occurred.", kind=API_ERROR))
        return _respond(request, request_id, answer, trace)

    async def _call(self, request: Request, request_id: str, trace: str) -> Call:
        """Authenticate and read; nothing has been done when this raises."""
        endpoint = self._endpoint
        tree = await self._parameters(request)
        named = tree.get("key")
        fallback = named if isinstance(named, str) else None
        caller = self._keys.caller(request.headers.get("authorization"), fallback)
        if fallback is not None:
            del tree["key"]
        if caller.is_public and not endpoint.is_public:
            message = "This API call cannot be made with a publishable API key. Please use a secret API key."
            raise ApiError(403, message, code="secret_key_required")
        if "stripe-account" in request.headers:
            raise ApiError(403, "Only platforms can act on behalf of other accounts.", code="account_invalid")
        ticket = _ticket(request, caller, tree, request_id)
        params = read(endpoint.spec, tree)
        check_paths(endpoint.kind, params.get("expand") or (), is_list=endpoint.is_list)
        identifiers = tuple(request.path_params.values())
        return Call(caller.account, ticket, trace, identifiers, params, request.url.path, caller.is_public)

    async def _parameters(self, request: Request) -> Tree:
        if request.method != "POST":
            return parse_form(request.scope["query_string"].decode("latin-1"))
        body = await self._body(request)
        kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
        if body and kind != FORM:
            message = f"Invalid request: send parameters as {FORM}."
            raise ApiError(400, message)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = None
        if text is None:
            raise ApiError(400, "Invalid request: the parameters are not valid UTF-8.")
        return parse_form(text)

    async def _body(self, request: Request) -> bytes:
        pieces, length = [], 0
        try:
            async for piece in request.stream():
                length += len(piece)
                if length > self._body_max_bytes:
                    raise ApiError(413, f"Invalid request: the body is longer than {self._body_max_bytes} bytes.")
                pieces.append(piece)
        except ClientDisconnect:
            pieces = []
        return b"".join(pieces)


def _ticket(request: Request, caller: Caller, tree: Tree, request_id: str) -> Ticket:
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is not None and not 0 < len(key) <= KEY_MAX:
        message = f"Idempotency keys must have from 1 to {KEY_MAX} characters."
        raise ApiError(400, message, kind=IDEMPOTENCY_ERROR)
    if key is not None and carries_card_number(key):
        raise ApiError(400, "An idempotency key must not be a card number.", kind=IDEMPOTENCY_ERROR)
    parameters = canonical(tree) if key is not None else ""
    return Ticket(
        caller.account.id, key, digest(caller, request.method, request.url.path, parameters) if key else "", request_id
    )


def _refusal(error: ApiError) -> Answer:
    return Answer(error.status, dumps(error.body()))


def _new_request_id(ports: Ports) -> str:
    return identifier("req", ports.entropy(_REQUEST_ID_BYTES))


def _respond(request: Request, request_id: str, answer: Answer, trace: str | None = None) -> Response:
    headers = {
        "Request-Id": request_id,
        "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": "no-cache, no-store",
    }
    key = request.headers.get("idempotency-key")
    if key is not None and request.method == "POST" and not carries_card_number(key):
        headers["Idempotency-Key"] = key
        headers["Original-Request"] = answer.original or request_id
    if answer.original is not None:
        headers["Idempotent-Replayed"] = "true"
    if answer.status >= 400 and (retry := _RETRY.get(answer.status, "false")):
        headers["Stripe-Should-Retry"] = retry
    if trace is not None:
        headers["Emu-Trace-Id"] = trace
    return Response(answer.body.encode(), answer.status, headers, media_type="application/json")
