"""The control port: one per process, serving every node of the process under `/nodes/{name}`.

Health, readiness and metrics are open; everything else needs a service token (`node.control_access`). Each idea has its
routes in a module of its own. It never shows a card number, a CVV, a PIN or a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from fastapi import FastAPI, Request, Response
from pydantic import Field, model_validator

from node.clock import OFFSET_MAX, BusinessClock
from node.control_access import Gate, Refused, body_of, json_answer, service_secret, service_token
from node.control_bank import add_bank
from node.control_client import ControlClient, ControlError
from node.control_commands import add_commands
from node.control_faults import add_faults
from node.control_keys import add_keys
from node.control_messages import add_messages
from node.control_metrics import add_metrics
from node.control_reset import add_reset
from node.control_routes import add_routes
from node.control_saf import add_saf
from node.control_totals import add_totals
from node.control_vault import add_vault
from node.controlled import Controlled
from node.settings import Section

__all__ = ["ControlClient", "ControlError", "Controlled", "control_app", "service_secret", "service_token"]


class AdvanceRequest(Section):
    """Body of `POST /nodes/{name}/clock`: how far to go on, or the offset and version for a whole house."""

    advance_s: float | None = Field(default=None, ge=0, le=10 * 366 * 86_400)
    offset_s: float | None = Field(default=None, ge=0, le=OFFSET_MAX.total_seconds())
    version: int | None = Field(default=None, ge=1, le=2**31)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        agreed = (self.offset_s is not None) + (self.version is not None)
        if agreed + 2 * (self.advance_s is not None) != 2:
            raise ValueError("either advance_s, or offset_s and version")
        return self

    def apply(self, clock: BusinessClock) -> None:
        """Move a clock; ValueError if it cannot go there."""
        if self.advance_s is not None:
            clock.advance(timedelta(seconds=self.advance_s))
        else:
            assert self.offset_s is not None
            assert self.version is not None
            clock.agree(timedelta(seconds=self.offset_s), self.version)


def control_app(nodes: Mapping[str, Controlled], secret: str) -> FastAPI:
    """Build the control port of a process."""
    app = FastAPI(
        title="cardrails control port",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    gate = Gate(nodes, secret)
    gate.guard(app)
    add_health(app, gate)
    add_clock(app, gate)
    add_messages(app, gate)
    add_commands(app, gate)
    add_metrics(app, gate)
    add_routes(app, gate)
    add_saf(app, gate)
    add_totals(app, gate)
    add_keys(app, gate)
    add_vault(app, gate)
    add_faults(app, gate)
    add_bank(app, gate)
    add_reset(app, gate)
    return app


def add_health(app: FastAPI, gate: Gate) -> None:
    """Serve who is here, how they are, and what they are doing."""

    @app.get("/nodes")
    async def names() -> Response:
        return json_answer({"nodes": sorted(gate.nodes)})

    @app.get("/nodes/{name}/health")
    async def health(name: str) -> Response:
        return json_answer({"node": gate.open(name).name, "status": "ok"})

    @app.get("/nodes/{name}/ready")
    async def ready(name: str) -> Response:
        is_ready = gate.open(name).is_ready()
        return json_answer({"node": name, "ready": is_ready}, 200 if is_ready else 503)

    @app.get("/nodes/{name}/state")
    async def state(request: Request) -> Response:
        node = gate.node(request, "read")
        await node.settled()
        return json_answer(node.view())


def add_clock(app: FastAPI, gate: Gate) -> None:
    """Serve business time."""

    @app.get("/nodes/{name}/clock")
    async def clock(request: Request) -> Response:
        return _clock(gate.node(request, "read").clock)

    @app.post("/nodes/{name}/clock")
    async def advance(request: Request) -> Response:
        node = gate.node(request, "operate")
        wanted = await body_of(request, AdvanceRequest)
        try:
            wanted.apply(node.clock)
        except ValueError as error:
            problem = str(error)
        else:
            node.nudge()
            return _clock(node.clock)
        raise Refused(409, problem)


def _clock(clock: BusinessClock) -> Response:
    return json_answer(
        {"now": clock.now().isoformat(), "offset_s": clock.offset.total_seconds(), "version": clock.version}
    )
