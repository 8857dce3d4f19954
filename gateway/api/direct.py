"""The short way from a path to its adapter: one look-up in a table instead of a walk along all routes.

Routing, exception handlers and exit stacks of the web framework cost a tenth of a payment. What the table does not know
(another method, a path with two ids, a path that is nobody's) takes the framework's way and is answered there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

Serve = Callable[[Request], Awaitable[Response]]

_ID = "{id}"
_AT = 3
"""Where the id is in `/v1/payment_intents/{id}/confirm`."""


class Direct:
    """An ASGI application in front of another.

    Parameters
    ----------
    app
        For everything else.
    adapters
        Method and path, as routes are written, to what serves it. It must answer whatever happens.
    """

    def __init__(self, app: ASGIApp, adapters: Mapping[tuple[str, str], Serve]) -> None:
        self._app = app
        self._fixed = {key: serve for key, serve in adapters.items() if "{" not in key[1]}
        self._named = {key: serve for key, serve in adapters.items() if _has_one_id(key[1])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        serve, identifiers = self._found(scope)
        if serve is None:
            await self._app(scope, receive, send)
            return
        response = await serve(Request({**scope, "path_params": identifiers}, receive))
        await response(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[Serve | None, dict[str, str]]:
        if scope["type"] != "http":
            return None, {}
        method, path = scope["method"], scope["path"]
        serve = self._fixed.get((method, path))
        if serve is not None:
            return serve, {}
        parts = path.split("/")
        if len(parts) <= _AT or not parts[_AT]:
            return None, {}
        identifier, parts[_AT] = parts[_AT], _ID
        return self._named.get((method, "/".join(parts))), {"id": identifier}


def _has_one_id(path: str) -> bool:
    return path.count("{") == 1 and path.split("/")[_AT] == _ID
