"""The business clock of the house: read, and moved forward at every node together."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from gateway.emu import examples
from gateway.emu.desk import Desk
from gateway.emu.house import silent_of
from gateway.emu.models import AdvanceWanted, ClockList
from gateway.emu.problems import Problem, documented
from node.calendar_settings import read_calendar
from node.control_client import ControlClient
from node.house_clock import Clocks, advance, amount_of, look


def clock(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, house = desk.router("clock"), desk.house

    @router.get(
        "/clock",
        operation_id="getClock",
        summary="Business time at every node",
        response_model=ClockList,
    )
    async def read() -> Any:
        return _shown(await house.ask(look))

    @router.post(
        "/clock/advance",
        operation_id="advanceClock",
        summary="Move business time forward at every node",
        description=_ADVANCE,
        response_model=ClockList,
        responses=documented(409, 422, 503),
    )
    async def move(wanted: Annotated[AdvanceWanted, Body(openapi_examples=examples.body("advanceClock"))]) -> Any:
        by = amount_of(wanted.by)
        if by is None:
            raise Problem(409, "business time goes on by at most 2600 business days at once")
        calendar = read_calendar()

        def go_on(client: ControlClient) -> Clocks:
            clocks = look(client)
            return advance(client, clocks, by, calendar) if clocks.shown else clocks

        try:
            clocks = await house.ask(go_on)
        except OverflowError:
            clocks = None
        if clocks is None:
            raise Problem(409, "business time does not go that far")
        if not clocks.shown:
            raise Problem(409 if clocks.silent else 503, "; ".join(clocks.silent.values()) or "no node is known")
        return _shown(clocks)

    return router


def _shown(clocks: Clocks) -> dict[str, Any]:
    agreed = {(clock["offset_s"], clock["version"]) for clock in clocks.shown.values()}
    return {
        "data": [{"node": node, **shown} for node, shown in clocks.shown.items()],
        "agree": len(agreed) == 1 and not clocks.silent,
        "silent": silent_of(clocks.silent),
    }


_ADVANCE = (
    "Holds expire, days are cut over; what waits for an answer goes on waiting as long as before. A node that does not "
    "answer keeps its time, is listed as silent, and comes along at the next move. Business days are those of TARGET."
)
