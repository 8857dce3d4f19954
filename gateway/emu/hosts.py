"""Hosts and cards: who is up, which links are signed on, and what the test cards do."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.emu.desk import Desk
from gateway.emu.models import CardList, HostList
from node.control_client import ControlClient


def hosts(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, house = desk.router("hosts"), desk.house

    @router.get(
        "/hosts",
        operation_id="listHosts",
        summary="The nodes: up, ready, links, counters",
        response_model=HostList,
        response_model_exclude_unset=True,
    )
    async def listed() -> Any:
        found, failed = await house.each(_look)
        down = [_down(node, reason) for node, reason in failed.items()]
        rows = {row["node"]: row for row in [*found.values(), *down]}
        return {"data": [rows[node] for node in house.nodes if node in rows]}

    return router


def cards(desk: Desk) -> APIRouter:
    """Return the operation that lists the test cards."""
    router = desk.router("cards")

    @router.get(
        "/cards",
        operation_id="listCards",
        summary="The test cards and what their issuers do with them",
        response_model=CardList,
    )
    async def listed() -> Any:
        return {"data": [card._asdict() for card in desk.cards]}

    return router


def _look(client: ControlClient, node: str) -> dict[str, Any]:
    state = client.state(node)
    links = dict(state["links"]) if isinstance(state.get("links"), dict) else {}
    if isinstance(state.get("link"), dict):
        # The gateway has one link, and it is the acquirer's.
        links["acquirer"] = state["link"]
    return {
        "node": node,
        "is_up": True,
        "is_ready": client.ready(node),
        "links": [_link(name, dict(counters)) for name, counters in links.items()],
        "counters": {name: value for name, value in state.items() if type(value) is int},
    }


def _link(name: str, counters: dict[str, Any]) -> dict[str, Any]:
    is_up = bool(counters.pop("is_up", False) or counters.pop("up", False))
    return {"name": name, "is_up": is_up, **counters}


def _down(node: str, reason: str) -> dict[str, Any]:
    return {"node": node, "is_up": False, "is_ready": False, "links": [], "counters": {}, "reason": reason}
