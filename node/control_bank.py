"""The control port's banks: accounts, statements and payments; an issuer's card file; an acquirer's merchants.

Scopes: `bank:read` to look, `bank:write` to move money by hand and to post or mark presentments, `cards:write` and
`merchants:write` for the two files. A card number comes in the body of one call, once, and never goes out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response
from pydantic import Field, StringConstraints, field_validator

from iso.pan import mask_text
from node.bank_ports import (
    LIMIT_MAX,
    AcquirerPort,
    Adjustment,
    BankRefusalError,
    BooksPort,
    IssuerPort,
    Page,
)
from node.control_access import Gate, Refused, Scope, body_of, checked, json_answer, problem_answer
from node.settings import Section

PRESENTMENTS_MAX = 500
AMOUNT_MAX = 10**12 - 1
"""Twelve digits, as DE 4 has."""
_STATUS = {"absent": 404, "conflict": 409, "invalid": 422, "silent": 503}

_PRINTABLE = r"^[ -~]+$"
Name = Annotated[str, StringConstraints(max_length=80, pattern=_PRINTABLE)]
Short = Annotated[str, StringConstraints(max_length=15, pattern=r"^[A-Za-z0-9 ]+$")]
Arn = Annotated[str, StringConstraints(pattern=r"^[0-9]{23}$")]
Column = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z0-9_]+$")]
Value = Annotated[str, StringConstraints(max_length=400)] | bool | int | list[Name]


class PageQuery(Section):
    """`?after=&limit=`."""

    after: int = Field(default=0, ge=0, le=10**12)
    limit: int = Field(default=100, ge=1, le=LIMIT_MAX)

    def page(self) -> Page:
        """Return which part of a list is wanted."""
        return Page(self.after, self.limit)


class AccountsQuery(PageQuery):
    """`GET bank/accounts`."""

    prefix: str = Field(default="", max_length=80)
    currency: str = Field(default="", pattern=r"^([0-9]{3})?$")
    last4: str = Field(default="", pattern=r"^([0-9]{4})?$")


class StatementQuery(Section):
    """`GET bank/statement`."""

    account: Name
    before: str = Field(default="", max_length=60, pattern=r"^([0-9]{1,18}\.-?[0-9]{1,18})?$")
    limit: int = Field(default=50, ge=1, le=LIMIT_MAX)


class PaymentQuery(Section):
    """`GET bank/payment`: what an entry refers to, or an RRN."""

    reference: Name


class CardsQuery(PageQuery):
    """`GET bank/cards`."""

    last4: str = Field(default="", pattern=r"^([0-9]{4})?$")


class UnpresentedQuery(Section):
    """`GET bank/unpresented`."""

    after: str = Field(default="", pattern=r"^([0-9]{23})?$")
    limit: int = Field(default=PRESENTMENTS_MAX, ge=1, le=LIMIT_MAX)


class AdjustmentRequest(Section):
    """`POST bank/adjustments`."""

    account: Name
    amount_minor: int = Field(ge=-AMOUNT_MAX, le=AMOUNT_MAX)
    reference: str = Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9._:-]+$")

    @field_validator("reference")
    @classmethod
    def _is_no_card(cls, reference: str) -> str:
        if mask_text(reference) != reference:
            raise ValueError("it is stored, so it must not look like a card number")
        return reference


class CardRequest(Section):
    """`POST bank/cards`. What the columns are: docs/reference/bank-api.md."""

    pan: str = Field(pattern=r"^[0-9]{13,19}$", repr=False)
    balance_minor: int = Field(default=0, ge=0, le=AMOUNT_MAX)
    columns: dict[Column, Value] = Field(default_factory=dict, max_length=64)


class ChangeRequest(Section):
    """`PATCH bank/cards/{card}` and `PATCH bank/merchants/{merchant}`."""

    changes: dict[Column, Value] = Field(min_length=1, max_length=64)


class ScriptRequest(Section):
    """`POST bank/scripts`: a scripted outcome, of one card or of all."""

    card: str = Field(default="", max_length=40, pattern=r"^[0-9A-Za-z_]*$")
    when: str = Field(default="", max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")
    code: str = Field(default="", pattern=r"^([0-9A-Z]{2})?$")
    delay_ms: int = Field(default=0, ge=0, le=600_000)
    answers: bool = True
    times: int = Field(default=-1, ge=-1, le=1_000_000)


class ScriptsQuery(Section):
    """`DELETE bank/scripts`: those of a card, one of them, or all."""

    card: str | None = Field(default=None, max_length=40, pattern=r"^[0-9A-Za-z_]*$")
    number: int | None = Field(default=None, ge=0, le=2**31)


class Presentment(Section):
    """One record of what a merchant was promised, on its way to the books of the issuer."""

    arn: Arn
    acquirer: str = Field(pattern=r"^[0-9]{1,11}$")
    rrn: str = Field(pattern=r"^[A-Za-z0-9]{1,12}$")
    terminal: str = Field(default="", max_length=8, pattern=r"^[ -~]*$")
    kind: Literal["capture", "refund"] = "capture"
    number: int = Field(default=1, ge=1, le=99)
    amount_minor: int = Field(ge=1, le=AMOUNT_MAX)
    currency: str = Field(pattern=r"^[0-9]{3}$")
    is_final: bool = False


class PresentRequest(Section):
    """`POST bank/present`."""

    presentments: list[Presentment] = Field(min_length=1, max_length=PRESENTMENTS_MAX)


class PresentedRequest(Section):
    """`POST bank/presented`."""

    arns: list[Arn] = Field(min_length=1, max_length=PRESENTMENTS_MAX)


class MerchantRequest(Section):
    """`POST bank/merchants`. What the columns are: docs/reference/bank-api.md."""

    merchant: Short
    columns: dict[Column, Value] = Field(max_length=64)


class TerminalRequest(Section):
    """`POST bank/merchants/{merchant}/terminals`."""

    terminal: Annotated[str, StringConstraints(max_length=8, pattern=r"^[A-Za-z0-9]+$")]
    columns: dict[Column, Value] = Field(default_factory=dict, max_length=64)


def add_bank(app: FastAPI, gate: Gate) -> None:
    """Serve `/nodes/{name}/bank/...`."""

    @app.exception_handler(BankRefusalError)
    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, BankRefusalError)
        return problem_answer(_STATUS[error.cause], str(error))

    _add_books(app, gate)
    _add_issuer(app, gate)
    _add_acquirer(app, gate)


def _add_books(app: FastAPI, gate: Gate) -> None:
    def books(request: Request, scope: Scope) -> BooksPort:
        found = gate.node(request, scope).books
        if found is None:
            raise Refused(404, "this node is no bank")
        return found

    @app.get("/nodes/{name}/bank/ledger")
    async def ledger(request: Request) -> Response:
        return json_answer(await books(request, "bank:read").ledger())

    @app.get("/nodes/{name}/bank/accounts")
    async def accounts(request: Request) -> Response:
        found, wanted = books(request, "bank:read"), checked(AccountsQuery, dict(request.query_params))
        named = {"prefix": wanted.prefix, "currency": wanted.currency, "last4": wanted.last4}
        return json_answer(await found.accounts(wanted.page(), **named))

    @app.get("/nodes/{name}/bank/statement")
    async def statement(request: Request) -> Response:
        found, wanted = books(request, "bank:read"), checked(StatementQuery, dict(request.query_params))
        return json_answer(await found.statement(wanted.account, wanted.before, wanted.limit))

    @app.get("/nodes/{name}/bank/payment")
    async def payment(request: Request) -> Response:
        found, wanted = books(request, "bank:read"), checked(PaymentQuery, dict(request.query_params))
        return json_answer(await found.payment(wanted.reference))

    @app.post("/nodes/{name}/bank/adjustments")
    async def adjust(request: Request) -> Response:
        found = books(request, "bank:write")
        wanted = await body_of(request, AdjustmentRequest)
        order = Adjustment(wanted.account, wanted.amount_minor, wanted.reference, gate.caller(request))
        return json_answer(await found.adjust(order))


def _add_issuer(app: FastAPI, gate: Gate) -> None:
    def issuer(request: Request, scope: Scope) -> IssuerPort:
        found = gate.node(request, scope).issuer
        if found is None:
            raise Refused(404, "this node is no issuer")
        return found

    @app.get("/nodes/{name}/bank/cards")
    async def cards(request: Request) -> Response:
        found, wanted = issuer(request, "bank:read"), checked(CardsQuery, dict(request.query_params))
        return json_answer(await found.cards(wanted.page(), wanted.last4))

    @app.post("/nodes/{name}/bank/cards")
    async def issue(request: Request) -> Response:
        found = issuer(request, "cards:write")
        wanted = await body_of(request, CardRequest)
        return json_answer(await found.issue(wanted.pan, wanted.columns, wanted.balance_minor), 201)

    @app.patch("/nodes/{name}/bank/cards/{card}")
    async def change(request: Request, card: str) -> Response:
        found = issuer(request, "cards:write")
        wanted = await body_of(request, ChangeRequest)
        return json_answer(await found.change_card(card, wanted.changes))

    @app.get("/nodes/{name}/bank/scripts")
    async def scripts(request: Request) -> Response:
        return json_answer(await issuer(request, "bank:read").scripts())

    @app.post("/nodes/{name}/bank/scripts")
    async def put_script(request: Request) -> Response:
        found = issuer(request, "cards:write")
        wanted = await body_of(request, ScriptRequest)
        return json_answer(await found.put_script(wanted.model_dump()), 201)

    @app.delete("/nodes/{name}/bank/scripts")
    async def clear_scripts(request: Request) -> Response:
        found, wanted = issuer(request, "cards:write"), checked(ScriptsQuery, dict(request.query_params))
        return json_answer(await found.clear_scripts(wanted.card, wanted.number))

    @app.post("/nodes/{name}/bank/present")
    async def present(request: Request) -> Response:
        found = issuer(request, "bank:write")
        wanted = await body_of(request, PresentRequest)
        outcomes = await found.present([one.model_dump() for one in wanted.presentments])
        return json_answer({"presentments": outcomes})


def _add_acquirer(app: FastAPI, gate: Gate) -> None:
    def acquirer(request: Request, scope: Scope) -> AcquirerPort:
        found = gate.node(request, scope).acquirer
        if found is None:
            raise Refused(404, "this node is no acquirer")
        return found

    @app.get("/nodes/{name}/bank/merchants")
    async def merchants(request: Request) -> Response:
        found, wanted = acquirer(request, "bank:read"), checked(PageQuery, dict(request.query_params))
        return json_answer(await found.merchants(wanted.page()))

    @app.post("/nodes/{name}/bank/merchants")
    async def add(request: Request) -> Response:
        found = acquirer(request, "merchants:write")
        wanted = await body_of(request, MerchantRequest)
        columns: dict[str, Any] = {**wanted.columns, "merchant": wanted.merchant}
        return json_answer(await found.add_merchant(columns), 201)

    @app.get("/nodes/{name}/bank/merchants/{merchant}")
    async def merchant(request: Request, merchant: str) -> Response:
        return json_answer(await acquirer(request, "bank:read").merchant(merchant))

    @app.patch("/nodes/{name}/bank/merchants/{merchant}")
    async def change(request: Request, merchant: str) -> Response:
        found = acquirer(request, "merchants:write")
        wanted = await body_of(request, ChangeRequest)
        return json_answer(await found.change_merchant(merchant, wanted.changes))

    @app.post("/nodes/{name}/bank/merchants/{merchant}/terminals")
    async def add_terminal(request: Request, merchant: str) -> Response:
        found = acquirer(request, "merchants:write")
        wanted = await body_of(request, TerminalRequest)
        columns: dict[str, Any] = {**wanted.columns, "terminal": wanted.terminal}
        return json_answer(await found.add_terminal(merchant, columns), 201)

    @app.get("/nodes/{name}/bank/unpresented")
    async def unpresented(request: Request) -> Response:
        found, wanted = acquirer(request, "bank:read"), checked(UnpresentedQuery, dict(request.query_params))
        return json_answer({"unpresented": await found.unpresented(wanted.limit, wanted.after)})

    @app.post("/nodes/{name}/bank/presented")
    async def presented(request: Request) -> Response:
        found = acquirer(request, "bank:write")
        wanted = await body_of(request, PresentedRequest)
        return json_answer({"presented": await found.presented(wanted.arns)})
