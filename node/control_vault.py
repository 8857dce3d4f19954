"""The control port's vault keys: how far a change of them is, and the order to begin one."""

from __future__ import annotations

from typing import Literal

from fastapi import FastAPI, Request, Response

from iso import CardrailsError
from node.control_access import Gate, Refused, Scope, body_of, json_answer
from node.controlled import VaultPort
from node.settings import Section


class RotateRequest(Section):
    """Body of `POST /nodes/{name}/vault/rotate`."""

    kind: Literal["card", "fingerprint", "retire-fingerprint"]


def add_vault(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/vault`."""

    def vault(request: Request, scope: Scope) -> VaultPort:
        found = gate.node(request, scope).vault
        if found is None:
            raise Refused(404, "this node has no vault; ask an HSM")
        return found

    @app.get("/nodes/{name}/vault")
    async def rotation(request: Request) -> Response:
        return json_answer(vault(request, "read").rotation())

    @app.post("/nodes/{name}/vault/rotate")
    async def rotate(request: Request) -> Response:
        found, wanted = vault(request, "operate"), await body_of(request, RotateRequest)
        try:
            return json_answer(await found.rotate(wanted.kind))
        except CardrailsError as error:
            reason = str(error)
        raise Refused(409, reason)
