"""The ledger's verbs and outcomes, its statements, and its chain against tampering."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banks.ledger import EntryRow, HoldRow, Ledger, Outcome, verify
from banks.ledger.chain import entry_hash
from banks.ledger.rows import GREATEST_BALANCE_MINOR, GREATEST_MINOR
from iso import IsoError
from node.core.turn import Turn

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

    def test_posting_a_part_leaves_the_rest_held(self) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 400, 60, "r", turn)

        outcomes = [ledger.post("h1", "bob", amount, "r", turn, final=False) for amount in (300, 101, 100, 1)]

        assert outcomes == [Outcome.DONE, Outcome.EXCEEDS_HOLD, Outcome.DONE, Outcome.HOLD_NOT_OPEN]
        alice = ledger.accounts["alice"]
        assert (alice.posted_minor, alice.held_minor) == (600, 0)

    def test_a_part_can_be_voided(self) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 400, 60, "r", turn)

        outcomes = [ledger.void("h1", "r", turn, amount) for amount in (300, 101, 0, 100, 1)]

        assert outcomes == [
            Outcome.DONE,
            Outcome.EXCEEDS_HOLD,
            Outcome.AMOUNT_NOT_POSITIVE,
            Outcome.DONE,
            Outcome.HOLD_NOT_OPEN,
        ]
        assert ledger.accounts["alice"].held_minor == 0

    def test_what_is_left_of_a_hold_expires(self) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        ledger.void("h1", "r", turn, 300)

        later = Turn(EPOCH + timedelta(seconds=60))
        ledger.expire(later)

        assert [EntryRow(*row).amount_minor for row in later.stored("entries")] == [100]

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
            ("h1", "nobody", 10**12, Outcome.AMOUNT_TOO_GREAT),
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
            ("nobody", "nobody", 10**12, Outcome.AMOUNT_TOO_GREAT),
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
            ("h9", "nobody", 10**12, Outcome.AMOUNT_TOO_GREAT),
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

    def test_no_balance_grows_beyond_what_a_row_can_hold(self) -> None:
        ledger, turn = ledger_with(1_000)
        bank = ledger.accounts["bank"]
        bank.posted_minor = GREATEST_MINOR - GREATEST_BALANCE_MINOR
        bank.held_minor = GREATEST_BALANCE_MINOR
        before = turn.stored("entries")[:]

        outcomes = [
            ledger.transfer("bank", "bob", GREATEST_MINOR, "r", turn),
            ledger.transfer("bank", "bob", 1, "r", turn),
            ledger.hold("h1", "bank", 1, 60, "r", turn),
        ]

        assert outcomes == [Outcome.DONE, Outcome.BALANCE_TOO_GREAT, Outcome.BALANCE_TOO_GREAT]
        assert len(turn.stored("entries")) == len(before) + 1

    def test_a_currency_that_nobody_knows_opens_no_account(self) -> None:
        ledger, turn = ledger_with()

        with pytest.raises(IsoError, match="currency"):
            ledger.open_account("carol", "999", turn)

        assert "carol" not in ledger.accounts

    def test_a_forced_transfer_may_overdraw(self) -> None:
        ledger, turn = ledger_with(100)

        assert ledger.transfer("alice", "bob", 400, "r", turn, forced=True) is Outcome.DONE
        assert ledger.accounts["alice"].posted_minor == -300

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

    @given(
        debit=st.text(max_size=8),
        credit=st.text(max_size=8),
        reference=st.text(max_size=20),
        hold=st.text(max_size=8),
        amount=st.integers(1, GREATEST_MINOR),
    )
    def test_the_hash_is_over_plain_json_whatever_the_names_are(
        self, debit: str, credit: str, reference: str, hold: str, amount: int
    ) -> None:
        entry = EntryRow(7, 1_773_000_000, "post", debit, credit, "840", amount, hold, reference, "")

        made = entry_hash("0" * 64, entry)

        canonical = json.dumps(["0" * 64, *entry[:9]], separators=(",", ":"))
        assert made == sha256(canonical.encode()).hexdigest()

    @given(st.data())
    @settings(deadline=None)
    def test_no_entry_can_be_changed_unnoticed(self, data: st.DataObject) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        ledger.post("h1", "bob", 200, "r", turn, final=False)
        ledger.void("h1", "r", turn, 50)
        ledger.post("h1", "bob", 100, "r", turn)
        entries = [EntryRow(*row) for row in turn.stored("entries")]
        at = data.draw(st.integers(0, len(entries) - 1))
        column = data.draw(st.sampled_from(EntryRow._fields))
        value = getattr(entries[at], column)
        changed: Any = value + 1 if isinstance(value, int) else value + "x"
        forged = entries[at]._replace(**{column: changed})

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

    @pytest.mark.parametrize(
        ("kind", "amount", "problem"),
        [
            ("void part", 400, "it takes more of its hold than there is"),
            ("post", 401, "it takes more of its hold than there is"),
            ("void", 399, "it does not end its hold as a whole"),
            ("expire", 401, "it takes more of its hold than there is"),
        ],
    )
    def test_an_end_that_its_hold_does_not_bear_is_named_even_if_it_is_chained(
        self, kind: str, amount: int, problem: str
    ) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        entries = [EntryRow(*row) for row in turn.stored("entries")]
        last = entries[-1].sequence
        credit = "bob" if kind == "post" else "alice"
        forged = EntryRow(
            last + 1, 0, kind, "alice", credit, "840", amount, "h1", "r", "", last, 2 if credit == "bob" else last
        )
        forged = forged._replace(hash=entry_hash(entries[-1].hash, forged))

        assert verify([*entries, forged]) == [f"entry {last + 1}: {problem}"]

    def test_an_open_hold_that_does_not_follow_is_named(self) -> None:
        ledger, turn = ledger_with()
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        entries = [EntryRow(*row) for row in turn.stored("entries")]
        (hold,) = [HoldRow(*row) for row in turn.stored("holds")]

        problems = verify(entries, holds=[hold._replace(amount_minor=300)])

        assert (verify(entries, holds=[hold]), problems) == ([], ["hold h1: it does not follow from the entries"])


class TestStatement:
    """Every entry names the entry before it for both of its accounts: a statement is read backwards, by primary key."""

    def test_walking_back_from_the_latest_meets_every_entry_of_the_account(self) -> None:
        ledger, turn = ledger_with(1_000)
        ledger.hold("h1", "alice", 400, 60, "r", turn)
        ledger.transfer("bank", "bob", 5, "r", turn)
        ledger.post("h1", "bob", 300, "r", turn)
        ledger.transfer("bob", "alice", 7, "r", turn)
        entries = {row[0]: EntryRow(*row) for row in turn.stored("entries")}

        walked, at = [], ledger.accounts["alice"].last
        while at:
            walked.append(entries[at])
            at = entries[at].before("alice")

        assert [entry.sequence for entry in walked] == [
            entry.sequence for entry in reversed(entries.values()) if "alice" in (entry.debit, entry.credit)
        ]
        assert sum(entry.change_minor("alice") for entry in walked) == ledger.accounts["alice"].posted_minor

    def test_a_busy_turn_writes_the_head_once(self) -> None:
        ledger, _ = ledger_with(1_000)
        turn = Turn(EPOCH)

        for number in range(5):
            ledger.hold(f"h{number}", "alice", 10, 60, "r", turn)

        assert len(turn.stored("heads")) == 1
        assert turn.stored("accounts") == [ledger.accounts["alice"].row()]
