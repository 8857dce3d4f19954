"""API keys of merchants: made, listed, rolled, revoked. A key cannot make keys, so none of this is on `/v1`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query

from gateway.core.api_keys import Wish
from gateway.emu import examples
from gateway.emu.desk import Desk
from gateway.emu.models import Identifier, KeyList, KeyMade, KeysAsked, KeyShown, KeyWanted, RollWanted
from gateway.emu.problems import documented
from gateway.handlers import api_keys

KeyId = Annotated[Identifier, Path(description="Id of the key, `key_...`.")]


def keys(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, ports = desk.router("keys"), desk.ports

    @router.get(
        "/keys",
        operation_id="listKeys",
        summary="The keys of a merchant",
        response_model=KeyList,
        responses=documented(422),
    )
    async def listed(asked: Annotated[KeysAsked, Query()]) -> Any:
        return {"data": await api_keys.list_of(ports, asked.account)}

    @router.post(
        "/keys",
        operation_id="createKey",
        summary="Make a key; its text is in this answer only",
        status_code=201,
        response_model=KeyMade,
        responses=documented(404, 422),
    )
    async def made(wanted: Annotated[KeyWanted, Body(openapi_examples=examples.body("createKey"))]) -> Any:
        wish = Wish(wanted.kind, wanted.name, wanted.scopes, wanted.expires_in_s)
        return await api_keys.create(ports, wanted.account, wish)

    @router.get(
        "/keys/{id}",
        operation_id="getKey",
        summary="One key",
        response_model=KeyShown,
        responses=documented(404, 422),
    )
    async def retrieved(id: KeyId) -> Any:
        return await api_keys.retrieve(ports, id)

    @router.post(
        "/keys/{id}/roll",
        operation_id="rollKey",
        summary="Replace a key; the old one works a while longer if you like",
        status_code=201,
        response_model=KeyMade,
        responses=documented(404, 422),
    )
    async def rolled(id: KeyId, wanted: Annotated[RollWanted, Body(openapi_examples=examples.body("rollKey"))]) -> Any:
        return await api_keys.roll(ports, id, wanted.overlap_s)

    @router.delete(
        "/keys/{id}",
        operation_id="revokeKey",
        summary="End a key at once, for good",
        response_model=KeyShown,
        responses=documented(404, 422),
    )
    async def revoked(id: KeyId) -> Any:
        return await api_keys.revoke(ports, id)

    return router
