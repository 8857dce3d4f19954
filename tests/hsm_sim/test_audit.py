"""The audit log: what is in it, what is never in it, and that nobody can change it unseen."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.audit import (
    AUDIT_HEAD_TABLE,
    AUDIT_TABLE,
    AuditLog,
    Checkpoint,
    Finding,
    Head,
    Record,
    verify,
)
from hsm_sim.core.engine import build_engine
from hsm_sim.requests import Detokenise, VerifyCvv
from hsm_sim.shelf import JournalShelf
from iso.errors import ConfigError
from node.core.turn import Turn
from tests.support.hsm import CVC, EPOCH, MASTER, PAN, PARTIES, Hsm, first_use, seeded

KEY = bytes(range(32))


def sign(data: bytes) -> bytes:
    return hmac.digest(KEY, data, "sha256")


def logged(count: int, per_turn: int = 3) -> tuple[list[Record], Head]:
    """Return a log of `count` records, written in turns."""
    log, records, head = AuditLog(sign), list[Record](), None
    while len(records) < count:
        turn = Turn(EPOCH)
        for number in range(min(per_turn, count - len(records))):
            log.record(turn, "issuer-a", "CY", "01", f"subject {number}")
        records += written(turn)
        head = head_of(turn)
    assert head is not None
    return records, head


def written(turn: Turn) -> list[Record]:
    return [Record(*row) for row in turn.stored(AUDIT_TABLE)]


def head_of(turn: Turn) -> Head:
    (row,) = turn.stored(AUDIT_HEAD_TABLE)
    return Head(*row)


def problems(records: Sequence[Record], head: Head | None, checkpoint: Checkpoint | None = None) -> list[str]:
    return [finding.problem for finding in verify(records, head, sign, checkpoint)]


class TestTheChain:
    """Every record hangs on the one before it; a log that was not touched has no findings."""

    def test_records_are_numbered_and_chained_over_turns(self) -> None:
        records, head = logged(7)

        assert [record.sequence for record in records] == list(range(1, 8))
        assert [record.previous for record in records[1:]] == [record.mac for record in records[:-1]]
        assert (head.sequence, head.mac) == (7, records[-1].mac)
        assert problems(records, head) == []

    def test_it_goes_on_where_it_ended(self) -> None:
        records, head = logged(3)
        turn = Turn(EPOCH)

        AuditLog(sign, head).record(turn, "(hsm)", "start", "00")

        assert problems([*records, *written(turn)], head_of(turn)) == []

    def test_a_turn_writes_one_head_however_many_records_it_has(self) -> None:
        log, turn = AuditLog(sign), Turn(EPOCH)

        for _ in range(50):
            log.record(turn, "issuer-a", "CY", "01")

        assert len(written(turn)) == 50
        assert head_of(turn).sequence == 50

    @given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9)), min_size=2, max_size=2))
    def test_records_that_say_different_things_have_different_macs(self, said: list[tuple[str, str, str]]) -> None:
        turns = [Turn(EPOCH), Turn(EPOCH)]

        for turn, (party, command, subject) in zip(turns, said, strict=True):
            AuditLog(sign).record(turn, party, command, "00", subject)

        one, other = (written(turn)[0].mac for turn in turns)
        assert (one == other) == (said[0] == said[1])


class TestTampering:
    """Whatever is changed, removed, inserted, exchanged or cut is found."""

    @pytest.mark.parametrize(
        "change",
        [
            {"at_ms": 1},
            {"party": "issuer-b"},
            {"command": "CW"},
            {"code": "00"},
            {"subject": ""},
            {"previous": bytes(32)},
            {"mac": bytes(32)},
            {"at_ms": "text"},
            {"subject": b"bytes"},
        ],
    )
    @pytest.mark.parametrize("place", [0, 3, 6])
    def test_a_changed_record(self, change: dict[str, object], place: int) -> None:
        records, head = logged(7)
        assert records[place]._replace(**change) != records[place] or place == 0  # type: ignore[arg-type]

        records[place] = records[place]._replace(**change)  # type: ignore[arg-type]

        if place or "previous" not in change:
            assert "changed" in problems(records, head)

    @given(st.integers(0, 8), st.integers(1, 9))
    def test_removed_records(self, start: int, count: int) -> None:
        records, head = logged(9)

        left = records[:start] + records[start + count :]

        found = problems(left, head)
        assert found == (["cut"] if start + count >= 9 else ["removed"])

    def test_an_inserted_record(self) -> None:
        records, head = logged(5)
        forged = records[2]._replace(sequence=6, mac=sign(b"?"))

        assert "inserted" in problems([*records, forged], head)
        assert "inserted" in problems([*records[:3], records[2], *records[3:]], head)

    def test_exchanged_records(self) -> None:
        records, head = logged(5)
        numbered = [records[2]._replace(sequence=2), records[1]._replace(sequence=3)]

        assert "inserted" in problems([records[0], records[2], records[1], *records[3:]], head)
        assert "changed" in problems([records[0], *numbered, *records[3:]], head)

    def test_a_record_of_another_log_under_the_same_key(self) -> None:
        (records, head), turn = logged(5), Turn(EPOCH)
        other = AuditLog(sign)
        for _ in range(5):
            other.record(turn, "switch", "ZE", "V1")

        spliced = [*records[:2], written(turn)[2], *records[3:]]

        assert problems(spliced, head) == ["inserted", "inserted"]

    def test_a_log_without_its_head_or_with_a_forged_one(self) -> None:
        records, head = logged(5)

        assert problems(records, None) == ["head"]
        assert problems([], None) == ["head"]
        assert problems(records[:3], head._replace(sequence=3, mac=records[2].mac)) == ["head"]
        assert problems(records, head._replace(mac=records[2].mac)) == ["head", "head"]

    def test_an_older_copy_is_found_with_a_checkpoint_only(self) -> None:
        records, head = logged(5, per_turn=1)
        older = logged(3, per_turn=1)
        checkpoint = Checkpoint(head.sequence, head.mac)

        assert problems(*older) == []
        assert problems(*older, checkpoint) == ["cut"]
        assert problems(records, head, checkpoint) == []

    def test_a_finding_says_where(self) -> None:
        records, head = logged(5)

        (finding,) = verify([*records[:1], *records[3:]], head, sign)

        assert finding == Finding(2, "removed", "records 2 to 3 are missing")


class TestWhatIsRecorded:
    """Attempts and failures are; ordinary work and mistakes are not, unless all is asked for."""

    @pytest.mark.parametrize("code", ["68", "13", "A6", "A8", "A4", "01", "39", "17", "V0", "V2", "20"])
    def test_a_refusal_that_somebody_provoked(self, code: str) -> None:
        assert AuditLog(sign).wants("issuer", code, is_audited=False)

    @pytest.mark.parametrize("code", ["00", "15", "80", "67"])
    def test_not_ordinary_work_or_mistakes(self, code: str) -> None:
        assert not AuditLog(sign).wants("issuer", code, is_audited=False)

    def test_a_command_that_asks_for_it_also_when_it_succeeds(self) -> None:
        assert AuditLog(sign).wants("gateway", "00", is_audited=True)

    def test_nothing_of_the_open_port_because_anybody_could_fill_the_disk(self) -> None:
        assert not AuditLog(sign).wants("open", "68", is_audited=True)

    def test_levels(self) -> None:
        every, none = AuditLog(sign, level="all"), AuditLog(sign, level="off")

        assert every.wants("open", "00", is_audited=False)
        assert not none.wants("issuer", "68", is_audited=True)

    def test_a_failed_check_and_a_denied_command_are_in_the_turn_that_answers_them(self) -> None:
        hsm = Hsm()

        hsm.ask("issuer-a", VerifyCvv("KF00", PAN, "3012", "201", "000"))
        hsm.ask("gateway", Detokenise("9999000000004242", "reference"))

        records = list(hsm.journal.rows[AUDIT_TABLE].values())
        assert [(row[2], row[3], row[4]) for row in records] == [("issuer-a", "CY", "01"), ("gateway", "ZE", "68")]

    def test_a_card_is_in_it_once_however_often_it_is_stored(self) -> None:
        hsm = Hsm()

        tokens = [hsm.stored().token for _ in range(3)] + [hsm.stored(expiry="3101").token]

        records = [row[2:6] for row in hsm.journal.rows[AUDIT_TABLE].values()]
        assert records == [("gateway", "ZA", "00", tokens[0]), ("gateway", "ZA", "00", tokens[-1])]

    def test_no_card_number_pin_or_key_is_in_it(self) -> None:
        hsm = Hsm()
        stored = hsm.stored()
        made = hsm.paid(stored.token)

        hsm.ask("switch", first_use(stored.token, made))
        hsm.ask("switch", first_use(PAN, made))
        hsm.ask("issuer-a", VerifyCvv("KF00", PAN, "3012", "201", CVC))
        hsm.ask("gateway", Detokenise(PAN, PAN))

        text = repr(list(hsm.journal.rows[AUDIT_TABLE].values()))
        assert "ZE" in text
        assert PAN not in text
        assert CVC not in text


class TestRestart:
    """A log is continued only behind the end that this HSM wrote."""

    def test_a_forged_head_stops_the_start(self) -> None:
        hsm = Hsm()
        hsm.ask("gateway", Detokenise("9999000000004242", "reference"))
        stored = hsm.journal.read()
        (head,) = stored[AUDIT_HEAD_TABLE]

        forged = {**stored, AUDIT_HEAD_TABLE: [(head[0], 0, *head[2:])]}

        with pytest.raises(ConfigError, match="must be what this HSM wrote"):
            build_engine(PARTIES, MASTER, seeded(), forged, JournalShelf(hsm.journal))

    def test_it_goes_on_behind_the_stored_head(self) -> None:
        hsm = Hsm()
        for _ in range(2):
            hsm.ask("gateway", Detokenise("9999000000004242", "reference"))
            hsm.restart()

        assert hsm.engine.audit.checkpoint.sequence == 2


class TestTags:
    """A tag names something without giving it away."""

    def test_the_same_text_has_the_same_tag_under_one_key_only(self) -> None:
        other = AuditLog(lambda data: hmac.digest(bytes(32), data, "sha256"))

        assert AuditLog(sign).tag(PAN) == AuditLog(sign).tag(PAN)
        assert AuditLog(sign).tag(PAN) != other.tag(PAN)
        assert PAN not in AuditLog(sign).tag(PAN)
