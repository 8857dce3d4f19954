"""Who may call a control port: signed tokens for one node and one scope, and how calls are refused and answered.

Default deny. A token is valid for a minute, for one audience (the node) and with the scope of the call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar

import jwt
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError

from node.clock import Entropy, Wall, wall_clock
from node.controlled import Controlled

Scope = Literal["read", "operate"]
TOKEN_LIFETIME_S = 60
ISSUER = "cardrails"
PROBLEM = "application/problem+json"

M = TypeVar("M", bound=BaseModel)


class Refused(Exception):
    """A call is answered with a problem: a status and a sentence."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


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
            body = {"type": "about:blank", "title": "refused", "status": error.status, "detail": error.detail}
            return Response(json.dumps(body), error.status, media_type=PROBLEM)

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
            401 without such a token, 404 if the node is not here.
        """
        name = request.path_params["name"]
        header = request.headers.get("authorization", "")
        try:
            claims = jwt.decode(
                header.removeprefix("Bearer "),
                self._secret,
                algorithms=["HS256"],
                audience=name,
                issuer=ISSUER,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
        except jwt.InvalidTokenError:
            claims = {}
        if claims.get("scope") not in ((scope,) if scope == "operate" else ("read", "operate")):
            raise Refused(401, "a service token for this node and scope is needed")
        return self.open(name)


async def body_of(request: Request, model: type[M]) -> M:
    """Read a request's body into its model.

    Raises
    ------
    Refused
        422: what is wrong, and where.
    """
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    raise Refused(422, f"{'.'.join(str(part) for part in first['loc']) or 'body'}: {first['msg']}")


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
