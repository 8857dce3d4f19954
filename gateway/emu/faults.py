"""Provoked faults: armed on the links of any node, or in the HSM; listed with what struck; cleared."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from gateway.emu import examples
from gateway.emu.desk import Desk
from gateway.emu.house import silent_of
from gateway.emu.models import Asked, FaultArmed, FaultsShown, NodeName, NodesDone, Wanted
from gateway.emu.problems import documented
from hsm_sim.config import FaultConfig
from node.control_client import ControlClient
from node.fault_ports import FaultRequest


class FaultWanted(Wanted):
    """A fault and the node that is to suffer it: `hsm` takes the one kind, every other node the other."""

    node: NodeName
    fault: FaultRequest | FaultConfig


class NodeAsked(Asked):
    """At which node; without it: at all of them."""

    node: NodeName | None = None


def faults(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, house = desk.router("faults"), desk.house

    def at(asked: NodeAsked) -> list[str]:
        return house.nodes if asked.node is None else [house.named(asked.node)]

    @router.get(
        "/faults",
        operation_id="listFaults",
        summary="The faults that are armed, and those that struck",
        response_model=FaultsShown,
        responses=documented(404, 422),
    )
    async def listed(asked: Annotated[NodeAsked, Query()]) -> Any:
        found, failed = await house.each(_look, at(asked))
        return {"data": list(found.values()), "silent": silent_of(failed)}

    @router.post(
        "/faults",
        operation_id="armFault",
        summary="Arm a fault",
        status_code=201,
        response_model=FaultArmed,
        responses=documented(404, 409, 422, 502, 503),
    )
    async def arm(wanted: Annotated[FaultWanted, Body(openapi_examples=examples.body("armFault"))]) -> Any:
        node = house.named(wanted.node)
        fault = wanted.fault.model_dump(mode="json")
        return {"node": node, "fault": await house.ask(lambda client: client.provoke(node, fault))}

    @router.delete(
        "/faults",
        operation_id="clearFaults",
        summary="Disarm every fault",
        response_model=NodesDone,
        responses=documented(404, 422),
    )
    async def clear(asked: Annotated[NodeAsked, Query()]) -> Any:
        done, failed = await house.each(lambda client, node: client.calm(node), at(asked))
        return {"done": list(done), "silent": silent_of(failed)}

    return router


def _look(client: ControlClient, node: str) -> dict[str, Any]:
    return {"node": node, "armed": client.armed(node), "fired": client.struck(node)}
