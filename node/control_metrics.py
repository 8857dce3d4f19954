"""The control port's metrics: of the process, and of each node. Open to whoever is on this machine."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from node.control_access import Gate, Refused
from node.metrics import CONTENT_TYPE, exposition

_LOOPBACK = ("127.", "::1", "::ffff:127.")


def add_metrics(app: FastAPI, gate: Gate) -> None:
    """Serve `/metrics` and `/nodes/{name}/metrics`."""

    @app.get("/metrics")
    async def of_process(request: Request) -> Response:
        _is_local(request)
        families = [family for node in gate.nodes.values() for family in node.metrics()]
        return Response(exposition(families), media_type=CONTENT_TYPE)

    @app.get("/nodes/{name}/metrics")
    async def of_node(name: str, request: Request) -> Response:
        _is_local(request)
        return Response(exposition(gate.open(name).metrics()), media_type=CONTENT_TYPE)


def _is_local(request: Request) -> None:
    if request.client is None or not request.client.host.startswith(_LOOPBACK):
        raise Refused(403, "metrics are open to this machine only")
