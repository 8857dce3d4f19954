"""Defects of other tools that concern links, each as a test that ours does not have it.

One class per tool; the class docstring says what that tool does.
Source: shared facts, iso8583, "Defects of other tools".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteStream
from trio.testing import MockClock

from iso import Message, decode, dialect, encode, framing
from node.core.events import Connected, Received
from node.core.host import Host
from node.core.link import ArrivalKind, LinkMachine, LinkProfile
from node.core.saf import SafEntry, SafMachine, SafRules
from node.core.turn import Turn
from node.pipes import Pipes, closing
from tests.support.links import EPOCH, Wire, request
from tests.support.nodes import Answerer, answerer
from tests.support.time import let_pass

SPEAKS = dialect("ascii87")
FRAMING = framing(SPEAKS.framing)
PLAIN = LinkProfile(sign_on=False)


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


def linked(profile: LinkProfile = PLAIN) -> LinkMachine:
    """Return a link with one connection that carries traffic."""
    link = LinkMachine("peer", SPEAKS, profile)
    link.connected(Connected("peer", 1, dialled=True), 0.0, Turn(EPOCH))
    return link


def ask(link: LinkMachine, message: Message, now: float = 0.0, timeout_s: float = 10.0) -> object:
    return link.request(message, timeout_s, now, Turn(EPOCH))


def hear(link: LinkMachine, message: Message, now: float = 1.0) -> tuple[ArrivalKind, object, str]:
    arrival = link.received(Received("peer", 1, encode(message, SPEAKS), True), now, Turn(EPOCH))
    assert arrival is not None
    return arrival.kind, arrival.key, arrival.remark


class TestIso8583SimClient:
    """iso8583sim 1.6.0 matches by STAN alone and ignores the MTI: a late 0110 answers whoever uses its STAN next."""

    def test_the_late_answer_of_an_authorisation_is_not_that_of_its_reversal(self) -> None:
        link, original = linked(), request("000124")
        reversal = original.with_fields({90: "0" * 42}, mti="0400")
        ask(link, original)
        assert link.expire(10.0, Turn(EPOCH))
        reversal_key = ask(link, reversal, now=10.0)

        late = hear(link, original.reply("00"), now=11.0)
        answer = hear(link, reversal.reply("00"), now=12.0)

        assert (late[0], late[2]) == (ArrivalKind.LATE, "its deadline passed 1.000 s ago")
        assert answer[:2] == (ArrivalKind.RESPONSE, reversal_key)

    def test_a_reversal_with_the_stan_of_its_original_may_leave_while_that_is_in_flight(self) -> None:
        link, original = linked(), request("000124")
        reversal = original.with_fields({90: "0" * 42}, mti="0400")
        first = ask(link, original)

        second = ask(link, reversal)

        assert None not in (first, second)
        assert hear(link, reversal.reply("00"))[:2] == (ArrivalKind.RESPONSE, second)
        assert hear(link, original.reply("00"))[:2] == (ArrivalKind.RESPONSE, first)

    def test_a_stan_that_comes_round_again_finds_its_own_request(self) -> None:
        link = linked()
        first = ask(link, request("000124", de7="0314092653"))
        second = ask(link, request("000124", de7="0315092653"))

        assert hear(link, request("000124", de7="0315092653").reply("00"))[:2] == (ArrivalKind.RESPONSE, second)
        assert hear(link, request("000124", de7="0314092653").reply("00"))[:2] == (ArrivalKind.RESPONSE, first)


class TestMoovConnection:
    """moov-connection replaces the waiting reply channel if a STAN repeats: the first caller times out."""

    def test_a_key_that_is_in_flight_is_refused_and_its_first_owner_gets_the_answer(self) -> None:
        link = linked()
        first = ask(link, request("000124"))

        assert ask(link, request("000124")) is None
        assert hear(link, request("000124").reply("00"))[:2] == (ArrivalKind.RESPONSE, first)

    def test_a_key_that_is_free_again_has_a_deadline_of_its_own(self) -> None:
        link = linked()
        ask(link, request("000124"), now=0.0)
        hear(link, request("000124").reply("91"), now=1.0)

        again = ask(link, request("000124"), now=9.0)

        assert link.expire(10.0, Turn(EPOCH)) == []
        assert link.expire(19.0, Turn(EPOCH)) == [again]


class TestQmux:
    """A response whose key element is missing or changed is dropped without a word: the field's most-asked question."""

    def test_a_terminal_that_is_missing_in_the_response_does_not_matter_by_default(self) -> None:
        link = linked()
        key = ask(link, request())

        assert hear(link, request(de41=None).reply("00"))[:2] == (ArrivalKind.RESPONSE, key)

    def test_where_the_terminal_is_part_of_the_key_the_trace_names_it(self) -> None:
        link, turn = linked(PLAIN._replace(match_terminal=True)), Turn(EPOCH)
        ask(link, request())

        link.received(Received("peer", 1, encode(request(de41=None).reply("00"), SPEAKS), True), 1.0, turn)

        assert turn.notes == [
            (
                "peer",
                "late",
                "0110 000001: DE 41 is missing (TERM0001 expected); the nearest request (01xx 000001) is in flight",
            )
        ]

    def test_the_owner_gets_what_was_not_matched(self) -> None:
        link = linked()
        ask(link, request())

        kind, _, remark = hear(link, request(de32="654321").reply("00"))

        assert kind is ArrivalKind.LATE
        assert remark.startswith("DE 32 differs (654321, 123456 expected)")


