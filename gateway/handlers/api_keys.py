"""API keys, for whoever runs the gateway: made, listed, rolled, revoked.

These are no operations of `/v1`: a key must not be able to make keys. The text of a new key is in the one answer that
made it (`secret`) and nowhere else, so such an answer is never stored for a repeat: whoever loses it rolls the key.
"""

from __future__ import annotations

from typing import Any

from gateway.core import api_keys
from gateway.core.api_keys import Wish
from gateway.core.books import Books
from gateway.core.obligations import micros
from gateway.core.records_account import ApiKey
from gateway.handlers.context import Ports

Shape = dict[str, Any]


async def create(ports: Ports, account: str, wish: Wish) -> Shape:
    """Make a key; return it with its text.

    Raises
    ------
    ApiError
        400: the wish breaks a rule, or there are too many keys. 404: there is no such account.
    """
    wish = wish.checked()
    text, created, now = _new_text(ports, wish.kind), ports.created(), micros(ports.wall())
    row = api_keys.row_of(account, wish, text, created, now)
    await ports.store.write(lambda books: api_keys.add(books, row, now))
    return {**api_keys.render(row, now), "secret": text}


async def list_of(ports: Ports, account: str) -> list[Shape]:
    """Return an account's keys, oldest first, the dead ones included; an account that is unknown has none."""
    now = micros(ports.wall())
    rows = await ports.store.read(lambda books: books.find(ApiKey, {"account": account}))
    return [api_keys.render(row, now) for row in rows]


async def retrieve(ports: Ports, identifier: str) -> Shape:
    """Return one key; ApiError 404 if there is none."""
    now = micros(ports.wall())
    return api_keys.render(await ports.store.read(lambda books: api_keys.of(books, identifier)), now)


async def roll(ports: Ports, identifier: str, overlap_s: int = 0) -> Shape:
    """Replace a key; return the new one with its text. The old one works for `overlap_s` more seconds of wall time.

    Raises
    ------
    ApiError
        404: no such key. 400: it has ended or was rolled before, or the overlap is longer than seven days.
    """
    created, now = ports.created(), micros(ports.wall())
    kind = (await ports.store.read(lambda books: api_keys.of(books, identifier))).kind
    text = _new_text(ports, kind)

    def work(books: Books) -> ApiKey:
        return api_keys.rolled(books, identifier, text, overlap_s, created, now)

    row = await ports.store.write(work)
    ports.keys_changed()
    return {**api_keys.render(row, now), "secret": text}


async def revoke(ports: Ports, identifier: str) -> Shape:
    """End a key at once, for good; ApiError 404 if there is none."""
    now = micros(ports.wall())
    row = await ports.store.write(lambda books: api_keys.revoked(books, identifier, now))
    ports.keys_changed()
    return api_keys.render(row, now)


def _new_text(ports: Ports, kind: str) -> str:
    return api_keys.key_text(kind, ports.entropy(api_keys.TEXT_BYTES))
