"""Key rotation: every token works at every moment of it, and the old key is gone at its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hsm_sim.core import indexes
from hsm_sim.core.errors import HsmError
from hsm_sim.core.slots import KEYS_TABLE, VAULT_PARTY
from hsm_sim.core.vault import CARDS_TABLE, CardRow, VaultSettings
from hsm_sim.core.vault.rows import FIRST_LAYOUT
from hsm_sim.requests import DeleteToken, DescribeToken, StoreCard, SuspendToken
from node.core.turn import Turn
from tests.hsm_sim.vault.builders import InlineJournal, VaultHsm
from tests.support.hsm import PAN

STEPS = 8


class TestCardKey:
    """New cards use the new key at once, old rows come over in bounded steps, then the old key is destroyed."""

    @pytest.mark.parametrize("restarts", [False, True])
    def test_every_token_works_at_every_step(self, restarts: bool) -> None:
        hsm = VaultHsm()
        tokens = [hsm.kept(requestor=f"acct_{number}").token for number in range(7)]
        opened = {token: hsm.used(token) for token in tokens}
        hsm.rotate("card")

        for step in range(STEPS):
            if restarts:
                hsm.restart()
            tokens.append(hsm.kept(requestor=f"later_{step}").token)
            opened[tokens[-1]] = hsm.used(tokens[-1])
            assert {token: hsm.followed(token) for token in tokens} == opened
            assert [hsm.used(token, reference=f"step {step}").pan for token in tokens] == [PAN] * len(tokens)
            hsm.tick()

        assert not hsm.engine.upkeep.rotation().is_resealing
        assert {row.key_version for row in _cards(hsm)} == {2}

    def test_a_step_changes_a_bounded_number_of_rows(self) -> None:
        hsm = VaultHsm(settings=VaultSettings(batch_rows=3))
        for number in range(7):
            hsm.kept(requestor=f"acct_{number}")
        hsm.rotate("card")
        came_over = []

        for _ in range(4):
            hsm.tick()
            came_over.append(sum(row.key_version == 2 for row in _cards(hsm)))

        assert came_over == [3, 6, 7, 7]

    def test_an_old_key_that_no_row_names_is_destroyed(self) -> None:
        hsm = VaultHsm()
        hsm.kept()
        hsm.rotate("card")
        assert {indexes.VAULT, f"{indexes.VAULT}.2"} <= set(hsm.engine.check_values()[VAULT_PARTY])

        hsm.tick(STEPS)
        hsm.restart()

        assert hsm.journal.rows[KEYS_TABLE][VAULT_PARTY, indexes.VAULT][-1] == ""
        assert indexes.VAULT not in hsm.engine.check_values()[VAULT_PARTY]
        assert hsm.engine.upkeep.rotation().card_version == 2

    def test_it_can_be_changed_again_and_again(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        opened = hsm.used(token)

        for version in (2, 3, 4):
            hsm.rotate("card")
            hsm.tick(STEPS)
            hsm.restart()
            assert hsm.engine.upkeep.rotation().card_version == version

        assert hsm.followed(token) == opened

    def test_one_change_at_a_time(self) -> None:
        hsm = VaultHsm()
        hsm.kept()
        hsm.rotate("card")

        with pytest.raises(HsmError) as refused:
            hsm.rotate("card")

        assert refused.value.code == "VI"

    def test_a_card_of_the_very_turn_of_the_change_is_not_orphaned(self) -> None:
        hsm = VaultHsm()
        turn = Turn(hsm.at)
        request = StoreCard(PAN, "3012", "", "acct_1")
        answer = hsm.engine.handle("gateway", b"HEAD" + request.encode(), hsm.now, turn)
        hsm.engine.upkeep.rotate("card", turn)
        hsm.engine.expire(hsm.now, turn)
        hsm.journal.write(turn.stores)

        hsm.tick(STEPS)

        assert hsm.used(request.parse(answer[4:]).token).pan == PAN

    def test_suspended_and_deleted_cards_come_over_too(self) -> None:
        hsm = VaultHsm()
        suspended, deleted = hsm.kept().token, hsm.kept(requestor="acct_2").token
        opened = hsm.used(deleted)
        hsm.ask("gateway", SuspendToken(suspended, "acct_1", "lost_card"))
        hsm.ask("gateway", DeleteToken(deleted, "acct_2", "closed"))

        hsm.rotate("card")
        hsm.tick(STEPS)

        assert hsm.paid(suspended).code == "V9"
        assert hsm.followed(deleted) == opened

    def test_a_forged_row_does_not_hold_it_up_and_stays_forged(self) -> None:
        hsm = VaultHsm()
        good, forged = hsm.kept().token, hsm.kept(requestor="acct_2").token
        hsm.used(forged)
        row = hsm.shelf.card(forged)
        assert row is not None
        hsm.journal.write({CARDS_TABLE: [row._replace(requestor="acct_1", fingerprint="fp_forged")]})
        hsm.restart()

        hsm.rotate("card")
        hsm.tick(STEPS)

        assert not hsm.engine.upkeep.rotation().is_resealing
        assert hsm.followed(forged).code == "V7"
        assert hsm.used(good).code == "00"

    def test_nothing_is_due_before_and_after(self) -> None:
        hsm = VaultHsm()
        hsm.kept()
        before = hsm.engine.deadline()
        hsm.rotate("card")
        during = hsm.engine.deadline()
        hsm.tick(STEPS)

        assert (before, during, hsm.engine.deadline()) == (None, 0.0, None)


class TestFingerprintKey:
    """Both fingerprints of a card are known until somebody says that nobody needs the former ones."""

    @pytest.mark.parametrize("restarts", [False, True])
    def test_a_card_is_recognised_at_every_step(self, restarts: bool) -> None:
        hsm = VaultHsm()
        before = {f"acct_{number}": hsm.kept(requestor=f"acct_{number}") for number in range(5)}
        hsm.rotate("fingerprint")
        after = {}

        for _ in range(STEPS):
            if restarts:
                hsm.restart()
            for requestor, stored in before.items():
                again = hsm.kept(requestor=requestor)
                assert (again.token, again.former_fingerprint) == (stored.token, stored.fingerprint)
                assert after.setdefault(requestor, again.fingerprint) == again.fingerprint != stored.fingerprint
            hsm.tick()

        assert {row.fingerprint for row in _cards(hsm)} == set(after.values())

    def test_a_new_card_has_both_at_once(self) -> None:
        hsm = VaultHsm()
        hsm.rotate("fingerprint")

        stored = hsm.kept()
        told = hsm.ask("gateway", DescribeToken(stored.token, "acct_1"))

        assert stored.former_fingerprint
        assert (told.fingerprint, told.former_fingerprint) == (stored.fingerprint, stored.former_fingerprint)

    def test_the_former_ones_are_forgotten_with_their_key(self) -> None:
        hsm = VaultHsm()
        token = hsm.kept().token
        hsm.rotate("fingerprint")
        hsm.tick(STEPS)
        during = hsm.kept()

        hsm.retire_fingerprints()
        hsm.restart()
        after = hsm.kept()

        assert (during.token, after.token) == (token, token)
        assert after == during._replace(former_fingerprint="")

    def test_it_does_not_end_while_rows_need_it_or_before_it_began(self) -> None:
        hsm = VaultHsm()
        hsm.kept()
        with pytest.raises(HsmError) as early:
            hsm.retire_fingerprints()
        hsm.rotate("fingerprint")
        with pytest.raises(HsmError) as busy:
            hsm.retire_fingerprints()

        assert (early.value.code, busy.value.code) == ("VJ", "VI")

    def test_both_keys_can_change_together(self) -> None:
        hsm = VaultHsm()
        stored = [hsm.kept(requestor=f"acct_{number}") for number in range(5)]
        hsm.rotate("card")
        hsm.rotate("fingerprint")

        hsm.tick(2 * STEPS)
        hsm.retire_fingerprints()
        hsm.restart()

        assert [hsm.kept(requestor=f"acct_{number}").token for number in range(5)] == [card.token for card in stored]
        assert {(row.key_version, row.fingerprint_version) for row in _cards(hsm)} == {(2, 2)}


class TestFirstLayout:
    """Cards of a database from before there were domains are sealed anew, by a rotation of no key."""

    def test_they_work_before_and_after(self, tmp_path: Path) -> None:
        path = tmp_path / "hsm.db"
        hsm = VaultHsm(InlineJournal(path))
        token = hsm.kept().token
        opened = hsm.used(token)
        made = hsm.paid(token)
        _age(hsm, token)
        hsm.restart()

        codes = [hsm.followed(token) == opened, hsm.used(token, made, "in flight").code, hsm.kept().token == token]
        hsm.tick(STEPS)
        row = hsm.shelf.card(token)

        assert codes == [True, "00", True]
        assert row is not None
        assert (row.key_version, row.fingerprint_version, len(row.par)) == (1, 1, 29)
        assert hsm.followed(token) == opened
        assert hsm.engine.deadline() is None

    def test_the_migration_carries_them_over(self, tmp_path: Path) -> None:
        path = tmp_path / "hsm.db"
        _first_database(path)

        journal = InlineJournal(path)
        rows = journal.select(CARDS_TABLE, {"key_version": FIRST_LAYOUT}, 10)
        counter = journal.select("hsm_counters", {"token": "9999000000004242"}, 1)
        spent = journal.select("hsm_references", {"token": "9999000000004242", "reference": "rrn"}, 1)

        assert [CardRow(*row).token for row in rows] == ["9999000000004242"]
        assert counter == [("9999000000004242", 3, 2)]
        assert spent == [("9999000000004242", 2, "rrn", "", "0" * 16)]


def _cards(hsm: VaultHsm) -> list[CardRow]:
    return [CardRow(*row) for row in hsm.journal.rows[CARDS_TABLE].values()]


def _age(hsm: VaultHsm, token: str) -> None:
    """Put a card back into the first layout, as the migration leaves it."""
    row = hsm.shelf.card(token)
    assert row is not None
    seal: Callable[..., bytes] = hsm.engine._slots[VAULT_PARTY].keys[indexes.VAULT].seal
    context = "\x00".join(("hsm_sim/card/v1", row.token, row.expiry, "1", row.requestor)).encode()
    sealed = seal(PAN.encode(), context, hsm.entropy)
    hsm.journal.write({CARDS_TABLE: [row._replace(key_version=FIRST_LAYOUT, sealed=sealed, par="")]})


def _first_database(path: Path) -> None:
    """Make a database as the first version of the HSM left it."""
    database = sqlite3.connect(path)
    database.executescript(
        """
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('0001');
        CREATE TABLE hsm_keys (party TEXT, place TEXT, neighbour TEXT NOT NULL, block TEXT NOT NULL,
            PRIMARY KEY (party, place));
        CREATE TABLE hsm_cards (token TEXT PRIMARY KEY, requestor TEXT NOT NULL, expiry TEXT NOT NULL,
            fingerprint TEXT NOT NULL, key_version INTEGER NOT NULL, sealed BLOB NOT NULL, created_at INTEGER NOT NULL);
        CREATE TABLE hsm_cryptograms (token TEXT, atc INTEGER, issued_at INTEGER NOT NULL, PRIMARY KEY (token, atc));
        CREATE TABLE hsm_references (token TEXT, atc INTEGER, reference TEXT NOT NULL, PRIMARY KEY (token, atc));
        INSERT INTO hsm_cards VALUES ('9999000000004242', 'acct_1', '3012', 'fp_', 1, X'00', 1);
        INSERT INTO hsm_cryptograms VALUES ('9999000000004242', 1, 1), ('9999000000004242', 2, 1),
            ('9999000000004242', 3, 1);
        INSERT INTO hsm_references VALUES ('9999000000004242', 2, 'rrn');
        """
    )
    database.close()
