"""Every fault on a link between two nodes, in both directions, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.stapled import StapledByteStream
from trio.testing import MockClock

from iso import Message, dialect, encode
from node.capture import Capture
from node.core.faults import Action, Fault
from node.core.link import LinkProfile
from node.core.steps import UNKNOWN, Silence
from node.link_faults import reset
from node.pipes import Pipes
from node.runtime import Runtime
from node.tls import TlsSettings
from tests.support.certificates import Authority
from tests.support.nodes import Answerer, PlainHost, answerer, asker, authorisation
from tests.support.time import let_pass

BOTH_WAYS = pytest.mark.parametrize("direction", ["in", "out"])
QUIET = LinkProfile(echo_idle_s=1e9)


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


class Xor:
    """A protector whose MAC is all bytes folded into one, eight times."""

    def mac(self, frame: bytes) -> bytes:
        folded = 0
        for byte in frame[:-8]:
            folded ^= byte
        return bytes((folded,)) * 8

    async def seal(self, frames: list[bytes]) -> list[bytes] | None:
        return [frame[:-8] + self.mac(frame) for frame in frames]

    async def verify(self, frames: list[bytes]) -> Sequence[int] | None:
        return [frame[-8:] == self.mac(frame) for frame in frames]


class WritingPipes(Pipes):
    """Remembers every write of the side that dialled, if it is not encrypted."""

    def __init__(self, tls: TlsSettings | None) -> None:
        super().__init__(tls)
        self.writes: list[bytes] = []

    async def dial(self, url: str, timeout_s: float = 5.0) -> anyio.abc.ByteStream:
        stream = await super().dial(url, timeout_s)
        if url.startswith("tls"):
            return stream
        return StapledByteStream(_Remembering(stream, self.writes), stream)


class _Remembering(anyio.abc.ByteSendStream):
    def __init__(self, stream: anyio.abc.ByteStream, writes: list[bytes]) -> None:
        self._stream = stream
        self._writes = writes

    async def send(self, item: bytes) -> None:
        self._writes.append(item)
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()


class Pair:
    """An asker and an answerer; a fault strikes requests on their way, before the wire or after it."""

    def __init__(self, here: Runtime, host: PlainHost, there: Runtime, other: Answerer, pipes: WritingPipes) -> None:
        self.here, self.host, self.there, self.other, self.pipes = here, host, there, other, pipes
        self.answers: dict[str, Message | Silence] = {}
        self.answered_after: dict[str, float] = {}

    def provoke(self, direction: str, action: Action, mti: str = "0100", **more: Any) -> None:
        """Let a fault strike between asker and answerer: "out" is at the sender of `mti`, "in" at its receiver."""
        at_asker = (direction == "out") == (mti[2] in "02")
        node, link = (self.here, "answerer") if at_asker else (self.there, "asker")
        node.faults.add(Fault(link, direction, mti, action, **more))  # type: ignore[arg-type]

    async def ask(self, *stans: int, timeout_s: float = 10.0) -> None:
        """Ask one after the other, without waiting for answers, and wait for all of them."""

        async def one(stan: str) -> None:
            began = anyio.current_time()
            self.answers[stan] = await self.here.call(
                lambda: self.host.desk.request("answerer", authorisation(stan), timeout_s)
            )
            self.answered_after[stan] = anyio.current_time() - began

        async with anyio.create_task_group() as tasks:
            for number in stans:
                tasks.start_soon(one, f"{number:06}")
                await anyio.wait_all_tasks_blocked()

    @property
    def seen(self) -> list[str]:
        """STANs in the order in which the answerer's handler saw them."""
        return [message.stan for message in self.other.seen]

    def notes(self, kind: str = "fault") -> list[str]:
        return [
            row["detail"] for node in (self.here, self.there) for row in node.trace.read() if row.get("kind") == kind
        ]


@asynccontextmanager
async def pair(
    speaks: str = "ascii87", address: str = "memory://answerer", tls: TlsSettings | None = None
) -> AsyncIterator[Pair]:
    pipes = WritingPipes(tls)
    protector = Xor() if dialect(speaks).mac else None
    there, other = answerer(pipes, address, speaks, QUIET, protector)
    here, host = asker(pipes, address, speaks, QUIET, protector)
    async with anyio.create_task_group() as tasks:
        for node in (there, here):
            await tasks.start(node.run)
        await let_pass(1)
        yield Pair(here, host, there, other, pipes)
        tasks.cancel_scope.cancel()
    assert not there.faults._held
    assert not here.faults._held


