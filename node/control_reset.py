"""The control port's reset: the nodes of this process begin again, empty."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from iso.errors import CardrailsError
from node.control_access import Gate, Refused, json_answer


def add_reset(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/reset`: for the whole process, whichever of its nodes is asked."""

    @app.post("/nodes/{name}/reset")
    async def reset(request: Request) -> Response:
        node = gate.node(request, "operate")
        if node.empty is None:
            raise Refused(409, "who started this node does not start it again; stop it, and use another folder")
        try:
            return json_answer({"emptied": node.empty()})
        except CardrailsError as error:
            problem = str(error)
        raise Refused(409, problem)
