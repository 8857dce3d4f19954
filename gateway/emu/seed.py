"""Seed and reset: customers and payments to look at, and what a tester has provoked put back.

Seeded payments are real: each goes through the gateway's own handlers and over the wire to an issuer. A reset puts back
what testers changed on purpose and what can be undone; books and ledgers are append-only, so that whoever wants them
empty has the whole house begin again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body

from gateway.core.claims import Answer, Ticket
from gateway.core.errors import ApiError, no_such
from gateway.core.identifiers import TRACE_BYTES, identifier, trace_id
from gateway.core.parameters import read
from gateway.core.records_account import AccountRow
from gateway.core.request_rows import subject_of
from gateway.core.specs import CUSTOMER_CREATE, INTENT_CREATE, Spec
from gateway.emu import examples
from gateway.emu.desk import Desk
from gateway.emu.house import House, silent_of
from gateway.emu.models import ResetShown, ResetWanted, SeedShown, SeedWanted
from gateway.emu.problems import Problem, documented
from gateway.handlers import customers, payments
from gateway.handlers.context import Account, Call, Ports
from gateway.request_log import Answered
from gateway.virtual import distinct_names
from node.bank_client import BankClient
from node.control_client import ControlClient, ControlError

Handler = Callable[[Ports, Call], Awaitable[Answer]]

_PATH = "/emu/v1/seed"
_OK = 200
_REQUEST_ID_BYTES = 14
_NOT_FOUND = 404

KEPT = (
    ("books and ledgers", "payments, holds, balances and postings are append-only: `everything` empties the house"),
    ("business time", "it never runs backwards: `everything` empties the house"),
    ("messages and requests", "they are history; the oldest go by themselves"),
    ("API keys, cards, merchants", "they are data of their owners; revoke or change them one by one"),
)
KEPT_BY_ALL = (
    ("addresses", "the house begins again where it was"),
    ("the topology's API keys, the operator's key", "callers go on with them; keys that were made here are gone"),
    ("the HSM's master secret", "its keys, tokens and cards are made anew under it"),
)


def seed(desk: Desk) -> APIRouter:
    """Return the operations."""
    router, house = desk.router("seed"), desk.house

    @router.post(
        "/seed",
        operation_id="seed",
        summary="Make customers, and payments with the test cards",
        response_model=SeedShown,
        responses=documented(404, 409, 422),
    )
    async def sown(wanted: Annotated[SeedWanted, Body(openapi_examples=examples.body("seed"))]) -> Any:
        row = await desk.ports.store.read(lambda books: books.get(AccountRow, wanted.account))
        if row is None:
            raise no_such("account", wanted.account)
        names, made, statuses = distinct_names(), list[str](), Counter[str]()
        known = [await _customer(desk, row, number, names[number % len(names)]) for number in range(wanted.customers)]
        for number in range(wanted.payments):
            customer = known[number % len(known)] if known else ""
            intent, status = await _pay(desk, row, wanted.amount, names[number % len(names)], customer)
            statuses[status] += 1
            if intent:
                made.append(intent)
        return {"customers": known, "payments": made, "statuses": dict(statuses)}

    @router.post(
        "/reset",
        operation_id="reset",
        summary="Put back what testers have provoked",
        description=_RESET,
        response_model=ResetShown,
        responses=documented(409, 422, 502, 503),
    )
    async def put_back(wanted: Annotated[ResetWanted, Body(openapi_examples=examples.body("reset"))]) -> Any:
        if "everything" in wanted.what:
            return {"reset": {"everything": await _empty(house)}, "kept": _shown(KEPT_BY_ALL), "silent": []}
        done: dict[str, list[str]] = {}
        failed: dict[str, str] = {}
        for what, act in (("faults", _calm), ("scripts", _unscript)):
            if what in wanted.what:
                found, silent = await house.each(act)
                done[what] = [node for node, was_done in found.items() if was_done]
                failed |= silent
        return {"reset": done, "kept": _shown(KEPT), "silent": silent_of(failed)}

    return router


_RESET = (
    "`faults` and `scripts`: provoked faults and scripted outcomes. `everything`: all nodes stop in good order and "
    "begin again at the same addresses, empty, as after their first start; GET /hosts shows nobody ready until they "
    "are. What must not go away stays, and `kept` says why."
)


def _shown(kept: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"what": what, "because": because} for what, because in kept]


async def _empty(house: House) -> list[str]:
    """Have every process begin again, empty; return the nodes. None does if one of them cannot be asked."""
    _, failed = await house.each(lambda client, node: client.state(node))
    if failed:
        raise Problem(409, f"all nodes must answer, so that all are emptied: {'; '.join(failed.values())}")
    emptied: list[str] = []
    for nodes in house.processes:
        emptied += await house.ask(lambda client, node=nodes[0]: client.empty(node))  # type: ignore[misc]
    return emptied


async def _customer(desk: Desk, row: AccountRow, number: int, method: str) -> str:
    """Make one customer with a card of their own; return the id."""
    name = f"Customer {number + 1}"
    tree = {"name": name, "email": f"customer-{number + 1}@example.com", "payment_method": method}
    answer = await _ask(desk, row, customers.create, CUSTOMER_CREATE, tree)
    if answer.status != _OK:
        raise Problem(409, json.loads(answer.body)["error"]["message"])
    return subject_of(answer.body)


async def _pay(desk: Desk, row: AccountRow, amount: int, method: str, customer: str) -> tuple[str, str]:
    """Make one payment as the merchant would; return its id and status, or no id and the code of the error."""
    tree = {"amount": str(amount), "currency": row.currency, "payment_method": method, "confirm": "true"}
    whose = {"customer": customer} if customer else {}
    answer = await _ask(desk, row, payments.create, INTENT_CREATE, {**tree, **whose, "description": "seeded"})
    body = json.loads(answer.body)
    if answer.status == _OK:
        return subject_of(answer.body), str(body["status"])
    told = body["error"]
    intent = told.get("payment_intent", {})
    return str(intent.get("id", "")), str(told.get("decline_code") or told.get("code") or told["type"])


async def _ask(desk: Desk, row: AccountRow, handle: Handler, spec: Spec, tree: dict[str, Any]) -> Answer:
    """Give a handler of `/v1` a request in the name of a merchant; it is in the request log as any."""
    ports, log = desk.ports, desk.requests
    request, trace = identifier("req", ports.entropy(_REQUEST_ID_BYTES)), trace_id(ports.entropy(TRACE_BYTES))
    asked = log.begin()
    try:
        account, params = Account(row.id, row.merchant, row.terminal), read(spec, tree)
        answer = await handle(ports, Call(account, Ticket(row.id, None, "", request), trace, (), params, _PATH))
    except ApiError as error:
        answer = Answer(error.status, json.dumps(error.body()))
    log.end(asked, Answered(request, trace, row.id, "POST", _PATH, tree, answer.status, answer.body))
    return answer


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
