"""From an HTTP request to what it says: parameters as a tree, idempotency key, API version. Everything has a limit."""

from __future__ import annotations

import re

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.core.cards import carries_card_number
from gateway.core.claims import KEY_MAX
from gateway.core.errors import IDEMPOTENCY_ERROR, ApiError, excerpt
from gateway.core.forms import Tree, grow, parse_form
from gateway.core.multipart import parse_multipart

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
QUERY_MAX_BYTES = 16_384
IDEMPOTENT_METHODS = ("POST", "DELETE")

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:\.[a-z0-9_]{1,32})?(?:; ?[\w.=-]{1,64}){0,10}", re.ASCII)
_LENGTH = re.compile(r"[0-9]+")
_LENGTH_DIGITS = 18
_PRINTABLE = re.compile(r"[ -~]*")


async def parameters_of(request: Request, body_max_bytes: int) -> Tree:
    """Return the parameters of a request: those of its query, and those of its body.

    Parameters
    ----------
    request
        Any method.
    body_max_bytes
        Longer bodies are refused.

    Raises
    ------
    ApiError
        400, 413 or 414: too long, not a form, not UTF-8, nested too deep, too many.
    """
    query = request.scope["query_string"]
    if len(query) > QUERY_MAX_BYTES:
        raise ApiError(414, f"Invalid request: the query is longer than {QUERY_MAX_BYTES} bytes.")
    tree = parse_form(query.decode("latin-1")) if query else {}
    body = await _body(request, body_max_bytes)
    if not body:
        return tree
    content_type = request.headers.get("content-type", FORM)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == MULTIPART:
        return grow(parse_multipart(body, content_type), tree)
    if kind != FORM:
        raise ApiError(400, f"Invalid request: send parameters as {FORM}.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise ApiError(400, "Invalid request: the parameters are not valid UTF-8.")
    return parse_form(text, tree)


def idempotency_key(request: Request) -> str | None:
    """Return the idempotency key of a request that may have one.

    Raises
    ------
    ApiError
        400 `idempotency_error`: empty, too long, with characters that do not belong into a header, or a card number.
    """
    key = request.headers.get("idempotency-key") if request.method in IDEMPOTENT_METHODS else None
    if key is None:
        return None
    if not 0 < len(key) <= KEY_MAX:
        message = f"Idempotency keys must have from 1 to {KEY_MAX} characters."
    elif not _PRINTABLE.fullmatch(key):
        message = "Idempotency keys must consist of printable ASCII characters."
    elif carries_card_number(key):
        message = "An idempotency key must not be a card number."
    else:
        return key
    raise ApiError(400, message, kind=IDEMPOTENCY_ERROR)


def check_version(request: Request) -> None:
    """Refuse what is not the name of an API version.

    Raises
    ------
    ApiError
        400.
    """
    named = request.headers.get("stripe-version")
    if named is not None and not is_version(named):
        raise ApiError(400, f"Invalid Stripe API version: {excerpt(named)}")


def is_version(text: str) -> bool:
    """Whether this may be the name of an API version, with the betas that a preview SDK adds."""
    return bool(_VERSION.fullmatch(text))


async def _body(request: Request, most: int) -> bytes:
    pieces, length = [], 0
    is_cut = False
    announced = request.headers.get("content-length", "")
    if _LENGTH.fullmatch(announced) and (len(announced) > _LENGTH_DIGITS or int(announced) > most):
        raise _too_long(most)
    try:
        async for piece in request.stream():
            length += len(piece)
            if length > most:
                raise _too_long(most)
            pieces.append(piece)
    except ClientDisconnect:
        is_cut = True
    if is_cut:
        # Half of a request must not be carried out as a whole one, though nobody will read the refusal.
        raise ApiError(400, "Invalid request: the body is shorter than announced.")
    return b"".join(pieces)


def _too_long(most: int) -> ApiError:
    return ApiError(413, f"Invalid request: the body is longer than {most} bytes.")
