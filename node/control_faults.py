"""The control port's faults: arm them, see what is armed and what struck, disarm them."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from iso.errors import LocalProtocolError
from node.control_access import Gate, Refused, body_of, json_answer


def add_faults(app: FastAPI, gate: Gate) -> None:
    """Serve the faults that a tester provokes."""

    @app.get("/nodes/{name}/faults")
    async def faults(request: Request) -> Response:
        port = gate.node(request, "read").fault_port
        return json_answer({"armed": port.listed(), "fired": port.fired()})

    @app.post("/nodes/{name}/faults")
    async def add_fault(request: Request) -> Response:
        port = gate.node(request, "operate").fault_port
        wanted = await body_of(request, port.model)
        try:
            armed = port.add(wanted)
        except LocalProtocolError as error:
            problem = str(error)
        else:
            return json_answer(armed, 201)
        raise Refused(422, problem)

    @app.delete("/nodes/{name}/faults")
    async def clear_faults(request: Request) -> Response:
        gate.node(request, "operate").fault_port.clear()
        return json_answer({"faults": []})
