"""The control port's keys of links: as they stand, by check value, and an exchange on demand."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import Field

from iso import CardrailsError
from node.control_access import Gate, Refused, Scope, body_of, json_answer
from node.controlled import LinkKeys
from node.settings import Section


class ExchangeRequest(Section):
    """Body of `POST /nodes/{name}/keys/exchange`."""

    link: str = Field(min_length=1)
    kind: str = Field(min_length=1)


def add_keys(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/keys`."""

    def keys(request: Request, scope: Scope) -> LinkKeys:
        found = gate.node(request, scope).keys
        if found is None:
            raise Refused(404, "this node shares no keys on its links")
        return found

    @app.get("/nodes/{name}/keys")
    async def listed(request: Request) -> Response:
        return json_answer({"keys": await keys(request, "read").view()})

    @app.post("/nodes/{name}/keys/exchange")
    async def exchange(request: Request) -> Response:
        found, wanted = keys(request, "operate"), await body_of(request, ExchangeRequest)
        try:
            return json_answer(await found.exchange(wanted.link, wanted.kind))
        except CardrailsError as error:
            reason = str(error)
        raise Refused(404, reason)
