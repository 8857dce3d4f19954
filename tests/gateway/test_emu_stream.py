"""The live stream: nothing is missed, nothing comes twice, and whoever goes away leaves nothing behind."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest
from starlette.requests import ClientDisconnect

from gateway.emu.app import PREFIX
from gateway.emu.streaming import PAGE, STREAMS_MAX
from node.control_client import ControlClient, ControlError
from tests.support.emu import OPERATOR, SmallHouse, request, small_house


@pytest.fixture
def house() -> Iterator[SmallHouse]:
    with small_house() as opened:
        yield opened


class Reader:
    """Reads events of one stream."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.last = ""

    def opened(self) -> Reader:
        """Read the comment that says that the stream is open."""
        assert next(self._lines) == ": the stream is open"
        return self

    def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next events' data."""
        found: list[dict[str, Any]] = []
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
            if name == "data":
                found.append(json.loads(value))
                if len(found) == count:
                    break
        return found


@contextmanager
def reading(house: SmallHouse, last: str | None = None, **wanted: str) -> Iterator[Reader]:
    headers = {} if last is None else {"last-event-id": last}
    with house.client() as client, client.stream("GET", "/messages/stream", params=wanted, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer.iter_lines()).opened()


def stream_scope() -> dict[str, Any]:
    """Return what a server says of a request for the stream."""
    path = f"{PREFIX}/messages/stream"
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": PREFIX,
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {OPERATOR}".encode())],
    }


@asynccontextmanager
async def at_once(house: SmallHouse, count: int) -> AsyncIterator[list[int]]:
    """Ask for so many streams at once, and hold open those that are let in: the status of each."""
    statuses: list[int] = []
    whole = anyio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            if len(statuses) == count:
                whole.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(house.app, stream_scope(), anyio.sleep_forever, send)
        with anyio.fail_after(20):
            await whole.wait()
        yield statuses
        tasks.cancel_scope.cancel()


def stans(messages: list[dict[str, Any]]) -> list[str]:
    return [one["fields"]["11"] for one in messages]


class TestLive:
    """What crosses while somebody reads is shown at once, in order, from all nodes."""

    def test_only_what_crosses_from_now_on(self, house: SmallHouse) -> None:
        house.cross("switch", "acquirer", request("000001"))

        with reading(house) as reader:
            house.cross("switch", "acquirer", request("000002"), second=2)
            first = reader.take(1)
            house.cross("issuer-a", "network", request("000003"), second=3)
            second = reader.take(1)

        assert stans(first + second) == ["000002", "000003"]
        assert [one["node"] for one in first + second] == ["switch", "issuer-a"]

    def test_filters_count_and_remarks_are_events(self, house: SmallHouse) -> None:
        with reading(house, node="switch", direction="note") as reader:
            house.cross("switch", "acquirer", request("000002"))
            house.remark("switch", "acquirer", "0110 000001: late")

            assert [one["kind"] for one in reader.take(1)] == ["late"]

    def test_a_burst_beyond_a_page_is_whole(self, house: SmallHouse) -> None:
        count = 2 * PAGE + 7

        with reading(house, node="switch") as reader:
            for number in range(count):
                house.cross("switch", "acquirer", request(f"{number:06}"))
            found = stans(reader.take(count))

        assert found == [f"{number:06}" for number in range(count)]


class TestResuming:
    """`Last-Event-ID` goes on exactly behind the last event, however much crossed meanwhile."""

    def test_nothing_is_missed_and_nothing_comes_twice(self, house: SmallHouse) -> None:
        with reading(house) as reader:
            house.cross("switch", "acquirer", request("000001"), second=1)
            house.cross("issuer-a", "network", request("000002"), second=2)
            before = reader.take(2)
            last = reader.last
        for number in (3, 4):
            house.cross("switch", "acquirer", request(f"{number:06}"), second=number)

        with reading(house, last) as reader:
            house.cross("issuer-a", "network", request("000005"), second=5)
            after = reader.take(3)

        assert stans(before + after) == [f"{number:06}" for number in range(1, 6)]

    def test_from_the_beginning(self, house: SmallHouse) -> None:
        house.cross("switch", "acquirer", request("000001"))

        with reading(house, "") as reader:
            assert stans(reader.take(1)) == ["000001"]

    def test_a_place_that_a_node_has_forgotten_begins_anew(self, house: SmallHouse) -> None:
        house.cross("switch", "acquirer", request("000001"))

        with reading(house, "switch:900") as reader:
            house.cross("switch", "acquirer", request("000002"), second=1)

            assert stans(reader.take(2)) == ["000001", "000002"]

    @pytest.mark.parametrize("last", ["switch", "switch:x", "a:1,b"])
    def test_an_id_that_is_none(self, house: SmallHouse, last: str) -> None:
        with house.client() as client:
            assert client.get("/messages/stream", headers={"last-event-id": last}).status_code == 422


