"""The control port's HSM commands: which a party gave lately, by code; never a value of any."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import AwareDatetime, Field

from node.control_access import Gate, Refused, checked, json_answer
from node.settings import Section


class CommandsQuery(Section):
    """`GET /nodes/{name}/commands`."""

    party: str = Field(max_length=64)
    since: AwareDatetime
    until: AwareDatetime
    limit: int = Field(default=100, ge=1, le=1_000)


def add_commands(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/commands`."""

    @app.get("/nodes/{name}/commands")
    async def commands(request: Request) -> Response:
        found = gate.node(request, "read").commands
        if found is None:
            raise Refused(404, "this node takes no host commands; ask an HSM")
        wanted = checked(CommandsQuery, dict(request.query_params))
        return json_answer({"commands": found.find(wanted.party, wanted.since, wanted.until, wanted.limit)})
