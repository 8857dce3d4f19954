"""The control port's store-and-forward: what has not arrived, and dead letters sent again."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import Field

from node.control_access import Gate, Refused, Scope, body_of, json_answer, whole_number
from node.saf_desk import STATES, SafPort
from node.settings import Section

LIMIT_MAX = 10_000
_ALL = "all"


class ResendRequest(Section):
    """Body of `POST /nodes/{name}/saf/resend`: one identifier, or everything that is dead."""

    identifier: str | None = Field(default=None, min_length=1, max_length=400)
    all: bool = False


def add_saf(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/saf`."""

    def saf(request: Request, scope: Scope) -> SafPort:
        found = gate.node(request, scope).saf
        if found is None:
            raise Refused(404, "this node stores and forwards nothing")
        return found

    @app.get("/nodes/{name}/saf")
    async def entries(request: Request) -> Response:
        found, get = saf(request, "read"), request.query_params.get
        state = get("state", _ALL)
        if state not in (*STATES, _ALL):
            raise Refused(422, f"state: {', '.join(STATES)} or {_ALL}")
        limit = min(whole_number(request, "limit", 1000), LIMIT_MAX)
        shown = await found.entries(None if state == _ALL else state, get("link"), limit)
        return json_answer({"entries": shown})

    @app.post("/nodes/{name}/saf/resend")
    async def resend(request: Request) -> Response:
        found = saf(request, "operate")
        wanted = await body_of(request, ResendRequest)
        if wanted.all is (wanted.identifier is not None):
            raise Refused(422, "body: either an identifier, or all")
        sent = await found.resend(wanted.identifier)
        if wanted.identifier is not None and not sent:
            raise Refused(404, "identifier: no dead entry has it")
        return json_answer({"resent": sent})