class TestJposSaf:
    """jPOS-EE's SAF sends one message at a time, never makes a repeat of an unanswered one, and counts badly."""

    RULES = SafRules(
        answer_timeout_s=5.0, attempts_max=3, retry_codes=frozenset({"191"}), final_codes=frozenset({"00"})
    )

    def reversal(self, number: int) -> Message:
        return request(f"{number:06}").with_fields({90: "0" * 42}, mti="0420")

    def host(self, *links: str) -> Host:
        return Host([LinkMachine(name, SPEAKS, PLAIN) for name in links], SafMachine(self.RULES))

    def run(self, host: Host, seconds: int, answering: str = "", code: str = "00") -> list[tuple[str, str]]:
        """Open all links and let time pass; the link `answering` answers. Return (link, MTI) of everything sent."""
        sent, turn = [], Turn(EPOCH)
        for name in host.links:
            host.handle(Connected(name, 1, dialled=True), 0.0, turn)
        for tick in range(seconds * 2):
            host.expire(tick / 2, turn)
            sends, turn = turn.sends, Turn(EPOCH)
            for send in sends:
                sent.append((send.link, send.message.mti))
                if send.link == answering:
                    frame = encode(send.message.reply(code), SPEAKS)
                    host.handle(Received(send.link, 1, frame, True), tick / 2, turn)
        return sent

    def test_one_dead_destination_does_not_hold_up_the_others(self) -> None:
        host = self.host("dead", "alive")
        for number in range(1, 6):
            for link in ("dead", "alive"):
                entry = SafEntry(f"{link}{number}", link, f"card {number}", self.reversal(number), "now")
                host.saf.put(entry, Turn(EPOCH))

        sent = self.run(host, 2, answering="alive")

        assert sent.count(("alive", "0420")) == 5
        assert {entry.link for entry in host.saf.entries.values()} == {"dead"}

    def test_an_unanswered_reversal_becomes_a_repeat_and_is_counted(self) -> None:
        host = self.host("dead")
        host.saf.put(SafEntry("r1", "dead", "card", self.reversal(1), "now"), Turn(EPOCH))

        sent = self.run(host, 60)

        assert [mti for _, mti in sent] == ["0420", "0421", "0421"]
        assert len(host.saf) == 0

    def test_a_code_is_compared_whole(self) -> None:
        host = self.host("alive")
        host.saf.put(SafEntry("r1", "alive", "card", self.reversal(1), "now"), Turn(EPOCH))

        sent = self.run(host, 30, answering="alive", code="19")

        # "19" is a part of "191", which is to be sent again; it is not one of the codes.
        assert len(sent) == 1


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Answerer, ByteStream]]:
    """Run a node that approves, and dial it as bytes."""
    pipes = Pipes()
    node, host = answerer(pipes, profile=PLAIN)
    async with anyio.create_task_group() as tasks:
        await tasks.start(node.run)
        await anyio.wait_all_tasks_blocked()
        async with closing(await pipes.dial("memory://answerer")) as stream:
            yield host, stream
        tasks.cancel_scope.cancel()


async def answers_on(stream: ByteStream, count: int) -> list[str]:
    """Read `count` answers; return their STANs."""
    decoder, frames = FRAMING.decoder(), list[bytes]()
    while len(frames) < count:
        frames += decoder.feed(await stream.receive())
    return [decode(frame, SPEAKS).stan or "" for frame in frames]


STANS = [f"{number:06}" for number in range(1, 6)]
FRAMES = [FRAMING.encode(encode(request(stan), SPEAKS)) for stan in STANS]


@pytest.mark.trio
class TestLeonardowsr:
    """No re-assembly: two messages in one read, or one message in two, break the connection."""

    async def test_messages_that_come_in_one_read_are_all_answered(self, mock_clock: MockClock) -> None:
        async with listening() as (_, stream):
            await stream.send(b"".join(FRAMES))

            assert await answers_on(stream, 5) == STANS

    @pytest.mark.parametrize("cut", [1, 2, 3, 20, len(FRAMES[0]) - 1])
    async def test_a_message_that_is_cut_is_put_together(self, mock_clock: MockClock, cut: int) -> None:
        async with listening() as (host, stream):
            await stream.send(FRAMES[0][:cut])
            await let_pass(1)
            assert host.seen == []
            await stream.send(FRAMES[0][cut:])

            assert await answers_on(stream, 1) == STANS[:1]

    async def test_answers_that_come_together_reach_each_its_own_request(self, mock_clock: MockClock) -> None:
        wire = Wire(profile=PLAIN)
        wire.connect()
        turn = wire.dialler.turn()
        keys = [wire.dialler.link.request(request(stan), 10.0, 0.0, turn) for stan in STANS]

        payload = b"".join(FRAMING.encode(encode(request(stan).reply("00"), SPEAKS)) for stan in reversed(STANS))
        for frame in FRAMING.decoder().feed(payload):
            wire.receive(wire.dialler, frame)

        assert [arrival.key for arrival in wire.dialler.arrivals] == keys[::-1]


@pytest.mark.trio
class TestAdelbsAndBpc8583:
    """One reads byte by byte, the other expects each read to be one message."""

    async def test_a_peer_that_sends_byte_by_byte_is_understood(self, mock_clock: MockClock) -> None:
        async with listening() as (_, stream):
            for byte in b"".join(FRAMES):
                await stream.send(bytes((byte,)))

            assert await answers_on(stream, 5) == STANS

    async def test_a_message_longer_than_4096_bytes_is_read(self, mock_clock: MockClock) -> None:
        long = dict.fromkeys((48, 60, 61, 62, 63), "x" * 999)
        frame = FRAMING.encode(encode(request("000001").with_fields(long), SPEAKS))
        assert len(frame) > 4_096

        async with listening() as (_, stream):
            await stream.send(frame[:4_096])
            await let_pass(1)
            await stream.send(frame[4_096:])

            assert await answers_on(stream, 1) == ["000001"]
