"""A blocking client for an ASGI application, without a socket."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import httpx

from node.clock import wall_clock
from node.control_access import service_token

SECRET = "0" * 64
"""Signs the service tokens of tests."""


def bearer(node: str, scope: str, secret: str = SECRET, age_s: float = 0) -> dict[str, str]:
    """Return the header of a caller whose token was signed `age_s` seconds ago."""
    token = service_token(secret, node, scope, lambda: wall_clock() - timedelta(seconds=age_s), "a test")
    return {"authorization": f"Bearer {token}"}


class AppClient:
    """Sends requests straight into an application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send one request; see `httpx.AsyncClient.request` for the arguments."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                return await client.request(method, path, **arguments)

        return anyio.run(send)