@pytest.mark.trio
@BOTH_WAYS
class TestTime:
    """A message comes later; the others go on, unless they are to wait behind it."""

    async def test_a_delayed_message_lets_the_others_pass(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "delay", delay_s=3.0, match='stan == "000001"')
            await two.ask(1, 2, 3)

        assert two.seen == ["000002", "000003", "000001"]
        assert two.answered_after["000001"] == pytest.approx(3.0)
        assert two.answered_after["000003"] == pytest.approx(0.0)
        assert two.notes() == [f"delay 3.000 s {direction}: 0100 000001"]

    async def test_in_order_the_others_wait_behind_it(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "delay", delay_s=3.0, in_order=True, match='stan == "000001"')
            await two.ask(1, 2, 3)

        assert two.seen == ["000001", "000002", "000003"]
        assert all(after == pytest.approx(3.0) for after in two.answered_after.values())

    async def test_a_late_answer_finds_that_its_asker_gave_up(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.there.faults.asker_waits_s = 5.0
            two.provoke(direction, "late", mti="0110")
            await two.ask(1, timeout_s=5.0)
            await let_pass(0.04)
            late_before = two.host.links["answerer"].counters["late"]
            await let_pass(0.02)
            late_after = two.host.links["answerer"].counters["late"]

        assert two.answers == {"000001": UNKNOWN}
        assert (late_before, late_after) == (0, 1)

    async def test_what_is_held_when_the_connection_ends_is_lost(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "delay", delay_s=30.0)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(two.ask, 1)
                await anyio.wait_all_tasks_blocked()
                two.here.links["answerer"].close(1)

        assert two.answers == {"000001": UNKNOWN}
        assert two.seen == []


@pytest.mark.trio
@BOTH_WAYS
class TestHowMany:
    """A message is lost, comes more than once, or not in its place."""

    async def test_dropped_it_is_unknown(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "drop")
            await two.ask(1, 2)

        assert two.answers["000001"] is UNKNOWN
        assert isinstance(two.answers["000002"], Message)
        assert two.seen == ["000002"]

    async def test_duplicated_it_comes_again(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "duplicate", copies=2)
            await two.ask(1)

        assert two.seen == ["000001"] * 3

    async def test_reordered_the_next_overtakes_it(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "reorder", behind=2)
            await two.ask(1, 2, 3, 4)

        assert two.seen == ["000002", "000003", "000001", "000004"]

    async def test_reordered_with_nothing_behind_it_comes_after_a_while(
        self, mock_clock: MockClock, direction: str
    ) -> None:
        async with pair() as two:
            two.provoke(direction, "reorder", delay_s=2.0)
            await two.ask(1)

        assert two.answered_after["000001"] == pytest.approx(2.0)

    async def test_coalesced_it_comes_with_the_next(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "coalesce")
            written = len(two.pipes.writes)
            await two.ask(1, 2, 3)

        assert two.seen == ["000001", "000002", "000003"]
        writes = two.pipes.writes[written:]
        assert len(writes) == (2 if direction == "out" else 3)


@pytest.mark.trio
@BOTH_WAYS
class TestContent:
    """A message is wrong: the MAC fits what a host got wrong, and not what a line did."""

    @pytest.mark.parametrize("speaks", ["ascii87", "net-bin87"])
    async def test_a_wrong_stan_in_a_response_matches_nothing(
        self, mock_clock: MockClock, direction: str, speaks: str
    ) -> None:
        async with pair(speaks) as two:
            two.provoke(direction, "wrong-stan", mti="0110", value="424242")
            await two.ask(1)

        assert two.answers == {"000001": UNKNOWN}
        assert two.host.links["answerer"].counters["late"] == 1
        assert two.host.links["answerer"].counters["bad_mac"] == 0
        assert any(note.startswith("0110 424242") for note in two.notes("late"))

    async def test_a_wrong_mti_in_a_response_matches_nothing(self, mock_clock: MockClock, direction: str) -> None:
        async with pair("net-bin87") as two:
            two.provoke(direction, "wrong-mti", mti="0110", value="0210")
            await two.ask(1)

        assert two.answers == {"000001": UNKNOWN}
        assert any(note.startswith("0210 000001") for note in two.notes("late"))

    async def test_a_wrong_mac_is_refused_and_counted(self, mock_clock: MockClock, direction: str) -> None:
        async with pair("net-bin87") as two:
            two.provoke(direction, "wrong-mac")
            await two.ask(1, 2)

        refused = two.answers["000001"]
        assert isinstance(refused, Message)
        assert refused.response_code == "63"
        assert isinstance(two.answers["000002"], Message)
        assert two.other.links["asker"].counters["bad_mac"] == 1

    @pytest.mark.parametrize("action", ["wrong-bitmap", "truncate"])
    async def test_what_cannot_be_read_is_refused_or_ends_the_connection(
        self, mock_clock: MockClock, direction: str, action: Action
    ) -> None:
        async with pair() as two:
            two.provoke(direction, action)
            await two.ask(1)
            await let_pass(1)
            await two.ask(2)

        first, second = two.answers["000001"], two.answers["000002"]
        assert first is UNKNOWN or (isinstance(first, Message) and first.response_code == "30")
        assert isinstance(second, Message)
        assert two.other.links["asker"].counters["rejected"] == 1
        assert two.seen == ["000002"]


@pytest.mark.trio
@BOTH_WAYS
class TestBytes:
    """The stream itself is wrong; afterwards the link comes back."""

    async def test_dribbled_bytes_become_the_same_message(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "dribble", delay_s=0.01)
            written = len(two.pipes.writes)
            await two.ask(1, 2)
            writes = two.pipes.writes[written:]

        assert two.seen == ["000001", "000002"]
        assert two.answered_after["000001"] > 1.0
        assert direction == "in" or len([data for data in writes if len(data) == 1]) > 100

    @pytest.mark.parametrize(
        ("action", "more"),
        [("garbage", {"value": "FF" * 40}), ("wrong-length", {"value": "+9000"}), ("garbage", {"value": "FFFF"})],
    )
    async def test_what_is_no_frame_ends_the_connection(
        self, mock_clock: MockClock, direction: str, action: Action, more: dict[str, Any]
    ) -> None:
        async with pair() as two:
            two.provoke(direction, action, **more)
            await two.ask(1)
            await let_pass(1)
            await two.ask(2)

        assert two.answers["000001"] is UNKNOWN
        assert isinstance(two.answers["000002"], Message)
        assert two.other.links["asker"].counters["rejected"] == 1

    async def test_a_length_too_great_swallows_the_next_message(self, mock_clock: MockClock, direction: str) -> None:
        async with pair() as two:
            two.provoke(direction, "wrong-length", value="+5")
            await two.ask(1, 2)
            await let_pass(1)
            await two.ask(3)

        assert two.answers["000001"] is UNKNOWN
        assert two.answers["000002"] is UNKNOWN
        assert two.seen == ["000003"]

    @pytest.mark.parametrize(("action", "more"), [("close", {}), ("close", {"keep": 20}), ("reset", {})])
    @pytest.mark.parametrize("address", ["memory://answerer", "tls+memory://answerer"])
    async def test_a_cut_ends_the_connection_and_the_next_one_carries_on(
        self, mock_clock: MockClock, direction: str, action: Action, more: dict[str, Any], address: str, tmp_path: Path
    ) -> None:
        tls = Authority(tmp_path).settings("answerer", server_name="answerer") if address.startswith("tls") else None
        async with pair(address=address, tls=tls) as two:
            two.provoke(direction, action, **more)
            await two.ask(1)
            await let_pass(2)
            await two.ask(2)

        assert isinstance(two.answers["000001"], Silence)
        assert isinstance(two.answers["000002"], Message)
        assert two.seen == ["000002"]


@pytest.mark.trio
class TestARealReset:
    """A reset is an RST, not a FIN: the peer reads an error, not an end."""

    async def test_on_tcp(self) -> None:
        pipes = Pipes()
        listener = await pipes.listen("tcp://127.0.0.1:0")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, reset)
            stream = await pipes.dial(listener.address)

            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()

            await stream.aclose()
            tasks.cancel_scope.cancel()
        await listener.aclose()


