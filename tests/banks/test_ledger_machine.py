"""The ledger against a naive model: any sequence of orders, with time and restarts in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from banks.issuer.store import METADATA
from banks.ledger import AccountRow, EntryRow, HeadRow, HoldRow, Ledger, Outcome, verify
from banks.ledger.rows import GREATEST_MINOR
from node.core.turn import Turn
from node.journal import MemoryJournal

EPOCH = datetime(2026, 3, 14, tzinfo=UTC)
CURRENCY = {"alice": "840", "bob": "840", "euro": "978", "bank": "840"}
NAMES = st.sampled_from((*CURRENCY, "nobody"))
AMOUNTS = st.one_of(st.integers(-1, 500), st.just(GREATEST_MINOR + 1))
NUMBERS = st.integers(1, 12)


class LedgerMachine(RuleBasedStateMachine):
    """Outcomes, balances and holds are those of two lists of dictionaries, and what is on disk passes the audit."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal(METADATA)
        self.at = EPOCH
        self.ledger = Ledger()
        self.moves: list[dict[str, Any]] = []
        self.holds: list[dict[str, Any]] = []
        self.made = 0

    # The model

    def posted(self, name: str) -> int:
        into: int = sum(move["amount"] for move in self.moves if move["to"] == name)
        out: int = sum(move["amount"] for move in self.moves if move["from"] == name)
        return into - out

    def held(self, name: str) -> int:
        return sum(hold["amount"] for hold in self.holds if hold["account"] == name)

    def funds(self, name: str, amount: int, *, forced: bool) -> Outcome:
        enough = amount <= self.posted(name) - self.held(name)
        return Outcome.DONE if enough or forced or name == "bank" else Outcome.INSUFFICIENT_FUNDS

    def open_hold(self, number: int) -> dict[str, Any] | None:
        return next((hold for hold in self.holds if hold["name"] == f"h{number}"), None)

    @staticmethod
    def size(amount: int) -> Outcome:
        if amount <= 0:
            return Outcome.AMOUNT_NOT_POSITIVE
        return Outcome.AMOUNT_TOO_GREAT if amount > GREATEST_MINOR else Outcome.DONE

    @staticmethod
    def pair(debit: str, credit: str) -> Outcome:
        if "nobody" in (debit, credit):
            return Outcome.NO_ACCOUNT
        if debit == credit:
            return Outcome.SAME_ACCOUNT
        return Outcome.DONE if CURRENCY[debit] == CURRENCY[credit] else Outcome.CURRENCIES_DIFFER

    def order(self, outcome: Outcome, turn: Turn, *expected: Outcome) -> bool:
        """Commit an order, check its outcome against the first cause of the model, and say whether it was done."""
        self.journal.write(turn.stores)
        assert outcome is next((cause for cause in expected if cause is not Outcome.DONE), Outcome.DONE)
        assert (outcome is Outcome.DONE) != turn.is_empty
        return outcome is Outcome.DONE

    # The orders

    @initialize()
    def open(self) -> None:
        turn = Turn(self.at)
        for name, currency in CURRENCY.items():
            self.ledger.open_account(name, currency, turn, may_overdraw=name == "bank")
        self.journal.write(turn.stores)

    @rule(debit=NAMES, credit=NAMES, amount=AMOUNTS, forced=st.booleans())
    def transfer(self, debit: str, credit: str, amount: int, forced: bool) -> None:
        turn = Turn(self.at)
        outcome = self.ledger.transfer(debit, credit, amount, "r", turn, forced=forced)
        funds = self.funds(debit, amount, forced=forced)
        if self.order(outcome, turn, self.size(amount), self.pair(debit, credit), funds):
            self.moves.append({"from": debit, "to": credit, "amount": amount})

    @rule(account=NAMES, amount=AMOUNTS, lasts_s=st.integers(1, 100), forced=st.booleans(), again=st.booleans())
    def hold(self, account: str, amount: int, lasts_s: int, forced: bool, again: bool) -> None:
        self.made += not (again and self.made)
        turn = Turn(self.at)
        outcome = self.ledger.hold(f"h{self.made}", account, amount, lasts_s, "r", turn, forced=forced)
        exists = Outcome.HOLD_EXISTS if self.open_hold(self.made) else Outcome.DONE
        known = Outcome.NO_ACCOUNT if account == "nobody" else Outcome.DONE
        funds = self.funds(account, amount, forced=forced)
        if self.order(outcome, turn, self.size(amount), exists, known, funds):
            until = self.at + timedelta(seconds=lasts_s)
            self.holds.append({"name": f"h{self.made}", "account": account, "amount": amount, "until": until})

    @rule(number=NUMBERS, amount=st.none() | AMOUNTS)
    def void(self, number: int, amount: int | None) -> None:
        turn, found = Turn(self.at), self.open_hold(number)
        outcome = self.ledger.void(f"h{number}", "r", turn, amount)
        size = Outcome.DONE if amount is None else self.size(amount)
        is_open = Outcome.DONE if found else Outcome.HOLD_NOT_OPEN
        fits = Outcome.EXCEEDS_HOLD if found and amount and amount > found["amount"] else Outcome.DONE
        if self.order(outcome, turn, size, is_open, fits) and found:
            self.lower(found, found["amount"] if amount is None else amount)

    @rule(number=NUMBERS, credit=NAMES, amount=AMOUNTS, final=st.booleans())
    def post(self, number: int, credit: str, amount: int, final: bool) -> None:
        turn, found = Turn(self.at), self.open_hold(number)
        outcome = self.ledger.post(f"h{number}", credit, amount, "r", turn, final=final)
        is_open = Outcome.DONE if found else Outcome.HOLD_NOT_OPEN
        pair = self.pair(found["account"], credit) if found else Outcome.DONE
        fits = Outcome.EXCEEDS_HOLD if found and amount > found["amount"] else Outcome.DONE
        if self.order(outcome, turn, self.size(amount), is_open, pair, fits) and found:
            self.moves.append({"from": found["account"], "to": credit, "amount": amount})
            self.lower(found, found["amount"] if final else amount)

    def lower(self, hold: dict[str, Any], amount: int) -> None:
        hold["amount"] -= amount
        if not hold["amount"]:
            self.holds.remove(hold)

    @rule(seconds=st.integers(0, 60))
    def pass_time(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        turn = Turn(self.at)
        expired = self.ledger.expire(turn)
        self.journal.write(turn.stores)
        assert set(expired) == {hold["name"] for hold in self.holds if hold["until"] <= self.at}
        self.holds = [hold for hold in self.holds if hold["until"] > self.at]

    @rule()
    def restart(self) -> None:
        rows = self.journal.read()
        assert "entries" not in rows
        self.ledger = Ledger()
        self.ledger.restore(
            [AccountRow(*row) for row in rows["accounts"]],
            [HoldRow(*row) for row in rows["holds"]],
            [HeadRow(*row) for row in rows["heads"]],
        )

    # What always holds

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        for name, account in self.ledger.accounts.items():
            assert (account.posted_minor, account.held_minor) == (self.posted(name), self.held(name))

    @invariant()
    def it_sums_to_zero_per_currency(self) -> None:
        assert not any(self.ledger.totals().values())

    @invariant()
    def the_books_on_disk_pass_the_audit(self) -> None:
        rows = self.journal.rows
        entries = [EntryRow(*row) for row in rows["entries"].values()]
        holds = [hold for hold in (HoldRow(*row) for row in rows["holds"].values()) if hold.state == "open"]
        assert verify(entries, [AccountRow(*row) for row in rows["accounts"].values()], holds) == []


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(deadline=None)
