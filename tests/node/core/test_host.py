"""A host sorts events: requests to its handler, answers to whoever asked, and its own SAF's answers to the SAF."""

from __future__ import annotations

from typing import Any

import pytest

from iso import LocalProtocolError, Message, decode, dialect, encode
from node.core.conversations import ConversationHost
from node.core.events import (
    Answered,
    Called,
    Connected,
    Disconnected,
    Draining,
    Event,
    Malformed,
    NotWritten,
    Received,
)
from node.core.link import Arrival, LinkMachine, LinkProfile
from node.core.matching import key_of
from node.core.saf import SafEntry, SafMachine, SafRules
from node.core.steps import NOT_SENT, UNKNOWN
from node.core.turn import Turn
from tests.support.links import EPOCH, request

SPOKEN = dialect("ascii87")


class Bench:
    """A conversation host between "in", where requests come from, and "out", where they go on to."""

    def __init__(self, conversations_max: int = 100) -> None:
        profile = LinkProfile(sign_on=False)
        links = [LinkMachine(name, SPOKEN, profile) for name in ("in", "out")]
        self.host = ConversationHost(links, conversations_max=conversations_max)
        self.host.handler = self.forward
        self.outcomes: list[Any] = []
        self.now = 0.0
        self.do(Connected("in", 1, dialled=False), Connected("out", 1, dialled=True))

    async def forward(self, arrival: Arrival) -> Message | None:
        outcome = await self.host.desk.request("out", arrival.message.with_fields({11: "000777"}), 10.0)
        self.outcomes.append(outcome)
        return arrival.message.reply(outcome.response_code if isinstance(outcome, Message) else "91")

    def do(self, *events: Event) -> Turn:
        turn = Turn(EPOCH)
        for event in events:
            self.host.handle(event, self.now, turn)
        self.host.expire(self.now, turn)
        return turn

    def receive(self, link: str, message: Message) -> Turn:
        return self.do(Received(link, 1, encode(message, SPOKEN), authentic=True))

    def put_saf(self) -> Turn:
        message = Message("0420", request().with_fields({11: "000888"}).fields)
        turn = Turn(EPOCH)
        self.host.handle(
            Called("put", lambda: self._put(SafEntry("r1", "out", "card", message, "now"))), self.now, turn
        )
        return turn

    async def _put(self, entry: SafEntry) -> None:
        self.host.desk.put_saf(entry)


class TestConversations:
    """A request starts a conversation, its outcome resumes it, and its result is the response."""

    def test_an_answer_goes_back_where_the_request_came_from(self) -> None:
        bench = Bench()
        sent = bench.receive("in", request()).sent("out")[0]

        turn = bench.receive("out", sent.reply("51"))

        assert [(message.stan, message.response_code) for message in turn.sent("in")] == [("000001", "51")]

    def test_silence_is_unknown(self) -> None:
        bench = Bench()
        bench.receive("in", request())
        bench.now = 10.0

        turn = bench.do()

        assert bench.outcomes == [UNKNOWN]
        assert [message.response_code for message in turn.sent("in")] == ["91"]

    def test_a_lost_link_is_unknown(self) -> None:
        bench = Bench()
        bench.receive("in", request())

        bench.do(Disconnected("out", 1))

        assert bench.outcomes == [UNKNOWN]

    def test_a_link_that_is_down_sends_nothing(self) -> None:
        bench = Bench()
        bench.do(Disconnected("out", 1))

        bench.receive("in", request())

        assert bench.outcomes == [NOT_SENT]

    def test_what_was_not_written_was_not_sent(self) -> None:
        bench = Bench()
        key = bench.receive("in", request()).sends[0].key

        bench.do(NotWritten("out", key))
        bench.do(NotWritten("out", key))

        assert bench.outcomes == [NOT_SENT]

    def test_a_late_answer_starts_nothing(self) -> None:
        bench = Bench()
        sent = bench.receive("in", request()).sent("out")[0]
        bench.now = 10.0
        bench.do()

        turn = bench.receive("out", sent.reply("00"))

        assert turn.sends == []
        assert bench.outcomes == [UNKNOWN]

    def test_at_its_limit_the_host_refuses(self) -> None:
        bench = Bench(conversations_max=1)
        bench.receive("in", request("000001"))

        turn = bench.receive("in", request("000002"))

        assert [(message.stan, message.response_code) for message in turn.sent("in")] == [("000002", "91")]

    def test_a_broken_stream_closes_its_connection_only(self) -> None:
        bench = Bench()

        turn = bench.do(Malformed("in", 1, "00 ff"))

        assert turn.closes == [("in", 1)]
        assert bench.host.links["out"].is_up


