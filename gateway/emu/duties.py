"""What the gateway owes the acquirer: what waits, what was refused for good, and sending that again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from gateway.emu import examples
from gateway.emu.desk import Desk
from gateway.emu.models import DutiesAsked, DutyList, DutyShown, ResendWanted
from gateway.emu.problems import documented
from gateway.handlers import owing


def duties(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, ports = desk.router("duties"), desk.ports

    @router.get(
        "/duties",
        operation_id="listDuties",
        summary="Captures, voids and refunds that the acquirer has not taken",
        response_model=DutyList,
        responses=documented(422),
    )
    async def listed(asked: Annotated[DutiesAsked, Query()]) -> Any:
        return {"data": await owing.list_of(ports, asked.state, asked.limit)}

    @router.post(
        "/duties/resend",
        operation_id="resendDuty",
        summary="Send a message again that the acquirer has refused for good",
        response_model=DutyShown,
        responses=documented(404, 409, 422),
    )
    async def sent_again(wanted: Annotated[ResendWanted, Body(openapi_examples=examples.body("resendDuty"))]) -> Any:
        return await owing.send_again(ports, wanted.send)

    return router
