"""Messages: what crossed the links of every node, page by page and live."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from gateway.emu.desk import Desk
from gateway.emu.house import silent_of
from gateway.emu.models import Cursor, MessagePage, MessagePageAsked, MessagesAsked
from gateway.emu.problems import documented
from gateway.emu.streaming import EVENT_STREAM, StreamResponse, events, newest, parse_place, place_text
from node.control_client import ControlClient

_FILTERS = ("link", "direction", "mti", "stan", "rrn", "trace", "since", "until")


def messages(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, house = desk.router("messages"), desk.house

    @router.get(
        "/messages",
        operation_id="listMessages",
        summary="What crossed the links, in order of time",
        response_model=MessagePage,
        responses=documented(404, 422, 502),
    )
    async def listed(asked: Annotated[MessagePageAsked, Query()]) -> Any:
        nodes = house.nodes if asked.node is None else [house.named(asked.node)]
        place = parse_place(asked.cursor or "")
        wanted = _filters(asked)
        takes_newest = asked.newest and asked.cursor is None
        if takes_newest:
            wanted["newest"] = "1"

        def read(client: ControlClient, node: str) -> tuple[list[dict[str, Any]], int]:
            return client.wait_messages(node, place.get(node, 0), limit=asked.limit + 1, wait_s=0, **wanted)

        found, failed = await house.each(read, nodes)
        rows = sorted((row for rows, _ in found.values() for row in rows), key=lambda row: (row["at"], row["sequence"]))
        page = rows[-asked.limit :] if takes_newest else rows[: asked.limit]
        has_more = not takes_newest and len(rows) > len(page)
        for node, (_, last) in found.items():
            shown = [row["sequence"] for row in page if row["node"] == node]
            if shown and has_more:
                place[node] = max(shown)
            elif not has_more:
                place[node] = max(place.get(node, 0), last)
        return {"data": page, "has_more": has_more, "next_cursor": place_text(place), "silent": silent_of(failed)}

    @router.get(
        "/messages/stream",
        operation_id="streamMessages",
        summary="What crosses the links from now on, as server-sent events",
        description=_STREAM,
        response_class=StreamingResponse,
        responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}, **documented(404, 422, 503)},
    )
    async def streamed(
        asked: Annotated[MessagesAsked, Query()],
        last_event_id: Annotated[Cursor | None, Header(description="Go on behind this event.")] = None,
    ) -> StreamingResponse:
        with ExitStack() as taken:
            taken.enter_context(desk.watch.stream())
            nodes = house.nodes if asked.node is None else [house.named(asked.node)]
            place = await newest(house, nodes) if last_event_id is None else parse_place(last_event_id)
            body = events(desk.watch, house, nodes, place, _filters(asked))
            return StreamResponse(body, taken.pop_all())

    return router


def _filters(asked: MessagesAsked) -> dict[str, str]:
    given = asked.model_dump(exclude_none=True)
    return {name: given[name] for name in _FILTERS if name in given}


_STREAM = (
    "Each event is a message (`event: message`) or a remark (`event: remark`) as in the list. Its id names its place: "
    "send it back as `Last-Event-ID`, as browsers do, and the stream goes on exactly behind it, as far as the nodes "
    "have kept what crossed. A slow reader gets everything, later. A comment comes when nothing has crossed for 15 s."
)