class TestPorts:
    """A question to a port is answered by its key; silence is UNKNOWN; a call leaves its result with the turn."""

    def test_a_question_is_recorded_and_its_answer_is_the_result(self) -> None:
        bench = Bench()

        asked = bench.do(Called("call-1", lambda: bench.host.desk.ask("hsm", "question", 2.0)))
        turn = bench.do(Answered(asked.asks[0].key, "answer"))

        assert asked.asked("hsm") == ["question"]
        assert turn.outs == [("call-1", "answer")]

    def test_a_silent_port_is_unknown(self) -> None:
        bench = Bench()
        asked = bench.do(Called("call-1", lambda: bench.host.desk.ask("hsm", "question", 2.0)))

        turn = bench.do(Answered(asked.asks[0].key, None))

        assert turn.outs == [("call-1", UNKNOWN)]

    def test_a_port_that_never_answers_is_unknown_at_the_deadline(self) -> None:
        bench = Bench()
        asked = bench.do(Called("call-1", lambda: bench.host.desk.ask("hsm", "question", 2.0)))
        bench.now = 2.0

        turn = bench.do()
        late = bench.do(Answered(asked.asks[0].key, "answer"))

        assert turn.outs == [("call-1", UNKNOWN)]
        assert late.is_empty

    def test_what_the_dialect_cannot_express_is_an_error_of_the_caller(self) -> None:
        bench = Bench()
        caught: list[Exception] = []

        async def sends() -> None:
            try:
                await bench.host.desk.request("out", request(de49="far too long"), 10.0)
            except LocalProtocolError as error:
                caught.append(error)

        turn = bench.do(Called("call-1", sends))

        assert len(caught) == 1
        assert turn.sends == []


class TestStoreAndForward:
    """An entry is durable before it leaves, and its answers are nobody else's."""

    def test_an_entry_is_stored_and_sent_in_one_turn_because_rows_go_first(self) -> None:
        turn = Bench().put_saf()

        assert [row[5] for row in turn.stored("saf")] == ["waiting", "waiting"]
        assert [message.mti for message in turn.sent("out")] == ["0420"]

    def test_its_answer_ends_it_and_resumes_nobody(self) -> None:
        bench = Bench()
        sent = bench.put_saf().sent("out")[0]

        turn = bench.receive("out", sent.reply("00"))

        assert [row[5] for row in turn.stored("saf")] == ["done"]
        assert bench.outcomes == []

    def test_silence_brings_its_repeat(self) -> None:
        bench = Bench()
        bench.put_saf()
        bench.now = 10.0
        bench.do()
        bench.now = 12.0

        turn = bench.do()

        assert [message.mti for message in turn.sent("out")] == ["0421"]

    def test_a_lost_link_brings_its_repeat_when_it_is_back(self) -> None:
        bench = Bench()
        bench.put_saf()
        bench.do(Disconnected("out", 1))

        turn = bench.do(Connected("out", 2, dialled=True))

        assert [message.mti for message in turn.sent("out")] == ["0421"]

    def test_a_link_on_which_its_key_is_in_flight_counts_no_attempt(self) -> None:
        bench = Bench()
        taken = request().with_fields({11: "000888"})
        bench.host.links["out"].request(taken.with_fields({}, mti="0400"), 60.0, 0.0, Turn(EPOCH))
        bench.put_saf()

        bench.host.links["out"].forget(key_of(taken.with_fields({}, mti="0400"), with_terminal=False))
        bench.now = 2.0
        turn = bench.do()

        assert [message.mti for message in turn.sent("out")] == ["0420"]
        assert [row[6] for row in turn.stored("saf")] == [1]

    def test_what_the_dialect_can_never_express_ends_as_a_dead_letter(self) -> None:
        bench = Bench()
        entry = SafEntry("r1", "out", "card", Message("0420", {11: "000001", 49: "far too long"}), "now")
        bench.host.saf.rules = SafRules(backoff_max_s=1.0, attempts_max=3)
        bench.host.saf.put(entry, Turn(EPOCH))

        for _ in range(4):
            bench.do()
            bench.now += 2.0

        assert (entry.state, entry.attempts) == ("dead", 3)

    def test_an_entry_that_the_dialect_cannot_express_waits_visibly(self) -> None:
        bench = Bench()
        turn = Turn(EPOCH)
        entry = SafEntry("r1", "out", "card", Message("0420", {11: "000001", 49: "far too long"}), "now")

        async def put() -> None:
            bench.host.desk.put_saf(entry)

        bench.host.handle(Called("put", put), 0.0, turn)

        assert [note[1] for note in turn.notes] == ["unencodable"]
        assert turn.sends == []
        assert bench.host.deadline() is not None


class TestTurn:
    """A turn is plain lists that tests can compare."""

    def test_it_knows_when_it_decided_nothing(self) -> None:
        turn = Turn(EPOCH)

        assert turn.is_empty
        turn.note("in", "kind", "detail")
        assert not turn.is_empty

    def test_it_gives_back_what_was_recorded(self) -> None:
        turn = Turn(EPOCH)
        turn.store("saf", (1,))
        turn.store("saf", (2,))
        turn.ask("hsm", "key", "question", 2.0)
        turn.send("in", 1, b"", request())

        assert (turn.stored("saf"), turn.stored("other")) == ([(1,), (2,)], [])
        assert (turn.asked("hsm"), turn.sent("in"), turn.sent("out")) == (["question"], [request()], [])