@pytest.mark.trio
class TestWhatIsKept:
    """Trace and capture hold what crossed, with a remark; nothing is readable that was masked before."""

    async def test_a_capture_holds_the_wrong_bytes_and_says_why(self, mock_clock: MockClock, tmp_path: Path) -> None:
        async with pair() as two:
            capture = Capture(tmp_path / "asker.pcapng", "asker", [("answerer", dialect("ascii87"))])
            two.here.links["answerer"].capture = capture
            two.here.links["answerer"].close(1)
            await let_pass(1)
            two.provoke("out", "wrong-length", value="+5")
            await two.ask(1)
            capture.close()

        kept = (tmp_path / "asker.pcapng").read_bytes()
        right = len(encode(authorisation(), dialect("ascii87")))
        assert b"wrong-length out: 0100 000001" in kept
        assert (right + 5).to_bytes(2, "big") + b"0100" in kept
        assert right.to_bytes(2, "big") + b"0100" not in kept
        assert b"9999000000004242" not in kept

    @pytest.mark.parametrize(
        "action", ["wrong-bitmap", "truncate", "garbage", "wrong-length", "dribble", "duplicate", "wrong-stan"]
    )
    @pytest.mark.parametrize("direction", ["in", "out"])
    async def test_no_card_number_is_in_the_trace(self, mock_clock: MockClock, direction: str, action: Action) -> None:
        async with pair() as two:
            two.provoke(direction, action)
            await two.ask(1)
            kept = str(two.here.trace.read()) + str(two.there.trace.read())

        assert f"{action} {direction}: 0100 000001" in kept
        assert "9999000000004242" not in kept
        assert "9999000000004242".encode("ascii").hex().upper() not in kept

    async def test_what_struck_is_in_the_trace_of_the_message(self, mock_clock: MockClock) -> None:
        async with pair() as two:
            two.provoke("out", "duplicate")
            await two.ask(1)
            rows = [(row["direction"], row.get("kind", row.get("mti"))) for row in two.here.trace.read()]

        first = rows.index(("note", "fault"))
        assert rows[first + 1 : first + 3] == [("out", "0100")] * 2


@pytest.mark.trio
class TestUnarmed:
    """A link without faults never comes here, and one whose faults are spent no longer does."""

    async def test_spent_and_let_go(self, mock_clock: MockClock) -> None:
        async with pair() as two:
            two.provoke("in", "truncate")
            two.provoke("out", "delay", delay_s=1.0)
            two.provoke("out", "reorder", delay_s=1.0)
            await two.ask(1)
            await let_pass(3)
            armed = two.here.faults.armed

        assert not armed
