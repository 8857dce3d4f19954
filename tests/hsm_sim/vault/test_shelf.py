"""The shelf: the same answers from SQLite and from memory, and no more of them than a command needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hsm_sim.core.vault import (
    CARDS_TABLE,
    COUNTERS_TABLE,
    CRYPTOGRAMS_TABLE,
    REFERENCES_TABLE,
    CardRow,
    CounterRow,
    CryptogramRow,
    ReferenceRow,
    VaultSettings,
)
from hsm_sim.core.vault.rows import DELETED
from hsm_sim.core.vault.working import ISSUED_MAX, Issued, WorkingSet
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import metadata
from node.core.turn import Row, Turn
from node.journal import MemoryJournal
from tests.hsm_sim.vault.builders import InlineJournal, VaultHsm, stepped
from tests.support.hsm import CVC, EPOCH, PAN, Hsm, first_use

Store = InlineJournal | MemoryJournal


@pytest.fixture(params=["sqlite", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryJournal(metadata)
        return
    opened = InlineJournal(tmp_path / "hsm.db")
    yield opened
    opened._database.close()


def card(number: int, **columns: Any) -> CardRow:
    """Return a row with a token of its own."""
    token = f"9999{number:012d}"
    return CardRow(token, "acct_1", "3012", f"fp_{number}", 1, 1, b"sealed", 0)._replace(**columns)


class TestContract:
    """Both shelves find what was committed last, by each of its keys."""

    def test_an_empty_shelf_has_nothing(self, journal: Store) -> None:
        shelf = JournalShelf(journal)

        assert shelf.card("9") is shelf.token_of("f", "3012") is shelf.counter("9") is None
        assert shelf.cryptogram("9", 1) is shelf.spent("9", 1) is shelf.recorded("9", "r") is None
        assert shelf.sealed_under(1, 9) == shelf.fingerprinted_under(1, 9) == shelf.deleted(9) == []

    def test_every_row_comes_back_as_it_was(self, journal: Store) -> None:
        shelf = JournalShelf(journal)
        stored = card(1, amount_max=5, merchants="A,\u00e9", merchant_initiated=1)
        counter = CounterRow(stored.token, 3, 2)
        issued = CryptogramRow(stored.token, 3, 17)
        spent = ReferenceRow(stored.token, 2, "rrn", "M", "00")

        journal.write(
            {
                CARDS_TABLE: [stored],
                COUNTERS_TABLE: [counter],
                CRYPTOGRAMS_TABLE: [issued],
                REFERENCES_TABLE: [spent],
            }
        )

        assert shelf.card(stored.token) == stored
        assert shelf.token_of("fp_1", "3012") == stored.token
        assert shelf.counter(stored.token) == counter
        assert shelf.cryptogram(stored.token, 3) == issued
        assert shelf.spent(stored.token, 2) == shelf.recorded(stored.token, "rrn") == spent

    def test_a_changed_row_is_found_by_what_it_says_now(self, journal: Store) -> None:
        shelf = JournalShelf(journal)
        journal.write({CARDS_TABLE: [card(1), card(2)]})
        assert shelf.token_of("fp_1", "3012") == card(1).token
        assert shelf.sealed_under(1, 9) == [card(1), card(2)]

        changed = card(1, fingerprint="fp_new", key_version=2)
        journal.write({CARDS_TABLE: [changed]})

        assert shelf.token_of("fp_1", "3012") is None
        assert shelf.token_of("fp_new", "3012") == changed.token
        assert shelf.sealed_under(1, 9) == [card(2)]
        assert shelf.sealed_under(2, 9) == [changed]

    def test_a_limit_holds(self, journal: Store) -> None:
        journal.write({CARDS_TABLE: [card(number) for number in range(9)]})

        assert len(JournalShelf(journal).sealed_under(1, 4)) == 4
        assert len(JournalShelf(journal).fingerprinted_under(1, 4)) == 4

    def test_deleted_cards_come_in_the_order_of_their_erasure(self, journal: Store) -> None:
        rows = [card(number, state=DELETED, erase_at=at) for number, at in enumerate((30, 10, 20))]

        journal.write({CARDS_TABLE: [*rows, card(9)]})

        assert [row.erase_at for row in JournalShelf(journal).deleted(2)] == [10, 20]

    def test_the_vault_works_the_same_on_both(self, journal: Store) -> None:
        hsm = VaultHsm(journal)
        token = hsm.kept(cvc=CVC).token
        made = hsm.paid(token)
        opened = hsm.used(token, made)
        hsm.rotate("card")
        hsm.tick(4)
        hsm.restart()

        assert (opened.pan, opened.cvv2) == (PAN, CVC)
        assert hsm.used(token, made) == hsm.followed(token) == opened._replace(cvv2="")
        assert hsm.used(token, made, "another").code == "V2"
        assert hsm.kept().token == token


class TestIndexes:
    """Every question has an index: no look-up scans a table."""

    def test_no_plan_scans(self, tmp_path: Path) -> None:
        journal = InlineJournal(tmp_path / "hsm.db")
        asked: list[str] = []
        journal._database.set_trace_callback(asked.append)
        shelf = JournalShelf(journal)

        shelf.card("9"), shelf.token_of("f", "3012"), shelf.counter("9")
        shelf.cryptogram("9", 1), shelf.spent("9", 1), shelf.recorded("9", "r")
        shelf.sealed_under(1, 9), shelf.fingerprinted_under(1, 9), shelf.deleted(9)
        journal._database.set_trace_callback(None)
        plans = [journal._database.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in asked]
        stepped(journal.aclose())

        steps = [step[-1] for plan in plans for step in plan]
        assert len(plans) == len(steps) == 9
        assert all(step.startswith("SEARCH") and "INDEX" in step for step in steps)


class Watched(MemoryJournal):
    """A memory journal that counts the rows that it hands out."""

    handed = 0

    def read(self) -> dict[str, list[Row]]:
        """Load, counting."""
        rows = super().read()
        self.handed += sum(len(found) for found in rows.values())
        return rows

    def select(self, table: str, where: Any, limit: int, order: str = "") -> list[Row]:
        """Look up, counting."""
        found = super().select(table, where, limit, order)
        self.handed += len(found)
        return found


class TestSize:
    """What the vault holds and reads does not grow with what it has stored."""

    def test_a_restart_reads_no_card(self) -> None:
        journal = Watched(metadata)
        hsm = VaultHsm(journal)
        journal.handed = 0
        hsm.restart()
        empty = journal.handed
        for number in range(50):
            hsm.used(hsm.kept(requestor=f"acct_{number}").token)
        journal.handed = 0

        hsm.restart()

        # One row more: the head of the audit log.
        assert journal.handed <= empty + 1

    def test_a_command_reads_a_few_rows(self) -> None:
        journal = Watched(metadata)
        hsm = VaultHsm(journal)
        token = hsm.kept().token
        for number in range(50):
            hsm.used(token, reference=f"reference {number}")
        hsm.restart()
        journal.handed = 0

        hsm.followed(token, "reference 3")
        hsm.used(token, reference="another")

        assert journal.handed == 3

    def test_a_card_in_memory_needs_no_row_for_its_next_payment(self) -> None:
        journal = Watched(metadata)
        hsm = VaultHsm(journal)
        token = hsm.kept().token
        hsm.used(token)
        journal.handed = 0

        hsm.used(token, reference="next")

        assert journal.handed == 0

    def test_memory_is_bounded_between_turns(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(cards_max=3))
        tokens = [hsm.kept(requestor=f"acct_{number}", cvc=CVC).token for number in range(9)]
        hsm.tick()

        held = repr(hsm.engine._vault)

        assert held == "Vault(cards=3)"
        assert [hsm.used(token).cvv2 for token in tokens] == [""] * 6 + [CVC] * 3

    def test_the_card_that_is_used_stays(self) -> None:
        journal = Watched(metadata)
        hsm = VaultHsm(journal, VaultSettings(cards_max=3))
        token = hsm.kept().token
        for number in range(9):
            hsm.kept(requestor=f"other_{number}")
            hsm.paid(token)
        journal.handed = 0

        hsm.paid(token)

        assert journal.handed == 0


class TestUnspentCryptograms:
    """What was issued lately needs no look at the shelf; whatever else is unspent is found there, and opens as well."""

    def test_memory_holds_the_latest_between_turns_and_all_of_the_turn_under_way(self) -> None:
        cards, first, second = WorkingSet(JournalShelf(MemoryJournal(metadata)), 10), Turn(EPOCH), Turn(EPOCH)
        cards.begin(first)
        cards.put(card(1), first)
        known = cards.card(card(1).token)
        for number in range(ISSUED_MAX + 3):
            cards.issue(known, Issued(number, b"covered", b"made"), first)
        during = cards.issued(known, 1)

        cards.begin(second)

        assert during == Issued(0, b"covered", b"made")
        assert [cards.issued(known, atc) is None for atc in (1, 3, 4, ISSUED_MAX + 3)] == [True, True, False, False]

    @pytest.mark.parametrize("is_remembered", [True, False])
    def test_a_cryptogram_opens_for_its_own_purchase_only(self, *, is_remembered: bool) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        proof = hsm.paid(token, amount_minor=4200)
        if not is_remembered:
            hsm.restart()

        other = hsm.ask("switch", first_use(token, proof, amount_minor=4300))
        own = hsm.ask("switch", first_use(token, proof, amount_minor=4200))

        assert (other.code, own.code) == ("V1", "00")
