"""Builders for what follows an authorisation at the issuer, and the orders that reach it by no message."""

from __future__ import annotations

from typing import Any

from banks.core.cards import account_name
from banks.issuer.presenting import CAPTURE, Adjusted, Presented, Presentment, adjust, present
from iso import Message
from iso.original import OriginalData
from iso.private import build_private
from iso.replacement import ReplacementAmounts
from node.core.events import Called
from tests.support.banks import PAN, IssuerBench, at_issuer, changed, reversal_at_issuer

_KEPT = (2, 3, 12, 13, 18, 19, 22, 25, 32, 37, 41, 42, 49)


def amount(amount_minor: int) -> str:
    """Return DE 4."""
    return f"{amount_minor:012d}"


def completion(
    original: Message, amount_minor: int, capture: str = "", stan: str = "000700", **changes: Any
) -> Message:
    """Return the 0220 with which a merchant captures; `capture` as in DE 48.16."""
    fields: dict[int, str | None] = {element: original.get(element) for element in _KEPT}
    fields.update({4: amount(amount_minor), 7: "0314093000", 11: stan, 38: "123456", 39: "00"})
    fields[90] = OriginalData.of(original).to_de90()
    if capture:
        fields[48] = build_private({"16": capture})
    return Message("0220", changed(fields, changes))


def increment(original: Message, amount_minor: int, stan: str = "000600", **changes: Any) -> Message:
    """Return the 0100 that adds to an authorisation."""
    de90 = OriginalData.of(original).to_de90()
    return at_issuer(stan, **{"de4": amount(amount_minor), "de37": original.get(37), "de90": de90, **changes})


def refund(original: Message | None, amount_minor: int, stan: str = "000500", **changes: Any) -> Message:
    """Return the 0200 that gives money back, linked to an original or standing alone."""
    linked = {"de37": original.get(37), "de90": OriginalData.of(original).to_de90()} if original is not None else {}
    fields = {"de3": "200000", "de4": amount(amount_minor), "de14": None, "de48": None, **linked, **changes}
    return at_issuer(stan, **fields).with_fields({}, mti="0200")


def financial(amount_minor: int = 4_200, stan: str = "000001", **changes: Any) -> Message:
    """Return a single-message purchase."""
    return at_issuer(stan, **{"de4": amount(amount_minor), **changes}).with_fields({}, mti="0200")


def taken_back(original: Message, remains_minor: int = 0, stan: str = "000900", **changes: Any) -> Message:
    """Return the 0420 of any message; with `remains_minor` only a part of it goes."""
    built = reversal_at_issuer(original, stan, de90=OriginalData.of(original).to_de90(), **changes)
    return built.with_fields({95: ReplacementAmounts(remains_minor).to_de95()}) if remains_minor else built


def presentment(
    original: Message,
    amount_minor: int,
    number: int = 1,
    arn: str = "1",
    kind: str = CAPTURE,
    currency: str = "840",
    *,
    is_final: bool = True,
) -> Presentment:
    """Return what an acquirer presents of a payment."""
    acquirer, rrn, terminal = original.acquirer_id, original.rrn, original.terminal
    return Presentment(arn.zfill(23), acquirer, rrn, terminal, kind, number, amount_minor, currency, is_final)


class LifeBench(IssuerBench):
    """An issuer whose payments are followed to their end."""

    def present(
        self,
        original: Message,
        amount_minor: int,
        number: int = 1,
        arn: str = "1",
        kind: str = CAPTURE,
        currency: str = "840",
        *,
        is_final: bool = True,
    ) -> Presented:
        """Present a capture or refund of a payment."""
        wanted = presentment(original, amount_minor, number, arn, kind, currency, is_final=is_final)
        outcome = self.call(lambda: present(self.host, wanted))
        assert isinstance(outcome, Presented)
        return outcome

    def begin_presenting(self, original: Message, amount_minor: int) -> None:
        """Present a capture; the outcome comes when the journal has answered."""
        self._calls += 1
        wanted = presentment(original, amount_minor)
        self.do(Called(self._calls, lambda: present(self.host, wanted)))

    def adjust(self, amount_minor: int, reference: str = "by-hand-1", account: str = "") -> Adjusted:
        """Credit or debit an account, by default the card's."""
        name = account or self.account().name
        outcome = self.call(lambda: adjust(self.host, name, amount_minor, reference))
        assert isinstance(outcome, Adjusted)
        return outcome

    @property
    def posted_minor(self) -> int:
        """The balance of the card `PAN`."""
        return int(self.account(PAN[-4:]).posted_minor)

    @property
    def owed_minor(self) -> int:
        """What is held on the bank's settlement account, for refunds that have not been presented."""
        settlement = self.host.books.ledger.accounts.get(account_name("settlement", "840"))
        return settlement.held_minor if settlement is not None else 0

    @property
    def money(self) -> tuple[int, int]:
        """What is posted and what is held on the card `PAN`."""
        return self.posted_minor, self.held_minor
