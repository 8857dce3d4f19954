"""The control port's messages: read them, wait for them, and verify what they must be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import anyio
import anyio.lowlevel
from fastapi import FastAPI, Request, Response
from pydantic import Field

from node.control_access import Gate, Refused, body_of, json_answer, whole_number
from node.core.verify import Assertion, VerifyError, Watch, parse
from node.message_rows import message_of, micros, view
from node.message_store import LIMIT_MAX, MessageRow, Query
from node.settings import Section
from node.trace import TraceRing

WAIT_MAX_S = 60
"""The longest that one call waits for messages."""
SHOWN_MAX = 20
"""Messages that a verdict shows."""
SLICE = 200
"""Messages that are decoded without letting the node run."""

_TEXTS = ("rrn", "stan", "trace", "mti", "link")


class VerifyRequest(Section):
    """Body of `POST /nodes/{name}/verify`."""

    assertion: str = Field(max_length=8_000)
    after: int = Field(default=0, ge=0)


def add_messages(app: FastAPI, gate: Gate) -> None:
    """Serve what crossed the links of the nodes."""

    @app.get("/nodes/{name}/messages")
    async def messages(request: Request) -> Response:
        trace = gate.node(request, "read").trace
        query, wait_s = query_of(request), min(whole_number(request, "wait_s", 0), WAIT_MAX_S)
        found, last = trace.views(query), trace.last
        with anyio.move_on_after(wait_s):
            # What crosses meanwhile may be about something else: then the wait goes on.
            while wait_s and not found:
                await trace.wait_beyond(last)
                query = query._replace(after=max(query.after, last))
                found, last = trace.views(query), trace.last
        return json_answer({"messages": found, "last": last})

    @app.get("/nodes/{name}/payments/{payment}/traces")
    async def traces(request: Request) -> Response:
        node = gate.node(request, "read")
        if node.traces_of is None:
            raise Refused(404, "this node knows no payments; ask a gateway")
        return json_answer({"traces": await node.traces_of(request.path_params["payment"])})

    @app.get("/nodes/{name}/requests/{what}")
    async def requests(request: Request) -> Response:
        node = gate.node(request, "read")
        if node.requests_of is None:
            raise Refused(404, "this node answers no shops; ask a gateway")
        return json_answer(await node.requests_of(request.path_params["what"]))

    @app.post("/nodes/{name}/verify")
    async def verify(request: Request) -> Response:
        node = gate.node(request, "read")
        wanted = await body_of(request, VerifyRequest)
        assertion = assertion_of(wanted.assertion)
        if assertion.node != node.name:
            raise Refused(422, f"assertion: it is about {assertion.node}, and this is {node.name}")
        if assertion.link is not None and assertion.link not in node.trace.links:
            # "none" would always hold on a link that nobody has, so a slip of the pen must not pass.
            links = ", ".join(node.trace.links) or "none"
            raise Refused(422, f"assertion: there is no link {assertion.link[:40]!r}; there are {links}")
        return json_answer(await judged(assertion, node.trace, wanted.after))


def assertion_of(source: str) -> Assertion:
    """Read an assertion.

    Raises
    ------
    Refused
        422: what is wrong with it.
    """
    try:
        return parse(source)
    except VerifyError as error:
        problem = str(error)
    raise Refused(422, f"assertion: {problem}")


async def judged(assertion: Assertion, trace: TraceRing, after: int) -> dict[str, Any]:
    """Show a watch every message after a sequence, those to come too, until it has a verdict or its time is over."""
    watch, matched = Watch(assertion), list[MessageRow]()
    started, seen = anyio.current_time(), after
    ends_at = started + assertion.within_s
    while True:
        # Whatever has crossed by the end counts, so the last look comes after it.
        is_over, until = anyio.current_time() >= ends_at, trace.last
        seen = await _see(watch, trace, seen, until, matched)
        if is_over or watch.verdict(is_over=False) is not None:
            break
        with anyio.CancelScope(deadline=ends_at):
            await trace.wait_beyond(until)
    return {
        "holds": watch.verdict(is_over=True),
        "assertion": assertion.source,
        "expected": assertion.expected,
        "count": watch.count,
        "waited_s": round(anyio.current_time() - started, 3),
        "last": until,
        "messages": [view(row, trace.node) for row in matched],
    }


async def _see(watch: Watch, trace: TraceRing, after: int, until: int, matched: list[MessageRow]) -> int:
    """Show a watch what crossed after one sequence up to another; return how far it has seen."""
    wanted = Query(limit=SLICE, link=watch.assertion.link, direction=watch.assertion.direction)
    while after < until and watch.verdict(is_over=False) is None:
        rows = trace.find(wanted._replace(after=after))
        for row in rows:
            message = message_of(row, house_form=True)
            if message is not None and watch.see(message) and len(matched) < SHOWN_MAX:
                matched.append(row)
        after = rows[-1].sequence if len(rows) == SLICE else max(until, rows[-1].sequence if rows else 0)
        await anyio.lowlevel.checkpoint()
    return after


def query_of(request: Request) -> Query:
    """Read which messages a request wants.

    Raises
    ------
    Refused
        422: a parameter is wrong.
    """
    get = request.query_params.get
    direction = get("direction")
    if direction not in (None, "in", "out", "note"):
        raise Refused(422, "direction: in, out or note")
    return Query(
        after=whole_number(request, "after", 0),
        limit=min(whole_number(request, "limit", 1000), LIMIT_MAX),
        newest=get("newest", "0") in ("1", "true"),
        direction=direction,
        since=_instant(request, "since"),
        until=_instant(request, "until"),
        **{name: get(name) for name in _TEXTS},
    )


def _instant(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Refused(422, f"{name}: an instant with its time zone is needed, such as 2026-03-14T09:26:53Z")
    return micros(at)
