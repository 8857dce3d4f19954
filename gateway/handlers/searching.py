"""Searches: a query, step by step over the caller's rows, newest first."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gateway.core import render
from gateway.core.books import Books, Found, R
from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.records import Charge, Customer, Intent
from gateway.core.render import Shape
from gateway.core.search import Query, read_query
from gateway.handlers.context import Call, Ports, shown

COUNT_MAX = 10_000
"""`total_count` is exact up to here, and never more."""
TOTAL_COUNT = "total_count"

_TOKEN = re.compile(r"(\d{1,18})\.([0-9a-f]{16})")


async def customers(ports: Ports, call: Call) -> Answer:
    """Search the customers that are not deleted."""
    return await _search(ports, call, Customer, {"deleted": 0}, render.customer, "customers")


async def payment_intents(ports: Ports, call: Call) -> Answer:
    """Search payments."""
    return await _search(ports, call, Intent, {}, render.payment_intent, "payment_intents")


async def charges(ports: Ports, call: Call) -> Answer:
    """Search attempts at payments."""
    return await _search(ports, call, Charge, {}, render.charge, "charges")


async def _search(
    ports: Ports, call: Call, kind: type[R], more: Mapping[str, Any], shape_of: Callable[[R], Shape], resource: str
) -> Answer:
    params, limit = call.params, call.params.get("limit", 10)
    query, where = read_query(params["query"], resource), {"account": call.account.id, **more}
    mark = hashlib.sha256(params["query"].encode()).hexdigest()[:16]
    below = _place(params["page"], mark) if "page" in params else None
    found = await _found(ports, kind, where, query, below, limit + 1)
    kept, has_more = found[:limit], len(found) > limit
    page: Shape = {
        "object": "search_result",
        "data": [shape_of(row) for _, row in kept],
        "has_more": has_more,
        "next_page": _token(kept[-1][0], mark) if has_more else None,
        "url": call.path,
    }
    if TOTAL_COUNT in (params.get("expand") or ()):
        page[TOTAL_COUNT] = len(await _found(ports, kind, where, query, None, COUNT_MAX))
    return await ports.store.read(lambda books: shown(books, call, page))


async def _found(
    ports: Ports, kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, wanted: int
) -> list[tuple[int, R]]:
    """Return rows with their places; each step is a read of its own, so that no search holds the store for long."""
    rows: list[tuple[int, R]] = []
    while len(rows) < wanted:
        step = await ports.store.read(partial(_step, kind, where, query, below, wanted - len(rows)))
        rows += step.rows
        below = step.below
        if below is None:
            break
    return rows


def _step(
    kind: type[R], where: Mapping[str, Any], query: Query, below: int | None, limit: int, books: Books
) -> Found[R]:
    return books.search(kind, where, query, below, limit)


def _token(below: int, mark: str) -> str:
    return base64.urlsafe_b64encode(f"{below}.{mark}".encode()).decode().rstrip("=")


def _place(token: str, mark: str) -> int:
    """Return where a page goes on; the token of another query does not fit."""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    found = _TOKEN.fullmatch(text)
    if found is None or found[2] != mark:
        raise ApiError(400, "Invalid page: it does not belong to this query.", param="page")
    return int(found[1])
