"""Where the control ports of other processes are: a node has one of its own, or shares that of a process of several.

The topology names both, and does not say which process runs what; so whoever needs a node's control port looks.
"""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import httpx

_LOOK_S = 2.0
_TIMEOUT_S = 2.0


async def find_controls(urls: dict[str, str], others: Mapping[str, str]) -> None:
    """Keep the control URLs of nodes in other processes right, for ever.

    Parameters
    ----------
    urls
        Node to URL, changed in place: an entry that does not answer is tried elsewhere.
    others
        Node to where it is if it is not at its own port; nodes that are not in it are left alone.
    """
    own = {name: urls[name] for name in others}
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
        while others:
            for name, other in others.items():
                if await _serves(client, urls[name], name):
                    continue
                for url in (own[name], other):
                    if await _serves(client, url, name):
                        urls[name] = url
                        break
            await anyio.sleep(_LOOK_S)


async def _serves(client: httpx.AsyncClient, url: str, name: str) -> bool:
    try:
        return (await client.get(f"{url}/nodes/{name}/health")).is_success
    except httpx.HTTPError:
        return False
