"""Traces: which requests there were, and everything that happened for one of them, or for a payment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import PlainTextResponse

from gateway.core.request_rows import shown
from gateway.core.telling import silence_lines, story_lines
from gateway.emu.desk import Desk
from gateway.emu.house import SUBJECT, silent_of
from gateway.emu.models import Identifier, TextAsked, TracePage, TracesAsked, TraceShown
from gateway.emu.problems import Problem, documented
from gateway.emu.story import Story, tell
from gateway.store_requests import RequestQuery


def traces(desk: Desk) -> APIRouter:
    """Return the operations."""
    router = desk.router("traces")

    @router.get(
        "/traces",
        operation_id="listTraces",
        summary="Requests at /v1, newest first",
        response_model=TracePage,
        responses=documented(422),
    )
    async def listed(asked: Annotated[TracesAsked, Query()]) -> Any:
        where = {"account": asked.account, "method": asked.method, "status": asked.status}
        found = desk.requests.find(RequestQuery(asked.limit + 1, asked.cursor, **where))  # type: ignore[arg-type]
        rows = found[: asked.limit]
        return {
            "data": [shown(row) for row in rows],
            "next_cursor": rows[-1].sequence if len(found) > asked.limit else None,
        }

    @router.get(
        "/traces/{id}",
        operation_id="getTrace",
        summary="Everything that happened for a request or a payment, in order",
        response_model=TraceShown,
        responses=documented(404, 422, 502, 503),
    )
    async def told(id: Annotated[Identifier, Path(description=_WHAT)]) -> Any:
        story = await _told(desk, id)
        return {"id": id, "traces": story.traces, "steps": story.steps(), "silent": silent_of(story.silent)}

    @router.get(
        "/traces/{id}/text",
        operation_id="getTraceText",
        summary="The same for people, as lines of text",
        response_class=PlainTextResponse,
        responses=documented(404, 422, 502, 503),
    )
    async def written(
        id: Annotated[Identifier, Path(description=_WHAT)], asked: Annotated[TextAsked, Query()]
    ) -> PlainTextResponse:
        story = await _told(desk, id)
        lines = story_lines(story.steps(), with_bytes=asked.bytes)
        lines += silence_lines(story.silent)
        return PlainTextResponse("\n".join(lines) + "\n")

    return router


async def _told(desk: Desk, name: str) -> Story:
    nodes = desk.house.nodes
    story: Story = await desk.house.ask(lambda client: tell(client, nodes, name))
    if story.is_empty and SUBJECT in story.silent:
        raise Problem(503, story.silent[SUBJECT])
    if story.is_empty:
        raise Problem(404, f"nothing is kept of {name}")
    return story


_WHAT = "Request id (`req_...`), trace id, or the id of a payment, charge, refund or setup intent."
