"""From an answer to HTTP: status, body, and the headers that SDKs and browsers read."""

from __future__ import annotations

import json
import re

from fastapi import Request, Response

from gateway.api.reading import IDEMPOTENT_METHODS, idempotency_key, is_version
from gateway.core import access
from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.events import API_VERSION
from gateway.core.render import dumps

LOG_PATH = "/emu/v1/traces/"
"""Where `request_log_url` points: what happened for a request, by its id."""

_RETRY = {409: "true", 500: None, 503: "true"}
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,255}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?", re.ASCII)
_ERROR_HEAD, _ERROR_TAIL = '{"error":', "}}"

_CORS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Request-Id, Original-Request, Idempotent-Replayed, Stripe-Should-Retry, Stripe-Rate-Limited-Reason, "
        "Stripe-Version, Emu-Trace-Id"
    ),
    "Access-Control-Max-Age": "300",
}
_ASKED_HEADERS = re.compile(r"[A-Za-z0-9\-, ]{1,1000}", re.ASCII)


def refusal(error: ApiError, *, is_public: bool = False) -> Answer:
    """Return the answer that tells an error; for a publishable key without what is not for everybody."""
    return Answer(error.status, dumps(access.public_view(error.body()) if is_public else error.body()))


def respond(
    request: Request, request_id: str, answer: Answer, *, trace: str | None = None, reason: str | None = None
) -> Response:
    """Return the HTTP response.

    Parameters
    ----------
    request
        What is answered.
    request_id
        Its id.
    answer
        Status and JSON, perhaps of an earlier request with the same idempotency key.
    trace
        Id of its trace, if it has one.
    reason
        Which limit was exceeded.
    """
    version = request.headers.get("stripe-version", "")
    headers = {
        **_CORS,
        "Request-Id": request_id,
        "Stripe-Version": version if is_version(version) else API_VERSION,
        "Cache-Control": "no-cache, no-store",
    }
    if (key := _shown_key(request)) is not None:
        headers["Idempotency-Key"] = key
        headers["Original-Request"] = answer.original or request_id
    if answer.original is not None:
        headers["Idempotent-Replayed"] = "true"
    if answer.status >= 400 and (retry := _retry(answer.status, reason)):
        headers["Stripe-Should-Retry"] = retry
    if reason is not None:
        headers["Stripe-Rate-Limited-Reason"] = reason
    if trace is not None:
        headers["Emu-Trace-Id"] = trace
    body = _with_log_url(answer.body, request, answer.original or request_id)
    return Response(body.encode(), answer.status, headers, media_type="application/json")


def preflight(request: Request) -> Response:
    """Answer a browser that asks whether it may send a request."""
    asked = request.headers.get("access-control-request-headers", "")
    allowed = asked if _ASKED_HEADERS.fullmatch(asked) else "Authorization, Content-Type, Idempotency-Key"
    return Response(None, 200, {**_CORS, "Access-Control-Allow-Headers": allowed})


def _shown_key(request: Request) -> str | None:
    if request.method not in IDEMPOTENT_METHODS:
        return None
    try:
        return idempotency_key(request)
    except ApiError:
        return None


def _retry(status: int, reason: str | None) -> str | None:
    # A 429 without a reason is the lock of an object, which is free in a moment.
    return "true" if status == 429 and reason is None else _RETRY.get(status, "false")


def _with_log_url(body: str, request: Request, request_id: str) -> str:
    """Add to an error where its request can be looked at; a replayed one names the request that came first."""
    host = request.headers.get("host", "")
    if not (body.startswith(_ERROR_HEAD) and body.endswith(_ERROR_TAIL) and _HOST.fullmatch(host)):
        return body
    url = json.dumps(f"{request.scope['scheme']}://{host}{LOG_PATH}{request_id}")
    return f'{body[: -len(_ERROR_TAIL)]},"request_log_url":{url}{_ERROR_TAIL}'
