"""The request log: what is kept of requests, what never is, and two stores with one contract."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.identifiers import TRACE_BYTES, trace_id
from gateway.core.request_rows import HIDDEN, PARAMS_MAX, RequestRow, masked_params, masked_path, shown, subject_of
from gateway.request_log import PENDING_MAX, Answered, LoggedHsm, RequestLog
from gateway.store_requests import MemoryRequests, RequestQuery, RequestStore, SqliteRequests
from iso.masks import mask_text
from node.journal import StoreError
from tests.support.gateway import CARD, PAN, Shop, payment

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
Open = Callable[..., RequestStore]


def row(sequence: int, **changes: Any) -> RequestRow:
    made = RequestRow(
        sequence, f"req_{sequence}", f"{sequence:032x}", "acct_1", sequence, 5, "POST", "/v1/charges", 200,
        "", "", "", "[]",
    )  # fmt: skip
    return made._replace(**changes)


def answered(number: int, status: int = 200, body: str = "{}", tree: Any = None) -> Answered:
    return Answered(f"req_{number}", f"{number:032x}", "acct_1", "POST", "/v1/charges", tree, status, body)


@pytest.fixture(params=["memory", "file"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[RequestStore] = []

    def open_one(kept: int = 100) -> RequestStore:
        opened.append(MemoryRequests(kept) if request.param == "memory" else SqliteRequests(tmp_path / "r.db", kept))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


class TestTheContract:
    """File and memory answer every query alike, newest first."""

    def test_rows_come_back_newest_first(self, open_store: Open) -> None:
        store = open_store()

        store.append([row(1), row(2)])
        store.append([row(3)])

        assert store.find(RequestQuery()) == [row(3), row(2), row(1)]
        assert store.last == 3

    def test_every_filter_counts(self, open_store: Open) -> None:
        store = open_store()
        rows = [
            row(1, account="acct_2"), row(2, method="GET"), row(3, status=402), row(4, subject="pi_1"),
            row(5, trace="t"), row(6),
        ]  # fmt: skip
        store.append(rows)

        found = [
            store.find(RequestQuery(**wanted))
            for wanted in (
                {"account": "acct_2"}, {"method": "GET"}, {"status": 402}, {"subject": "pi_1"}, {"trace": "t"},
                {"id": "req_6"},
            )
        ]  # fmt: skip

        assert found == [[one] for one in rows]

    def test_a_page_goes_on_below_the_last_one(self, open_store: Open) -> None:
        store = open_store()
        store.append([row(number) for number in range(1, 6)])

        assert store.find(RequestQuery(2, below=4)) == [row(3), row(2)]

    def test_only_the_newest_are_kept(self, open_store: Open) -> None:
        store = open_store(3)

        store.append([row(1), row(2)])
        store.append([row(3), row(4), row(5)])

        assert [one.sequence for one in store.find(RequestQuery())] == [5, 4, 3]


class TestFile:
    """The file is history: it survives a restart, has one writer, and is begun anew when it is broken."""

    def test_a_restart_finds_what_was_kept(self, tmp_path: Path) -> None:
        first = SqliteRequests(tmp_path / "r.db")
        first.append([row(7)])
        first.close()

        again = RequestLog(lambda: EPOCH, SqliteRequests(tmp_path / "r.db"))

        again_next = _noted(again, 1)[0]
        assert [one.sequence for one in again.find(RequestQuery())] == [8, 7]
        assert again_next.sequence == 8
        again.close()

    def test_another_writer_is_kept_out(self, tmp_path: Path) -> None:
        first = SqliteRequests(tmp_path / "r.db")

        with pytest.raises(StoreError):
            SqliteRequests(tmp_path / "r.db")

        first.close()

    def test_a_broken_file_is_begun_anew(self, tmp_path: Path) -> None:
        (tmp_path / "r.db").write_bytes(b"no database" * 500)

        store = SqliteRequests(tmp_path / "r.db")

        assert store.last == 0
        store.close()

    def test_a_file_that_refuses_does_not_stop_the_gateway(self, tmp_path: Path) -> None:
        store = SqliteRequests(tmp_path / "r.db")
        log = RequestLog(lambda: EPOCH, store)
        store._database.execute("PRAGMA query_only=1")

        kept = _noted(log, 1)

        assert [one.id for one in kept] == ["req_1"]

    def test_what_was_written_is_on_disk(self, tmp_path: Path) -> None:
        log = RequestLog(lambda: EPOCH, SqliteRequests(tmp_path / "r.db"))
        _noted(log, 2)
        log.close()

        with sqlite3.connect(tmp_path / "r.db") as database:
            assert database.execute("SELECT id FROM requests").fetchall() == [("req_1",), ("req_2",)]
        database.close()


def _noted(log: RequestLog, count: int) -> list[RequestRow]:
    async def note() -> None:
        for number in range(1, count + 1):
            log.end(log.begin(), answered(number))

    anyio.run(note)
    return log.find(RequestQuery(count))


class _Counted:
    """An HSM that answers, and a request of which only the first two characters matter."""

    code = "00"

    async def call(self, request: Any, timeout_s: float) -> Any:
        """Answer."""
        return self

    def encode(self) -> bytes:
        """Return the command on the wire."""
        return b"ZC4242424242424242"


class TestLatency:
    """Times are those of a stopwatch, to the microsecond: an event loop may count milliseconds."""

    def test_a_request_and_its_commands(self) -> None:
        ticks = iter([7.0, 7.000_250, 7.000_420, 7.001_003])

        def watch() -> float:
            return next(ticks)

        log, hsm = RequestLog(lambda: EPOCH, watch=watch), LoggedHsm(_Counted(), watch)

        async def ask() -> None:
            asked = log.begin()
            await hsm.call(_Counted(), 1.0)
            log.end(asked, answered(1))

        anyio.run(ask)

        found = shown(log.find(RequestQuery())[0])
        assert found["latency_ms"] == 1.003
        assert [(one["command"], one["latency_ms"], one["at"][-13:-6]) for one in found["hsm"]] == [
            ("ZC", 0.17, ".000250"),
        ]


class TestRing:
    """A shop never waits for history: beyond its room the ring forgets the oldest."""

    def test_the_oldest_go_and_are_counted(self) -> None:
        log = RequestLog(lambda: EPOCH, MemoryRequests(PENDING_MAX))

        _noted(log, PENDING_MAX + 2)

        assert log.dropped == 2
        assert log.find(RequestQuery(id="req_1")) == []


class TestMasking:
    """No row holds a card number, a CVC, an API key or a client secret, wherever a caller put it."""

    def test_cards_are_masked_by_name(self) -> None:
        kept = json.loads(masked_params({"card": {**CARD, "exp_month": "12"}, "metadata": {"order": "6735"}}))

        assert kept["card"] == {"number": "424242******4242", "exp_month": HIDDEN, "exp_year": HIDDEN, "cvc": HIDDEN}
        assert kept["metadata"] == {"order": "6735"}

    @pytest.mark.parametrize("name", ["description", "number", "metadata[x]", "cvc", PAN])
    @pytest.mark.parametrize("text", [PAN, f"paid with {PAN}", "4242 4242 4242 4242", "4242-4242-4242-4242"])
    def test_a_card_number_is_kept_nowhere(self, name: str, text: str) -> None:
        kept = masked_params({name: [text, {text: text}]}) + masked_path(f"/v1/customers/{text}")

        assert PAN not in kept.replace(" ", "").replace("-", "")

    def test_secrets_of_payments_are_hidden(self) -> None:
        kept = masked_params({"client_secret": "pi_1_secret_abc", "note": "see pi_1_secret_abc", "key": "pk_test_1"})

        assert "abc" not in kept
        assert "pk_test_1" not in kept

    @given(st.recursive(st.text(max_size=20), lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=4)))
    def test_whatever_comes_in_is_short_ascii_json(self, tree: Any) -> None:
        kept = masked_params(tree)

        assert kept.isascii()
        assert len(kept) <= PARAMS_MAX
        json.loads(kept)

    def test_what_is_too_long_is_left_out(self) -> None:
        assert "(too long)" in masked_params({f"m{number}": "x" * 200 for number in range(100)})


class TestSubjects:
    """A row knows the object of its answer, also where it is inside an error."""

    def test_of_an_object_and_of_an_error(self) -> None:
        error = '{"error":{"code":"card_declined","payment_intent":{"id":"pi_2","object":"payment_intent"}}}'

        assert [subject_of(body) for body in ('{"id":"pi_1"}', error, '{"object":"list"}', "")] == [
            "pi_1", "pi_2", "", "",
        ]  # fmt: skip


class TestShop:
    """Every request at /v1 is noted, whatever came of it, with its HSM commands and without secrets."""

    def rows(self, shop: Shop) -> list[dict[str, Any]]:
        found = shop.portal.call(shop.gateway.requests.find, RequestQuery())
        return [shown(one) for one in found]

    def test_a_payment_has_its_hsm_commands(self, memory_shop: Shop) -> None:
        answer = memory_shop.post("/v1/payment_intents", payment())

        kept = self.rows(memory_shop)[0]
        assert (kept["request"], kept["trace"]) == (answer.headers["request-id"], answer.headers["emu-trace-id"])
        assert (kept["method"], kept["path"], kept["status"]) == ("POST", "/v1/payment_intents", 200)
        assert kept["subject"] == answer.json()["id"]
        assert kept["account"] == "acct_rails"
        assert kept["params"]["amount"] == "2000"
        assert [(call["command"], call["code"]) for call in kept["hsm"]] == [("ZA", "00"), ("ZC", "00")]

    def test_an_hsm_that_is_silent_has_no_code(self, memory_shop: Shop) -> None:
        memory_shop.gateway.hsm.is_silent = True

        memory_shop.post("/v1/payment_methods", {"type": "card", "card": CARD})

        assert [(call["command"], call["code"]) for call in self.rows(memory_shop)[0]["hsm"]] == [("ZA", None)]

    def test_a_refusal_is_kept_with_its_reason(self, memory_shop: Shop) -> None:
        memory_shop.post("/v1/payment_intents", {"amount": 1, "currency": "usd", "nonsense": "x"})
        memory_shop.post("/v1/payment_intents", "", authorization="Bearer nobody")

        unknown, bad = self.rows(memory_shop)
        assert (bad["status"], bad["error"]) == (400, "invalid_request_error parameter_unknown")
        assert (unknown["status"], unknown["account"]) == (401, None)

    def test_no_card_number_is_kept_of_any_request(self, memory_shop: Shop) -> None:
        memory_shop.post("/v1/payment_methods", {"type": "card", "card": CARD})
        memory_shop.post("/v1/customers", {"description": f"card {PAN}"})
        memory_shop.post("/v1/customers", {f"metadata[{PAN}]": PAN})
        memory_shop.get(f"/v1/customers/{PAN}")

        kept = repr(memory_shop.portal.call(memory_shop.gateway.requests.find, RequestQuery()))
        assert len(self.rows(memory_shop)) == 4
        assert PAN not in kept
        assert "737" not in json.dumps([one["params"] for one in self.rows(memory_shop)])


class TestTraceIds:
    """Messages are kept masked, so a trace id must not look like a card number, or its payment cannot be found."""

    @given(st.binary(min_size=TRACE_BYTES, max_size=TRACE_BYTES))
    def test_masking_leaves_them_alone(self, entropy: bytes) -> None:
        trace = trace_id(entropy)

        assert len(trace) == 2 * TRACE_BYTES
        assert mask_text(f"0204213032{trace}1600301F") == f"0204213032{trace}1600301F"
