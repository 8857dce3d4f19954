"""The request log: what shops asked, how they were answered, and which HSM commands that took.

The hot path appends a tuple to a ring; a task masks what has gathered and writes it as a group. What a request was
asked with is in memory, as it came, for at most `LAG_S` after its answer. If the ring is full the oldest entries go:
a shop never waits for history.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel
import structlog

from gateway.core.obligations import micros
from gateway.core.request_rows import (
    HsmCall,
    RequestRow,
    compact_json,
    error_of,
    masked_params,
    masked_path,
    subject_of,
)
from gateway.handlers.context import Hsm
from gateway.store_requests import MemoryRequests, RequestQuery, RequestStore
from node.clock import Stopwatch, stopwatch

LAG_S = 0.1
"""How long requests gather before they are written: one transaction for all of them."""
PENDING_MAX = 5_000
"""Requests that wait to be written."""
SLICE = 64
"""Requests that are masked without letting the gateway run."""

log = structlog.get_logger("gateway")


class Asked(NamedTuple):
    """A request at its begin: business time, and the stopwatch's seconds."""

    at: datetime
    began_s: float
    hsm: list[tuple[str, str, float, float]]


class Answered(NamedTuple):
    """A request at its end, as the web application has it."""

    id: str
    trace: str
    account: str
    method: str
    path: str
    tree: Any
    status: int
    body: str


_CURRENT: ContextVar[Asked | None] = ContextVar("asked", default=None)


class RequestLog:
    """What is kept of a gateway's requests.

    Parameters
    ----------
    business
        Business time, aware UTC.
    store
        Where rows are kept; memory by default.
    watch
        What latencies are measured with.

    Attributes
    ----------
    dropped
        How many requests were not kept, because more came than could be written.
    """

    def __init__(
        self, business: Callable[[], datetime], store: RequestStore | None = None, watch: Stopwatch = stopwatch
    ) -> None:
        self._business = business
        self._watch = watch
        self._store: RequestStore = store if store is not None else MemoryRequests()
        self._pending: deque[tuple[Asked, float, Answered]] = deque()
        self._next = self._store.last + 1
        self._woken = anyio.Event()
        self.dropped = 0

    def begin(self) -> Asked:
        """Note that a request has come; the HSM commands of its task are its own from here on."""
        asked = Asked(self._business(), self._watch(), [])
        _CURRENT.set(asked)
        return asked

    def end(self, asked: Asked, answered: Answered) -> None:
        """Note how it was answered."""
        if len(self._pending) >= PENDING_MAX:
            self._pending.popleft()
            self.dropped += 1
        self._pending.append((asked, self._watch(), answered))
        self._woken.set()

    def find(self, query: RequestQuery) -> list[RequestRow]:
        """Return what a query asks for, newest first, with everything that has been answered until now."""
        self._write(len(self._pending))
        return self._store.find(query)

    async def run(self) -> None:
        """Write for ever."""
        while True:
            self._woken = anyio.Event()
            if not self._pending:
                await self._woken.wait()
                await anyio.sleep(LAG_S)
            self._write(SLICE)
            await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._write(len(self._pending))
        self._store.close()
        self._store = MemoryRequests()

    def _write(self, at_most: int) -> None:
        take, row = self._pending.popleft, self._row
        rows = [row(*take()) for _ in range(min(at_most, len(self._pending)))]
        if not rows:
            return
        try:
            self._store.append(rows)
        except sqlite3.Error as error:
            log.warning("requests are no longer kept in a file", reason=type(error).__name__)
            self._store.close()
            self._store = MemoryRequests()
            self._store.append(rows)

    def _row(self, asked: Asked, ended_s: float, answered: Answered) -> RequestRow:
        sequence, self._next = self._next, self._next + 1
        began_s = asked.began_s
        calls = [
            HsmCall(command, code, _us(sent_s - began_s), _us(done_s - sent_s))
            for command, code, sent_s, done_s in asked.hsm
        ]
        is_failed = answered.status >= 400
        return RequestRow(
            sequence=sequence,
            id=answered.id,
            trace=answered.trace,
            account=answered.account,
            at=micros(asked.at),
            took_us=_us(ended_s - began_s),
            method=answered.method,
            path=masked_path(answered.path),
            status=answered.status,
            subject=subject_of(answered.body),
            error=error_of(answered.body) if is_failed else "",
            params="" if answered.tree is None else masked_params(answered.tree),
            hsm=compact_json(calls),
        )


class LoggedHsm:
    """The HSM's port, noting for each request which commands were asked for it: their codes, never their values."""

    def __init__(self, hsm: Hsm, watch: Stopwatch = stopwatch) -> None:
        self._hsm = hsm
        self._watch = watch

    async def call(self, request: Any, timeout_s: float) -> Any:
        """Ask; see `Hsm.call`."""
        asked = _CURRENT.get()
        if asked is None:
            return await self._hsm.call(request, timeout_s)
        sent_s = self._watch()
        answer = await self._hsm.call(request, timeout_s)
        code = "" if answer is None else answer.code
        asked.hsm.append((_command(request), code, sent_s, self._watch()))
        return answer


_COMMANDS: dict[type, str] = {}


def _command(request: Any) -> str:
    """Return the two characters that a request begins with on the wire."""
    known = _COMMANDS.get(type(request))
    if known is None:
        known = _COMMANDS[type(request)] = request.encode()[:2].decode("ascii")
    return known


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))
