"""Traces: which requests there were, and everything that happened for one of them, or for a payment."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from gateway.core.request_rows import shown
from gateway.emu.desk import Desk
from gateway.emu.models import Identifier, TracePage, TracesAsked, TraceShown
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
        nodes = desk.house.nodes
        story: Story = await desk.house.ask(lambda client: tell(client, nodes, id))
        if story.is_empty:
            raise Problem(404, f"nothing is kept of {id}")
        return {"id": id, "traces": story.traces, "steps": story.steps(), "silent": story.silent}

    return router


_WHAT = "Request id (`req_...`), trace id, or the id of a payment, charge, refund or setup intent."