class TestLeaving:
    """A reader that goes away is forgotten; a reader too many is refused; a house that stops ends every stream."""

    def test_who_goes_away_is_forgotten(self, house: SmallHouse) -> None:
        with reading(house) as reader:
            house.cross("switch", "acquirer", request("000001"))
            reader.take(1)
            assert house.watch.streams == 1
        house.cross("switch", "acquirer", request("000002"))

        assert house.until(lambda: house.watch.streams == 0)

    def test_however_many_come_at_once_only_so_many_are_let_in(self, house: SmallHouse) -> None:
        with house.portal.wrap_async_context_manager(at_once(house, STREAMS_MAX + 8)) as statuses:
            assert sorted(statuses) == [200] * STREAMS_MAX + [503] * 8
            assert house.watch.streams == STREAMS_MAX
            with house.client() as client:
                refused = client.get("/messages/stream")

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert house.watch.streams == 0

    @pytest.mark.parametrize("breaks_at", ["http.response.start", "http.response.body"])
    def test_an_answer_that_cannot_be_sent_leaves_nothing_behind(self, house: SmallHouse, breaks_at: str) -> None:
        async def send(message: Any) -> None:
            if message["type"] == breaks_at:
                raise OSError

        async def ask() -> None:
            with pytest.raises(ClientDisconnect):
                await house.app(stream_scope(), anyio.sleep_forever, send)

        house.portal.call(ask)

        assert house.watch.streams == 0

    def test_who_gives_up_before_the_answer_leaves_nothing_behind(self, house: SmallHouse) -> None:
        asked = house.portal.start_task_soon(house.app, stream_scope(), anyio.sleep_forever, anyio.sleep_forever)
        assert house.until(lambda: house.watch.streams == 1)

        asked.cancel()

        assert house.until(lambda: house.watch.streams == 0)

    def test_a_refusal_leaves_nothing_behind(self, house: SmallHouse) -> None:
        with house.client() as client:
            refusals = [
                client.get("/messages/stream", params={"node": "nobody"}),
                client.get("/messages/stream", params={"nonsense": "1"}),
                client.get("/messages/stream", headers={"last-event-id": "switch"}),
            ]

        assert [answer.status_code for answer in refusals] == [404, 422, 422]
        assert house.watch.streams == 0

    def test_a_house_that_stops_ends_its_streams(self) -> None:
        with small_house() as opened:
            client = opened.client()
            answer = client.send(client.build_request("GET", "/messages/stream"), stream=True)
            lines = answer.iter_lines()
            assert next(lines) == ": the stream is open"

        assert list(lines) == [""]
        client.close()

    def test_a_call_that_is_under_way_ends_before_its_connections_are_closed(self, house: SmallHouse) -> None:
        begun, may_go_on = threading.Event(), threading.Event()

        def work(client: ControlClient) -> bool:
            begun.set()
            assert may_go_on.wait(20)
            # Only now is a connection opened: it must belong to somebody who closes it.
            return client.ready("switch")

        asked = house.portal.start_task_soon(house.house.ask, work)
        assert begun.wait(20)
        house.portal.call(house.house.close)
        may_go_on.set()

        assert asked.result(20)
        with pytest.raises(ControlError, match="the gateway is stopping"):
            house.portal.call(house.house.ask, work)

    def test_no_such_node(self, house: SmallHouse) -> None:
        with house.client() as client:
            assert client.get("/messages/stream", params={"node": "nobody"}).status_code == 404
