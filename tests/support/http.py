"""A blocking client for an ASGI application, without a socket."""

from __future__ import annotations

from typing import Any

import anyio
import httpx


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
