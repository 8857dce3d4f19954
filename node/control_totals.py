"""The control port's settlement: what members' messages come to, and a cut-over on demand."""

from __future__ import annotations

from datetime import date

from fastapi import FastAPI, Request, Response

from node.control_access import Gate, Refused, Scope, json_answer
from node.controlled import Settlement


def add_totals(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/totals` and `/nodes/{name}/cut-over`."""

    def settlement(request: Request, scope: Scope) -> Settlement:
        found = gate.node(request, scope).settlement
        if found is None:
            raise Refused(404, "this node has no totals; ask a switch")
        return found

    @app.get("/nodes/{name}/totals")
    async def totals(request: Request) -> Response:
        found, get = settlement(request, "read"), request.query_params.get
        return json_answer(await found.totals(get("member"), _date(get("date"))))

    @app.post("/nodes/{name}/cut-over")
    async def cut_over(request: Request) -> Response:
        return json_answer(await settlement(request, "operate").cut_over())


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        problem = "date: such as 2026-03-14"
    raise Refused(422, problem)
