"""The ledger against a naive model, and its chain against tampering."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from banks.issuer.store import METADATA
from banks.ledger import AccountRow, EntryRow, HeadRow, HoldRow, Ledger, Outcome, verify
from node.core.turn import Turn
from node.journal import MemoryJournal

EPOCH = datetime(2026, 3, 14, tzinfo=UTC)
CUSTOMERS = ("alice", "bob", "euro")
CURRENCY = {"alice": "840", "bob": "840", "euro": "978", "bank": "840"}


def ledger_with(balance_minor: int = 1_000) -> tuple[Ledger, Turn]:
    """Return a ledger in which alice and bob have money from the bank, and the turn that recorded it."""
    ledger, turn = Ledger(), Turn(EPOCH)
    ledger.open_account("bank", "840", turn, may_overdraw=True)
    for name in CUSTOMERS:
        ledger.open_account(name, CURRENCY[name], turn)
    for name in ("alice", "bob"):
        ledger.transfer("bank", name, balance_minor, "opening", turn)
    return ledger, turn


class TestHolding:
    """A hold sets funds aside without moving them; it ends once."""

    def test_a_hold_takes_from_what_is_available_and_not_from_what_is_posted(self) -> None:
        ledger, turn = ledger_with(1_000)

        outcome = ledger.hold("h1", "alice", 400, 60, "r", turn)

        alice = ledger.accounts["alice"]
        assert outcome is Outcome.DONE
        assert (alice.posted_minor, alice.held_minor, alice.available_minor) == (1_000, 400, 600)

    def test_posting_less_than_was_held_gives_the_rest_back(self) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 400, 60, "r", turn)

        outcome = ledger.post("h1", "bob", 300, "r", turn)

        assert outcome is Outcome.DONE
        assert ledger.accounts["alice"].available_minor == 700
        assert ledger.accounts["bob"].available_minor == 1_300

    def test_a_hold_ends_only_once(self) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)

        outcomes = [ledger.void("h1", "r", turn), ledger.void("h1", "r", turn), ledger.post("h1", "bob", 1, "r", turn)]

        assert outcomes == [Outcome.DONE, Outcome.HOLD_NOT_OPEN, Outcome.HOLD_NOT_OPEN]
        assert ledger.accounts["alice"].available_minor == 1_000

    def test_a_hold_expires_at_its_instant_and_not_before(self) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)

        before = ledger.expire(Turn(EPOCH + timedelta(seconds=59)))
        after = ledger.expire(Turn(EPOCH + timedelta(seconds=60)))

        assert (before, after) == ([], ["h1"])
        assert ledger.accounts["alice"].held_minor == 0

    def test_a_forced_hold_may_overdraw(self) -> None:
        ledger, turn = ledger_with(100)

        outcome = ledger.hold("h1", "alice", 400, 60, "r", turn, forced=True)

        assert outcome is Outcome.DONE
        assert ledger.accounts["alice"].available_minor == -300

    def test_ended_holds_leave_nothing_behind(self) -> None:
        ledger, turn = ledger_with()

        for number in range(5_000):
            ledger.hold(f"h{number}", "alice", 1, 60, "r", turn)
            ledger.void(f"h{number}", "r", turn)

        assert len(ledger._expiries) <= 1_001


class TestOutcomes:
    """Every cause has its own value; where several apply, the first of the enum is reported."""

    @pytest.mark.parametrize(
        ("identifier", "account", "amount", "expected"),
        [
            ("h1", "nobody", 0, Outcome.AMOUNT_NOT_POSITIVE),
            ("h1", "nobody", 1, Outcome.HOLD_EXISTS),
            ("h2", "nobody", 1, Outcome.NO_ACCOUNT),
            ("h2", "alice", 951, Outcome.INSUFFICIENT_FUNDS),
            ("h2", "alice", 950, Outcome.DONE),
        ],
    )
    def test_of_a_hold(self, identifier: str, account: str, amount: int, expected: Outcome) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 50, 60, "r", turn)

        assert ledger.hold(identifier, account, amount, 60, "r", turn) is expected

    @pytest.mark.parametrize(
        ("debit", "credit", "amount", "expected"),
        [
            ("nobody", "nobody", 0, Outcome.AMOUNT_NOT_POSITIVE),
            ("nobody", "alice", 1, Outcome.NO_ACCOUNT),
            ("alice", "alice", 1, Outcome.SAME_ACCOUNT),
            ("alice", "euro", 9_999, Outcome.CURRENCIES_DIFFER),
            ("alice", "bob", 1_001, Outcome.INSUFFICIENT_FUNDS),
            ("bank", "bob", 1_000_000, Outcome.DONE),
        ],
    )
    def test_of_a_transfer(self, debit: str, credit: str, amount: int, expected: Outcome) -> None:
        ledger, turn = ledger_with(1_000)

        assert ledger.transfer(debit, credit, amount, "r", turn) is expected

    @pytest.mark.parametrize(
        ("identifier", "credit", "amount", "expected"),
        [
            ("h9", "nobody", 0, Outcome.AMOUNT_NOT_POSITIVE),
            ("h9", "nobody", 1, Outcome.HOLD_NOT_OPEN),
            ("h1", "nobody", 1, Outcome.NO_ACCOUNT),
            ("h1", "euro", 1, Outcome.CURRENCIES_DIFFER),
            ("h1", "bob", 51, Outcome.EXCEEDS_HOLD),
            ("h1", "bob", 50, Outcome.DONE),
        ],
    )
    def test_of_a_post(self, identifier: str, credit: str, amount: int, expected: Outcome) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 50, 60, "r", turn)

        assert ledger.post(identifier, credit, amount, "r", turn) is expected

    def test_only_done_records_anything(self) -> None:
        ledger, _ = ledger_with()
        turn = Turn(EPOCH)

        ledger.hold("h1", "alice", 1_000_000, 60, "r", turn)
        ledger.post("h1", "bob", 1, "r", turn)
        ledger.void("h1", "r", turn)
        ledger.transfer("alice", "bob", 1_000_000, "r", turn)

        assert turn.is_empty


class TestChain:
    """Whoever changes, drops or swaps an entry is found out."""

    @given(st.data())
    @settings(deadline=None)
    def test_no_entry_can_be_changed_unnoticed(self, data: st.DataObject) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        ledger.post("h1", "bob", 300, "r", turn)
        entries = [EntryRow(*row) for row in turn.stored("entries")]
        at = data.draw(st.integers(0, len(entries) - 1))
        column = data.draw(st.sampled_from(EntryRow._fields))
        value = getattr(entries[at], column)
        forged = entries[at]._replace(**{column: value + 1 if isinstance(value, int) else value + "x"})

        problems = verify([*entries[:at], forged, *entries[at + 1 :]])

        assert verify(entries) == []
        assert problems

    @given(st.data())
    @settings(deadline=None)
    def test_no_entry_can_be_dropped_or_swapped_unnoticed(self, data: st.DataObject) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        ledger.void("h1", "r", turn)
        entries = [EntryRow(*row) for row in turn.stored("entries")]
        at = data.draw(st.integers(0, len(entries) - 2))
        swapped = [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]

        assert verify(swapped)
        assert verify([*entries[:at], *entries[at + 1 :]])

    def test_a_balance_that_does_not_follow_is_named(self) -> None:
        ledger, turn = ledger_with()
        entries = [EntryRow(*row) for row in turn.stored("entries")]
        accounts = [account.row() for account in ledger.accounts.values()]

        problems = verify(entries, [accounts[0]._replace(posted_minor=0), *accounts[1:]])

        assert problems == ["account bank: its balance does not follow from the entries", "currency 840: sums to 2000"]


class LedgerMachine(RuleBasedStateMachine):
    """Any sequence of orders, with restarts, leaves the ledger equal to a model of two dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = MemoryJournal(METADATA)
        self.at = EPOCH
        self.ledger = Ledger()
        self.posted = dict.fromkeys((*CUSTOMERS, "bank"), 0)
        self.holds: dict[str, tuple[str, int, datetime]] = {}
        self.made = 0

    def turn(self) -> Turn:
        return Turn(self.at)

    def commit(self, turn: Turn) -> None:
        self.journal.write(turn.stores)

    def available(self, name: str) -> int:
        return self.posted[name] - sum(amount for account, amount, _ in self.holds.values() if account == name)

    @initialize()
    def open(self) -> None:
        turn = self.turn()
        for name in self.posted:
            self.ledger.open_account(name, CURRENCY[name], turn, may_overdraw=name == "bank")
        self.commit(turn)

    @rule(
        debit=st.sampled_from((*CUSTOMERS, "bank")),
        credit=st.sampled_from((*CUSTOMERS, "bank")),
        amount=st.integers(-1, 500),
    )
    def transfer(self, debit: str, credit: str, amount: int) -> None:
        turn = self.turn()
        outcome = self.ledger.transfer(debit, credit, amount, "r", turn)
        self.commit(turn)
        legal = amount > 0 and debit != credit and CURRENCY[debit] == CURRENCY[credit]
        fits = debit == "bank" or amount <= self.available(debit)
        assert (outcome is Outcome.DONE) == (legal and fits)
        if outcome is Outcome.DONE:
            self.posted[debit] -= amount
            self.posted[credit] += amount

    @rule(account=st.sampled_from(CUSTOMERS), amount=st.integers(-1, 500), lasts_s=st.integers(1, 100))
    def hold(self, account: str, amount: int, lasts_s: int) -> None:
        self.made += 1
        turn = self.turn()
        outcome = self.ledger.hold(f"h{self.made}", account, amount, lasts_s, "r", turn)
        self.commit(turn)
        assert (outcome is Outcome.DONE) == (0 < amount <= self.available(account))
        if outcome is Outcome.DONE:
            self.holds[f"h{self.made}"] = (account, amount, self.at + timedelta(seconds=lasts_s))

    @rule(number=st.integers(1, 20))
    def void(self, number: int) -> None:
        turn = self.turn()
        outcome = self.ledger.void(f"h{number}", "r", turn)
        self.commit(turn)
        assert (outcome is Outcome.DONE) == (self.holds.pop(f"h{number}", None) is not None)

    @rule(number=st.integers(1, 20), credit=st.sampled_from((*CUSTOMERS, "bank")), amount=st.integers(-1, 500))
    def post(self, number: int, credit: str, amount: int) -> None:
        turn = self.turn()
        outcome = self.ledger.post(f"h{number}", credit, amount, "r", turn)
        self.commit(turn)
        held = self.holds.get(f"h{number}")
        legal = held is not None and held[0] != credit and CURRENCY[held[0]] == CURRENCY[credit]
        assert (outcome is Outcome.DONE) == (legal and held is not None and 0 < amount <= held[1])
        if outcome is Outcome.DONE:
            account = self.holds.pop(f"h{number}")[0]
            self.posted[account] -= amount
            self.posted[credit] += amount

    @rule(seconds=st.integers(0, 60))
    def pass_time(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        turn = self.turn()
        expired = self.ledger.expire(turn)
        self.commit(turn)
        due = {name for name, (_, _, at) in self.holds.items() if at <= self.at}
        assert set(expired) == due
        for name in due:
            del self.holds[name]

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

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        for name, posted in self.posted.items():
            if name in self.ledger.accounts:
                account = self.ledger.accounts[name]
                assert (account.posted_minor, account.available_minor) == (posted, self.available(name))

    @invariant()
    def it_sums_to_zero_per_currency(self) -> None:
        assert not any(self.ledger.totals().values())

    @invariant()
    def the_books_on_disk_pass_the_audit(self) -> None:
        rows = self.journal.rows
        entries = [EntryRow(*row) for row in rows["entries"].values()]
        assert verify(entries, [AccountRow(*row) for row in rows["accounts"].values()]) == []


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(deadline=None)
