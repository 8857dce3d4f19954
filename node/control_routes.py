"""The control port's routes of a switch: which there are, why one is chosen, and another table in their place."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response

from iso.errors import CardrailsError
from node.control_access import Gate, Refused, Scope, json_answer
from node.controlled import Routing


def add_routes(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/routes` and `/nodes/{name}/route`."""

    def routing(request: Request, scope: Scope) -> Routing:
        found = gate.node(request, scope).routing
        if found is None:
            raise Refused(404, "this node routes nothing")
        return found

    @app.get("/nodes/{name}/routes")
    async def routes(request: Request) -> Response:
        return json_answer(routing(request, "read").view())

    @app.put("/nodes/{name}/routes")
    async def reload(request: Request) -> Response:
        found = routing(request, "operate")
        body = await request.body()
        try:
            answer = found.reload(body)
        except CardrailsError as error:
            problem = str(error)
        else:
            return json_answer(answer)
        raise Refused(422, problem)

    @app.post("/nodes/{name}/route")
    async def explain(request: Request) -> Response:
        found = routing(request, "read")
        try:
            asked: Any = await request.json()
            answer = found.explain(asked if isinstance(asked, dict) else {})
        except CardrailsError as error:
            problem = str(error)
        except ValueError:
            problem = "body: JSON is needed"
        else:
            return json_answer(answer)
        raise Refused(422, problem)
