"""What the control port does with an issuer: its books, its card file, scripted outcomes, presentments.

Everything happens inside the node, in a turn. A card's number comes in one call; the HSM makes its fingerprint of it,
and neither the rows nor any answer hold it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from banks.core.cards import Card, account_name
from banks.core.causes import Cause as Outcome
from banks.core.reasons import Reason
from banks.core.requests import REQUESTS, RequestRow
from banks.core.scripts import ANY_REQUEST, ScriptRow
from banks.desk import BooksDesk, account_view, scan
from banks.issuer.config import CardSection, IssuerConfig
from banks.issuer.host import NETWORK, IssuerHost
from banks.issuer.presenting import Adjusted, Presentment, adjust, present
from banks.issuer.scripting import clear_scripts, list_scripts, put_script
from banks.issuer.seeding import seed
from hsm_sim.requests import Fingerprint, Fingerprinted
from iso.errors import CardrailsError
from iso.money import CURRENCIES
from iso.pan import mask_text
from node.bank_ports import Adjustment, BankRefusalError, Cause, Page
from node.runtime import Runtime

_OF_ONE_PAYMENT_MAX = 100
_CAUSES: dict[Adjusted, Cause] = {
    Adjusted.NO_ACCOUNT: "absent",
    Adjusted.AMOUNT_REFUSED: "invalid",
    Adjusted.NO_ANSWER: "silent",
}
_BECAUSE = {cause.name: cause.value for kind in (Reason, Outcome) for cause in kind}
"""What the reason of a row means, in words."""
_HIDDEN = frozenset({"pin_value", "pin_table", "pin_validation", "avs_address", "avs_postcode"})
"""Columns that no answer shows: what a PIN is verified with, and where the cardholder lives."""


class IssuerDesk(BooksDesk):
    """Books and cards of an issuer; see `node.bank_ports.IssuerPort`."""

    def __init__(self, runtime: Runtime, host: IssuerHost, config: IssuerConfig) -> None:
        super().__init__("issuer", runtime, host, host.books.ledger, host.rules.journal_timeout_s)
        self._issuer = host
        self._config = config

    async def accounts(self, page: Page, *, prefix: str = "", currency: str = "", last4: str = "") -> dict[str, Any]:
        """Return balances, oldest account first; with `last4` those of the cards that end in it, card by card."""
        if not last4:
            return await super().accounts(page, prefix=prefix, currency=currency)

        async def look() -> dict[str, Any]:
            cards, following = scan(self._issuer.books.cards, page, lambda card: card.last4 == last4)
            known = self._issuer.books.ledger.accounts
            names = (account_name(card.account, code.numeric) for card in cards for code in CURRENCIES)
            found = [known[name] for name in dict.fromkeys(names) if name in known and name.startswith(prefix)]
            wanted = [account_view(account) for account in found if currency in ("", account.currency)]
            return {"accounts": wanted, "next": following}

        return await self._runtime.call(look)

    async def cards(self, page: Page, last4: str = "") -> dict[str, Any]:
        """Return cards, oldest first."""

        async def look() -> dict[str, Any]:
            found, following = scan(self._issuer.books.cards, page, lambda card: last4 in ("", card.last4))
            return {"cards": [card_view(card) for card in found], "next": following}

        return await self._runtime.call(look)

    async def issue(self, pan: str, columns: Mapping[str, Any], balance_minor: int) -> dict[str, Any]:
        """Put a card into the file, with its opening balance in every currency of the issuer."""
        section = _section(pan, columns, balance_minor)
        if not self._config.own([section]):
            raise BankRefusalError("invalid", "pan: not of this issuer's ranges")

        async def act() -> dict[str, Any]:
            books = self._issuer.books
            question = Fingerprint(pan)
            answer = await self._host.desk.ask("hsm", question, self._issuer.rules.hsm_timeout_s)
            if not isinstance(answer, Fingerprinted) or answer.code != "00":
                raise BankRefusalError("silent", "the HSM does not answer")
            seeded = await seed(self._issuer, [section.seed()], self._config.currencies)
            if seeded.unanswered:
                raise BankRefusalError("silent", "the HSM does not answer")
            if not seeded.added:
                raise BankRefusalError("conflict", "pan: this card is in the file")
            return card_view(books.cards[answer.fingerprint])

        return await self._runtime.call(act)

    async def change_card(self, fingerprint: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change columns of a card; all of them or, if one cannot be, none."""

        async def act() -> dict[str, Any]:
            books = self._issuer.books
            card = books.cards.get(fingerprint)
            if card is None:
                raise BankRefusalError("absent", "card: there is none of this fingerprint")
            try:
                changed = card.changed({column: _plain(value) for column, value in changes.items()})
            except CardrailsError as error:
                problem = str(error)
            else:
                books.put_card(changed, self._host.desk.turn)
                return card_view(changed)
            raise BankRefusalError("invalid", problem)

        return await self._runtime.call(act)

    async def scripts(self) -> dict[str, Any]:
        """Return the scripted outcomes in force, in the order in which they were put."""

        async def look() -> dict[str, Any]:
            return {"scripts": [_script_view(script) for script in list_scripts(self._issuer.books)]}

        return await self._runtime.call(look)

    async def put_script(self, script: Mapping[str, Any]) -> dict[str, Any]:
        """Add a scripted outcome."""
        wanted = {**script, "condition": script["when"] or ANY_REQUEST, "answers": int(script["answers"])}
        row = ScriptRow(number=0, **{name: wanted[name] for name in ScriptRow._fields if name in wanted})

        async def act() -> dict[str, Any]:
            try:
                stored = put_script(self._issuer.books, row, self._host.desk.turn)
            except CardrailsError as error:
                problem = str(error)
            else:
                return _script_view(stored)
            raise BankRefusalError("invalid", problem)

        return await self._runtime.call(act)

    async def clear_scripts(self, card: str | None = None, number: int | None = None) -> dict[str, Any]:
        """End scripted outcomes."""

        async def act() -> dict[str, Any]:
            ended = clear_scripts(self._issuer.books, self._host.desk.turn, card=card, number=number)
            return {"cleared": ended}

        return await self._runtime.call(act)

    async def present(self, presentments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Post presentments, in order; what one of them comes to does not depend on the others."""

        async def act() -> list[dict[str, Any]]:
            outcomes = []
            for one in presentments:
                outcome = await present(self._issuer, Presentment(**one))
                outcomes.append({"arn": one["arn"], "outcome": outcome.name.lower(), "done": outcome.is_done})
            return outcomes

        return await self._runtime.call(act)

    async def adjust(self, adjustment: Adjustment) -> dict[str, Any]:
        """Credit an account out of the bank's equity, or debit it as far as its funds go."""

        async def act() -> dict[str, Any]:
            order = (adjustment.account, adjustment.amount_minor, adjustment.reference)
            outcome = await adjust(self._issuer, *order)
            if outcome is not Adjusted.DONE:
                raise BankRefusalError(_CAUSES.get(outcome, "conflict"), outcome.value)
            note = f"{adjustment.reference} by {adjustment.caller}"
            self._host.desk.turn.note(NETWORK, "adjustment", note)
            return account_view(self._issuer.books.ledger.accounts[adjustment.account])

        return await self._runtime.call(act)

    async def payment(self, reference: str) -> dict[str, Any]:
        """Return the requests of a payment, oldest first; `reference` is what its entries and holds refer to."""

        async def look() -> dict[str, Any]:
            rows = await self.find(REQUESTS, _OF_ONE_PAYMENT_MAX, payment=reference)
            return {"requests": [_request_view(RequestRow(*row)) for row in rows]}

        return await self._runtime.call(look)


def card_view(card: Card) -> dict[str, Any]:
    """Return a card as JSON: neither a number nor what its PIN is verified with."""
    columns = {name: value for name, value in card._asdict().items() if name not in _HIDDEN}
    return {"card": columns.pop("fingerprint"), **columns, "has_pin": bool(card.pin_value)}


def _script_view(script: ScriptRow) -> dict[str, Any]:
    columns = script._asdict()
    condition = columns.pop("condition")
    return {**columns, "when": condition, "answers": bool(script.answers)}


def _request_view(row: RequestRow) -> dict[str, Any]:
    columns = {name: value for name, value in row._asdict().items() if name not in ("key", "answer")}
    return {**columns, "because": _BECAUSE.get(row.reason, "")}


def _section(pan: str, columns: Mapping[str, Any], balance_minor: int) -> CardSection:
    try:
        return CardSection.model_validate({**columns, "pan": pan, "balance_minor": balance_minor})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "columns"
    raise BankRefusalError("invalid", mask_text(f"{where}: {first['msg']}"))


def _plain(value: Any) -> str | int:
    """Return a value as the card file takes it: yes and no are 1 and 0 there."""
    if isinstance(value, list):
        return " ".join(value)
    return int(value) if isinstance(value, bool) else value
