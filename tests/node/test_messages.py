"""Kept messages: two stores with one contract, retention, pairing, masking, and a file that fails."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from iso import Message, dialect, encode
from iso.private import CVV2, TOKEN_CRYPTOGRAM, TRACE_ID, build_private
from node.clock import BusinessClock
from node.journal import StoreError
from node.message_rows import OPEN_MAX, Crossing, RowMaker, instant, micros
from node.message_store import PACKED, MemoryMessages, MessageRow, MessageStore, Query, Retention, SqliteMessages
from node.trace import PENDING_MAX, TraceRing
from tests.support.messages import TEST_PAN, authorisation_request

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
SECOND_US = 1_000_000
SPEAKS = dialect("ascii87")
CRYPTOGRAM = "A1B2C3D4E5F60718"
PIN_BLOCK = "9F3E5C7A1B2D4F60"
CHIP = "9F2608DEADBEEFCAFEBABE"

Open = Callable[..., MessageStore]


@pytest.fixture(params=["memory", "file"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[MessageStore] = []

    def open_one(retention: Retention | None = None) -> MessageStore:
        is_memory = request.param == "memory"
        opened.append(MemoryMessages(retention) if is_memory else SqliteMessages(tmp_path / "n.db", retention))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def row(sequence: int, **changes: Any) -> MessageRow:
    made = MessageRow(
        sequence, sequence * SECOND_US, "issuer-a", "out", 1, "ascii87", "0100", f"{sequence:06}", "0314092653",
        "400001", "TERM0001", f"RRN{sequence:09}", "", "000000001999", "840", "", None, "", "", 3, b"abc",
    )  # fmt: skip
    return made._replace(**changes)


def secret_request(stan: str = "000001", trace: str = "4f" * 16, **changes: str) -> Message:
    private = build_private({CVV2: "917", TOKEN_CRYPTOGRAM: CRYPTOGRAM, TRACE_ID: trace})
    secrets = {"de35": f"{TEST_PAN}=30121011234", "de48": private, "de52": PIN_BLOCK, "de55": CHIP}
    return authorisation_request(de11=stan, **(secrets | changes))


def ring(clock: BusinessClock | None = None, capacity: int = 1000) -> TraceRing:
    return TraceRing("switch", {"acquirer": SPEAKS, "issuer-a": SPEAKS}, capacity, clock)


class TestTheContract:
    """File and memory answer every query alike."""

    def test_rows_come_back_in_order(self, open_store: Open) -> None:
        store = open_store()

        store.append([row(1), row(2)])
        store.append([row(3)])

        assert store.find(Query()) == [row(1), row(2), row(3)]
        assert store.last == 3

    def test_nothing_is_kept_yet(self, open_store: Open) -> None:
        store = open_store()

        store.append([])

        assert (store.last, store.find(Query())) == (0, [])

    @pytest.mark.parametrize(
        ("query", "sequences"),
        [
            (Query(after=2), [3, 4]),
            (Query(limit=2), [1, 2]),
            (Query(limit=2, newest=True), [3, 4]),
            (Query(limit=0), []),
            (Query(rrn="RRN000000002"), [2]),
            (Query(stan="000003"), [3]),
            (Query(trace="t"), [4]),
            (Query(mti="0110"), [2]),
            (Query(link="acquirer"), [3]),
            (Query(direction="in"), [2, 3]),
            (Query(direction="in", link="issuer-a"), [2]),
            (Query(since=2 * SECOND_US, until=3 * SECOND_US), [2, 3]),
            (Query(stan="' OR 1=1 --"), []),
        ],
    )
    def test_queries(self, open_store: Open, query: Query, sequences: list[int]) -> None:
        store = open_store()
        rows = [row(1), row(2, mti="0110", direction="in"), row(3, link="acquirer", direction="in"), row(4, trace="t")]

        store.append(rows)

        assert [found.sequence for found in store.find(query)] == sequences

    def test_the_newest_rows_are_kept(self, open_store: Open) -> None:
        store = open_store(Retention(rows=3))

        store.append([row(1), row(2)])
        store.append([row(3), row(4), row(5)])

        assert [found.sequence for found in store.find(Query())] == [3, 4, 5]

    def test_what_is_too_old_goes(self, open_store: Open) -> None:
        store = open_store(Retention(age_us=10 * SECOND_US))

        store.append([row(1), row(5)])
        store.append([row(12)])

        assert [found.sequence for found in store.find(Query())] == [5, 12]

    def test_rows_of_many_groups_come_back_as_they_were(self, open_store: Open) -> None:
        store = open_store()
        rows = [
            row(
                number,
                stan=f"{number % 7:06}",
                frame=bytes(number % 5),
                length=number % 5,
                latency_us=number % 3 or None,
            )
            for number in range(1, 2 * PACKED + 10)
        ]

        store.append(rows)

        assert store.find(Query()) == rows
        assert store.find(Query(stan="000003", after=PACKED)) == [
            one for one in rows if one.stan == "000003" and one.sequence > PACKED
        ]

    @given(
        sizes=st.lists(st.integers(1, PACKED + 5), min_size=1, max_size=4),
        kept=st.sampled_from((Retention(), Retention(rows=70), Retention(age_us=50 * SECOND_US))),
        query=st.builds(
            Query,
            after=st.integers(0, 200),
            limit=st.integers(0, 80),
            newest=st.booleans(),
            stan=st.sampled_from((None, "000001", "000002", '"', "0100")),
            direction=st.sampled_from((None, "in", "note")),
            since=st.none() | st.integers(0, 200).map(lambda seconds: seconds * SECOND_US),
            until=st.none() | st.integers(0, 200).map(lambda seconds: seconds * SECOND_US),
        ),
    )
    def test_file_and_memory_find_the_same(self, sizes: list[int], kept: Retention, query: Query) -> None:
        with tempfile.TemporaryDirectory() as folder:
            memory, file = MemoryMessages(kept), SqliteMessages(Path(folder) / "n.db", kept)
            last = 0
            for size in sizes:
                numbers = range(last + 1, last + size + 1)
                rows = [
                    row(number, stan=f"{number % 3:06}", direction="in" if number % 2 else "out") for number in numbers
                ]
                memory.append(rows)
                file.append(rows)
                last += size
            found = file.find(query)
            file.close()

        assert found == memory.find(query)


class TestTheFile:
    """It has one writer, outlives the node, and is begun anew if its layout is another."""

    def test_it_is_there_after_a_restart_and_sequences_go_on(self, tmp_path: Path) -> None:
        before = ring()
        before.keep_in(tmp_path / "switch.messages.db")
        before.frame(EPOCH, "acquirer", "in", 1, encode(secret_request(), SPEAKS))
        before.close()

        after = ring()
        after.keep_in(tmp_path / "switch.messages.db")
        after.note(EPOCH, "acquirer", "late", "0110 000001: late")

        assert [(one["sequence"], one["direction"]) for one in after.read()] == [(1, "in"), (2, "note")]
        after.close()

    def test_a_second_writer_is_refused(self, tmp_path: Path) -> None:
        first = SqliteMessages(tmp_path / "n.db")

        with pytest.raises(StoreError):
            SqliteMessages(tmp_path / "n.db")
        first.close()

    def test_another_layout_is_begun_anew(self, tmp_path: Path) -> None:
        database = sqlite3.connect(tmp_path / "n.db")
        database.execute("CREATE TABLE messages (something TEXT)")
        database.execute("PRAGMA user_version=99")
        database.close()

        store = SqliteMessages(tmp_path / "n.db")
        store.append([row(1)])

        assert store.find(Query()) == [row(1)]
        store.close()

    def test_a_file_that_is_no_database_is_begun_anew(self, tmp_path: Path) -> None:
        (tmp_path / "n.db").write_bytes(b"no database at all" * 1000)

        store = SqliteMessages(tmp_path / "n.db")
        store.append([row(1)])

        assert store.last == 1
        store.close()

    def test_no_secret_is_in_it(self, tmp_path: Path) -> None:
        trace = ring()
        trace.keep_in(tmp_path / "n.db")
        for speaks in ("ascii87",):
            trace.frame(EPOCH, "acquirer", "in", 1, encode(secret_request(), dialect(speaks)))
        trace.frame(EPOCH, "acquirer", "in", 1, b"0100 broken " + TEST_PAN.encode())
        trace.frame(EPOCH, "acquirer", "in", 1, encode(secret_request(trace=TEST_PAN), SPEAKS))
        trace.close()

        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())

        for secret in (TEST_PAN, CRYPTOGRAM, PIN_BLOCK, CHIP):
            assert secret.encode() not in written
            if set(secret) <= set("0123456789ABCDEF"):
                assert bytes.fromhex(secret) not in written
        assert b"01003917" not in written
        assert b"632613000001" in written

    def test_a_file_that_fails_stops_the_keeping_and_nothing_else(self, tmp_path: Path) -> None:
        trace = ring()
        trace.keep_in(tmp_path / "n.db")
        other = sqlite3.connect(tmp_path / "n.db")
        other.execute("DROP TABLE packs")
        trace.note(EPOCH, "acquirer", "late", "0110 000001: late")

        with structlog.testing.capture_logs() as logged:
            found = trace.read()

        assert [one["kind"] for one in found] == ["late"]
        assert [entry["event"] for entry in logged] == ["messages are no longer kept"]
        other.close()


class TestRows:
    """A frame becomes key columns, masked bytes and a latency."""

    def exchange(
        self, *, code: str = "00", clock: BusinessClock | None = None, took_ms: int = 7
    ) -> list[dict[str, Any]]:
        trace = ring(clock)
        asked = secret_request()
        trace.frame(EPOCH, "issuer-a", "out", 1, encode(asked, SPEAKS))
        if clock is not None:
            clock.advance(timedelta(days=3))
        at = EPOCH + timedelta(milliseconds=took_ms) + (clock.offset if clock is not None else timedelta(0))
        trace.frame(at, "issuer-a", "in", 1, encode(asked.reply(code), SPEAKS))
        return trace.read()

    def test_a_response_has_the_latency_and_the_trace_of_its_request(self) -> None:
        asked, answered = self.exchange(code="51")

        assert (asked["trace"], answered["trace"]) == ("4f" * 16, "4f" * 16)
        assert ("latency_ms" in asked, answered["latency_ms"]) == (False, 7.0)
        assert answered["fields"]["39"] == "51"

    def test_business_time_that_was_advanced_between_is_no_latency(self) -> None:
        _, answered = self.exchange(clock=BusinessClock(wall=lambda: EPOCH))

        assert answered["latency_ms"] == 7.0

    def test_a_response_on_another_link_or_the_same_way_is_no_pair(self) -> None:
        trace, asked = ring(), secret_request()
        trace.frame(EPOCH, "issuer-a", "out", 1, encode(asked, SPEAKS))

        trace.frame(EPOCH, "acquirer", "in", 1, encode(asked.reply("00"), SPEAKS))
        trace.frame(EPOCH, "issuer-a", "out", 1, encode(asked.reply("00"), SPEAKS))

        assert [("latency_ms" in one, one["trace"]) for one in trace.read(after=1)] == [(False, ""), (False, "")]

    def test_requests_that_are_never_answered_are_forgotten(self) -> None:
        maker, frame = RowMaker({"issuer-a": SPEAKS}), encode(secret_request(), SPEAKS)

        def crossing(sequence: int, direction: Any, data: bytes) -> Crossing:
            return Crossing(sequence, EPOCH, timedelta(0), "issuer-a", direction, 1, data, None)

        maker.row(crossing(1, "out", frame))
        for number in range(OPEN_MAX):
            maker.row(crossing(number, "out", encode(secret_request(f"{number + 2:06}"), SPEAKS)))
        answer = maker.row(crossing(9, "in", encode(secret_request().reply("00"), SPEAKS)))

        assert answer.latency_us is None

    def test_what_does_not_decode_leaves_a_masked_window(self) -> None:
        trace = ring()

        trace.frame(EPOCH, "acquirer", "in", 4, b"0100" + b"\x00" * 8 + TEST_PAN.encode())
        (found,) = trace.read()

        assert (found["bytes"], found["connection"], "mti" in found) == (28, 4, False)
        assert TEST_PAN.encode().hex().upper() not in found["window"]

    def test_a_remark_is_found_by_the_stan_that_it_names(self) -> None:
        trace = ring()

        trace.note(EPOCH, "acquirer", "late", "0110 000123: its deadline passed 1.204 s ago")
        trace.note(EPOCH, "acquirer", "unreachable", "nobody listens")

        assert [one["kind"] for one in trace.views(Query(stan="000123"))] == ["late"]
        assert trace.remarks == {("acquirer", "late"): 1, ("acquirer", "unreachable"): 1}

    @given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - the strategy adds the zone
    def test_instants_are_exact(self, at: datetime) -> None:
        assert instant(micros(at)) == at


class TestTheRing:
    """Without a file the newest stay; with one nothing is dropped."""

    def test_without_a_file_the_oldest_go(self) -> None:
        trace = ring(capacity=3)

        for number in range(5):
            trace.note(EPOCH, "acquirer", "late", f"{number}")

        assert [one["detail"] for one in trace.read()] == ["2", "3", "4"]

    def test_a_node_that_never_idles_writes_before_it_waits_longer(self, tmp_path: Path) -> None:
        trace = ring()
        trace.keep_in(tmp_path / "n.db")

        for number in range(PENDING_MAX + 10):
            trace.note(EPOCH, "acquirer", "late", f"{number}")
        other = sqlite3.connect(f"file:{tmp_path / 'n.db'}?mode=ro", uri=True)
        (written,) = other.execute("SELECT max(last) FROM packs").fetchone()

        assert 0 < written < PENDING_MAX
        assert trace.last == PENDING_MAX + 10
        other.close()
        trace.close()
