"""The official SDK's own HTTP clients; what they are answered goes past the type oracle."""

from __future__ import annotations

from typing import Any

import stripe

from tests.support.oracle import Oracle


class Watched(stripe.RequestsClient):
    """The blocking client."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self._oracle = oracle

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send, and let the oracle look at the answer."""
        content, status, headers = super().request(*args, **kwargs)
        self._oracle.see(" ".join(args[:2]), status, content)
        return content, status, headers


class WatchedAsync(stripe.HTTPXClient):
    """The asynchronous client."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self._oracle = oracle

    async def request_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send, and let the oracle look at the answer."""
        content, status, headers = await super().request_async(*args, **kwargs)
        self._oracle.see(" ".join(args[:2]), status, content)
        return content, status, headers
