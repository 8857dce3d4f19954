"""Which HTTP requests, and which traces, stand behind a name: for `/emu/v1`, the control port and the command line."""

from __future__ import annotations

import re
from typing import Any

from gateway.core.books import Books, Store
from gateway.core.records import SendRecord
from gateway.core.records_money import Refund
from gateway.core.request_rows import RequestRow, shown
from gateway.request_log import RequestLog
from gateway.store_requests import RequestQuery

REQUESTS_MAX = 50
"""Requests of one name; the newest."""
_TRACE = re.compile(r"[0-9a-z]{32}")
_LOOKS = "GET"


async def requests_of(store: Store, log: RequestLog, name: str) -> dict[str, Any]:
    """Find what a name leads to.

    Parameters
    ----------
    name
        Request id, trace id, or the id of a payment, charge, refund, setup intent or any other object.

    Returns
    -------
    dict[str, Any]
        `traces` (ids) and `requests` (see `gateway.core.request_rows.shown`), both oldest first. Of an object the
        requests that only looked at it are left out.
    """
    if _TRACE.fullmatch(name):
        return _found([name], log.find(RequestQuery(REQUESTS_MAX, trace=name)))
    if name.startswith("req_"):
        found = log.find(RequestQuery(1, id=name))
        return _found([row.trace for row in found], found)
    sent = await store.read(lambda books: _sent(books, name))
    causes = dict.fromkeys(record.request for record in sent if record.request)
    rows = [row for row in log.find(RequestQuery(REQUESTS_MAX, subject=name)) if row.method != _LOOKS]
    rows += [row for request in causes for row in log.find(RequestQuery(1, id=request))]
    newest_first = sorted(set(rows), key=lambda row: -row.sequence)
    # A request about it that caused no message has a trace, too, in which there is nothing but itself.
    return _found([record.trace for record in sent], newest_first)


async def traces_of(store: Store, payment: str) -> list[str]:
    """Return the trace ids under which a payment (or one charge or refund of it) went to the network, oldest first."""
    sent = await store.read(lambda books: _sent(books, payment))
    return list(dict.fromkeys(record.trace for record in sent))


def _sent(books: Books, name: str) -> list[SendRecord]:
    if name.startswith("re_"):
        refund = books.get(Refund, name)
        found = [] if refund is None else books.find(SendRecord, {"charge": refund.charge})
        return [record for record in found if record.subject == name]
    return books.find(SendRecord, {"charge" if name.startswith("ch_") else "intent": name})


def _found(traces: list[str], rows: list[RequestRow]) -> dict[str, Any]:
    ordered = [shown(row) for row in reversed(rows)]
    return {"traces": list(dict.fromkeys(traces)), "requests": ordered}