@pytest.mark.parametrize("hook", ["on_request", "on_response"])
def test_a_host_that_takes_something_says_how(hook: str) -> None:
    """The plain host has no opinion about requests and answers."""
    from node.core.host import Host

    host = Host([LinkMachine("in", SPOKEN, LinkProfile(sign_on=False))])
    arguments = {"on_request": (None, 0.0, None), "on_response": ("in", None, UNKNOWN, 0.0, None)}

    with pytest.raises(AssertionError):
        getattr(host, hook)(*arguments[hook])


def test_what_leaves_can_be_read_by_the_peer() -> None:
    """A send carries the encoded bytes of the message that it shows."""
    bench = Bench()

    send = bench.receive("in", request()).sends[0]

    assert decode(send.payload, SPOKEN) == send.message


class TestLateAnswers:
    """A response that nobody waits for goes to the room's handler, which may do what any conversation may."""

    def late(self, bench: Bench) -> Turn:
        sent = bench.receive("in", request()).sent("out")[0]
        bench.now = 10.0
        bench.do()
        return bench.receive("out", sent.reply("00"))

    def test_without_a_handler_it_is_only_traced(self) -> None:
        turn = self.late(Bench())

        assert [kind for _, kind, _ in turn.notes] == ["late"]
        assert turn.sends == []

    def test_the_handler_is_told_why_it_is_late_and_may_ask(self) -> None:
        bench, seen = Bench(), list[Arrival]()

        async def undo(arrival: Arrival) -> None:
            seen.append(arrival)
            await bench.host.desk.request("out", arrival.message.with_fields({11: "000999"}, mti="0420"), 10.0)

        bench.host.late_handler = undo
        turn = self.late(bench)

        assert [arrival.remark for arrival in seen] == ["its deadline passed 0.000 s ago"]
        assert [(message.mti, message.stan) for message in turn.sent("out")] == [("0420", "000999")]

    def test_late_answers_cannot_start_more_conversations_than_there_may_be(self) -> None:
        bench = Bench()
        sent = bench.receive("in", request()).sent("out")[0]
        bench.now = 10.0
        bench.do()

        async def undo(arrival: Arrival) -> None:
            raise AssertionError("not called")

        bench.host.late_handler, bench.host.conversations_max = undo, 0

        assert bench.receive("out", sent.reply("00")).sends == []


class TestDraining:
    """A host that drains takes nothing new on any link, holds its SAF back, and says when it is quiet."""

    def test_it_is_quiet_once_every_conversation_has_ended(self) -> None:
        bench = Bench()
        sent = bench.receive("in", request()).sent("out")[0]
        bench.do(Draining())
        was_quiet = bench.host.is_quiet

        turn = bench.receive("out", sent.reply("00"))

        assert not was_quiet
        assert [message.response_code for message in turn.sent("in")] == ["00"]
        assert bench.host.is_quiet

    def test_a_new_request_is_refused(self) -> None:
        bench = Bench()
        bench.do(Draining())

        turn = bench.receive("in", request())

        assert [message.response_code for message in turn.sent("in")] == ["91"]
        assert turn.sent("out") == []

    def test_a_reversal_of_the_last_moment_is_stored_and_not_sent(self) -> None:
        bench = Bench()
        bench.do(Draining())

        turn = bench.put_saf()

        assert len(turn.stored("saf")) == 1
        assert turn.sends == []
        assert bench.host.saf.entries["r1"].attempts == 0

    def test_a_peer_that_signs_off_is_sent_nothing_until_it_signs_on_again(self) -> None:
        host = ConversationHost([LinkMachine("out", SPOKEN)])
        turn = Turn(EPOCH)
        message = Message("0420", request().fields)

        def manage(code: str) -> None:
            told = Message("0800", {7: "0314092653", 11: "000777", 70: code})
            host.handle(Received("out", 1, encode(told, SPOKEN), authentic=True), 0.0, turn)

        host.handle(Connected("out", 1, dialled=False), 0.0, turn)
        manage("001")
        manage("002")
        host.saf.put(SafEntry("r1", "out", "card", message, "now"), turn)
        host.expire(20.0, turn)
        before = turn.sent("out")[2:]
        manage("001")

        assert before == []
        assert turn.sent("out")[-1].mti == "0420"


class TestSafRules:
    """The rules that a room gives its host are those that it uses, also while nothing is stored yet."""

    def test_an_empty_saf_is_kept(self) -> None:
        saf = SafMachine(SafRules(attempts_max=3))

        assert ConversationHost([], saf).saf is saf
