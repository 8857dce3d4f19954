"""Seed and reset: payments to look at, and what a tester has provoked put back.

Seeded payments are real: each goes through the gateway's own handlers and over the wire to an issuer. A reset puts back
what testers changed on purpose and what can be undone; books and ledgers are append-only, and it says so.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Body

from gateway.core.claims import Answer, Ticket
from gateway.core.errors import ApiError, no_such
from gateway.core.identifiers import TRACE_BYTES, identifier, trace_id
from gateway.core.parameters import read
from gateway.core.records_account import AccountRow
from gateway.core.request_rows import subject_of
from gateway.core.specs import INTENT_CREATE
from gateway.emu import examples
from gateway.emu.desk import Desk
from gateway.emu.house import silent_of
from gateway.emu.models import ResetShown, ResetWanted, SeedShown, SeedWanted
from gateway.emu.problems import documented
from gateway.handlers import payments
from gateway.handlers.context import Account, Call
from gateway.request_log import Answered
from gateway.virtual import distinct_names
from node.bank_client import BankClient
from node.control_client import ControlClient, ControlError

_PATH = "/emu/v1/seed"
_REQUEST_ID_BYTES = 14
_NOT_FOUND = 404

KEPT = (
    ("books and ledgers", "payments, holds, balances and postings are append-only: start a house with another folder"),
    ("business time", "it never runs backwards"),
    ("messages and requests", "they are history; the oldest go by themselves"),
    ("API keys, cards, merchants", "they are data of their owners; revoke or change them one by one"),
)


def seed(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, house = desk.router("seed"), desk.house

    @router.post(
        "/seed",
        operation_id="seed",
        summary="Make payments with the test cards",
        response_model=SeedShown,
        responses=documented(404, 422),
    )
    async def sown(wanted: Annotated[SeedWanted, Body(openapi_examples=examples.body("seed"))]) -> Any:
        row = await desk.ports.store.read(lambda books: books.get(AccountRow, wanted.account))
        if row is None:
            raise no_such("account", wanted.account)
        names, made, statuses = distinct_names(), list[str](), Counter[str]()
        for number in range(wanted.payments):
            intent, status = await _pay(desk, row, wanted.amount, names[number % len(names)])
            statuses[status] += 1
            if intent:
                made.append(intent)
        return {"payments": made, "statuses": dict(statuses)}

    @router.post(
        "/reset",
        operation_id="reset",
        summary="Put back what testers have provoked",
        description="Provoked faults and scripted outcomes. Nothing else can honestly be reset: `kept` says why.",
        response_model=ResetShown,
        responses=documented(422),
    )
    async def put_back(wanted: Annotated[ResetWanted, Body(openapi_examples=examples.body("reset"))]) -> Any:
        done: dict[str, list[str]] = {}
        failed: dict[str, str] = {}
        for what, act in (("faults", _calm), ("scripts", _unscript)):
            if what in wanted.what:
                found, silent = await house.each(act)
                done[what] = [node for node, was_done in found.items() if was_done]
                failed |= silent
        kept = [{"what": what, "because": because} for what, because in KEPT]
        return {"reset": done, "kept": kept, "silent": silent_of(failed)}

    return router


async def _pay(desk: Desk, row: AccountRow, amount: int, method: str) -> tuple[str, str]:
    """Make one payment as the merchant would; return its id and status, or no id and the code of the error."""
    ports, log = desk.ports, desk.requests
    request, trace = identifier("req", ports.entropy(_REQUEST_ID_BYTES)), trace_id(ports.entropy(TRACE_BYTES))
    tree = {"amount": str(amount), "currency": row.currency, "payment_method": method, "confirm": "true"}
    asked = log.begin()
    try:
        params = read(INTENT_CREATE, {**tree, "description": "seeded"})
        account = Account(row.id, row.merchant, row.terminal)
        answer = await payments.create(
            ports, Call(account, Ticket(row.id, None, "", request), trace, (), params, _PATH)
        )
    except ApiError as error:
        answer = Answer(error.status, json.dumps(error.body()))
    log.end(asked, Answered(request, trace, row.id, "POST", _PATH, tree, answer.status, answer.body))
    body = json.loads(answer.body)
    if answer.status == 200:
        return subject_of(answer.body), str(body["status"])
    told = body["error"]
    intent = told.get("payment_intent", {})
    return str(intent.get("id", "")), str(told.get("decline_code") or told.get("code") or told["type"])


def _calm(client: ControlClient, node: str) -> bool:
    client.calm(node)
    return True


def _unscript(client: ControlClient, node: str) -> bool:
    """End scripted outcomes; False at a node that has none because it is no issuer."""
    try:
        BankClient(client).clear_scripts(node)
    except ControlError as error:
        if error.status != _NOT_FOUND:
            raise
        return False
    return True
