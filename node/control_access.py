"""Who may call a control port: signed tokens for one node and one scope, and how calls are refused and answered.

Default deny. A token says who calls, is valid for a minute at most, for one audience (the node) and with the scopes of
the calls it is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import jwt
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from iso.errors import ConfigError
from iso.pan import mask_text
from node.clock import Entropy, Wall, wall_clock
from node.controlled import Controlled
from node.private_file import made_once
from node.runtime import StoppedError

Scope = Literal["read", "operate", "bank:read", "bank:write", "cards:write", "merchants:write"]
"""What a token allows. `read`, `operate`: what a node does and how it is run. `bank:...`: accounts, statements and
payments of a bank, and money moved by hand; `cards:write`: an issuer's card file; `merchants:write`: an acquirer's
directory."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
_ALSO: dict[str, tuple[str, ...]] = {
    "operate": ("read",),
    "bank:write": ("bank:read",),
    "cards:write": ("bank:read",),
    "merchants:write": ("bank:read",),
}
TOKEN_LIFETIME_S = 60
CLOCKS_APART_S = 5
"""How far the clock of whoever checks a token may be behind the signer's: two machines differ, and one clock is set
back at times."""
SECRET_FILE = "control.key"
_SECRET_BYTES = 32
ISSUER = "cardrails"
OPERATOR = "operator"
"""Who calls, if nobody says otherwise: a person at a command."""
PROBLEM = "application/problem+json"
BODY_MAX_BYTES = 1 << 20

M = TypeVar("M", bound=BaseModel)


class Refused(Exception):
    """A call is answered with a problem: a status and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def service_secret(folder: Path, entropy: Entropy) -> str:
    """Return the secret that signs service tokens in this house: 64 hex digits, made by whichever node starts first.

    Raises
    ------
    ConfigError
        The file is there and is none of ours: bring back the right one, or remove it while no node runs.
    """
    path = folder / SECRET_FILE
    secret = made_once(path, lambda: entropy(_SECRET_BYTES).hex())
    if re.fullmatch(rf"[0-9a-f]{{{2 * _SECRET_BYTES}}}", secret) is None:
        raise ConfigError(path, "content", "hidden", f"must be {_SECRET_BYTES} bytes in hex")
    return secret


def service_token(secret: str, node: str, scope: str, wall: Wall = wall_clock, subject: str = OPERATOR) -> str:
    """Sign a token for one node, valid for a minute that began `CLOCKS_APART_S` ago.

    Parameters
    ----------
    scope
        One `Scope`, or several with spaces between them.
    subject
        Who calls.
    """
    began = wall() - timedelta(seconds=CLOCKS_APART_S)
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": node,
        "scope": scope,
        "iat": began,
        "exp": began + timedelta(seconds=TOKEN_LIFETIME_S),
    }
    return jwt.encode(claims, secret, algorithm="HS256")


def allows(granted: str, wanted: str) -> bool:
    """Whether scopes (with spaces between them) allow a call.

    Examples
    --------
    >>> allows("operate", "read"), allows("bank:read cards:write", "cards:write"), allows("operate", "bank:read")
    (True, True, False)
    """
    return any(wanted == scope or wanted in _ALSO.get(scope, ()) for scope in granted.split())


class Gate:
    """The nodes of a process, and the secret without which nobody reaches them."""

    def __init__(self, nodes: Mapping[str, Controlled], secret: str) -> None:
        self.nodes = nodes
        self._secret = secret

    def guard(self, app: FastAPI) -> None:
        """Let an application answer what is refused."""

        @app.exception_handler(Refused)
        async def refused(_request: Request, error: Exception) -> Response:
            assert isinstance(error, Refused)
            return problem_answer(error.status, error.detail)

        @app.exception_handler(StoppedError)
        async def stopped(_request: Request, error: Exception) -> Response:
            return problem_answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

        @app.exception_handler(HTTPException)
        async def unknown(_request: Request, error: Exception) -> Response:
            assert isinstance(error, HTTPException)
            return problem_answer(error.status_code, str(error.detail), error.headers)

    def open(self, name: str) -> Controlled:
        """Return a node that anybody may ask about.

        Raises
        ------
        Refused
            404: it is not in this process.
        """
        node = self.nodes.get(name)
        if node is None:
            raise Refused(404, "no such node in this process")
        return node

    def node(self, request: Request, scope: Scope) -> Controlled:
        """Return the node that a request names, if its token is for that node and scope.

        Raises
        ------
        Refused
            401 without a token for this node, 403 if it is for something else, 404 if the node is not here.
        """
        claims = self._claims(request)
        if claims is None:
            raise Refused(401, "a service token for this node is needed")
        if not allows(str(claims["scope"]), scope):
            raise Refused(403, f"a service token with the scope {scope} is needed")
        return self.open(request.path_params["name"])

    def caller(self, request: Request) -> str:
        """Return who calls, as the token says; "" without a token for this node."""
        claims = self._claims(request)
        return mask_text(str(claims["sub"])[:64]) if claims is not None else ""

    def _claims(self, request: Request) -> dict[str, Any] | None:
        header = request.headers.get("authorization", "")
        try:
            claims: dict[str, Any] = jwt.decode(
                header.removeprefix("Bearer "),
                self._secret,
                algorithms=["HS256"],
                audience=request.path_params["name"],
                issuer=ISSUER,
                options={"require": ["exp", "iat", "aud", "iss", "sub", "scope"], "strict_aud": True},
            )
        except jwt.InvalidTokenError:
            return None
        # Whoever has the secret can sign anything; what lives longer than it should is not ours.
        return claims if claims["exp"] - claims["iat"] <= TOKEN_LIFETIME_S else None


async def body_of(request: Request, model: type[M]) -> M:
    """Read a request's body into its model.

    Raises
    ------
    Refused
        422: what is wrong, and where.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_MAX_BYTES:
            raise Refused(413, f"body: at most {BODY_MAX_BYTES} bytes")
    return checked(model, body)


def checked(model: type[M], data: bytes | Mapping[str, str]) -> M:
    """Read JSON, or a query, into a model.

    Raises
    ------
    Refused
        422: what is wrong, and where; never what was sent.
    """
    try:
        return model.model_validate_json(data) if isinstance(data, bytes) else model.model_validate_strings(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    raise Refused(422, mask_text(f"{where}: {first['msg']}"))


def whole_number(request: Request, name: str, default: int) -> int:
    """Read a whole number from the query.

    Raises
    ------
    Refused
        422: it is none.
    """
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refused(422, f"{name}: a whole number is needed")
    return int(text)


def json_answer(body: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


def problem_answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a problem (RFC 9457)."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail}
    more = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return Response(json.dumps(body), status, {**(headers or {}), **more}, media_type=PROBLEM)
