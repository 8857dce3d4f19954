"""Events: what happened to the merchant's objects, newest first. They are written by whoever changes an object."""

from __future__ import annotations

from typing import Any

from gateway.core.claims import Answer
from gateway.core.errors import ApiError
from gateway.core.events import matching, render
from gateway.core.records_account import Event
from gateway.handlers.context import Call, Ports, listed, owned, shown


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return one event."""
    return await ports.store.read(
        lambda books: shown(books, call, render(owned(books, call, Event, call.identifiers[0], what="event")))
    )


async def list_all(ports: Ports, call: Call) -> Answer:
    """List events, of some types or of all."""
    params = call.params
    if "type" in params and "types" in params:
        message = "You may only specify one of these parameters: type, types."
        raise ApiError(400, message, param="types")
    where: dict[str, Any] = {}
    kinds = matching(params["type"]) if "type" in params else tuple(dict.fromkeys(params.get("types") or ())) or None
    if kinds is not None:
        where["type"] = kinds
    # Nothing is ever waiting for a webhook, so every event counts as delivered.
    if params.get("delivery_success") is False:
        where["type"] = ()
    return await ports.store.read(lambda books: listed(books, call, Event, where, render, "event"))
