"""Network management beyond the session is answered by a host's managers, as errands beside its traffic."""

from __future__ import annotations

from iso import Message, decode, dialect, encode
from node.core.errands import ERRANDS_MAX
from node.core.events import Answered, Called, Connected, Received
from node.core.host import Host
from node.core.link import Arrival, LinkMachine, LinkProfile
from node.core.session import CUT_OVER
from node.core.steps import NOT_SENT, UNKNOWN
from node.core.turn import Turn
from tests.support.links import EPOCH

SPOKEN = dialect("ascii87")


class Bench:
    """A plain host with one link, of which it is no party's room."""

    def __init__(self, *, is_up: bool = True) -> None:
        self.host = Host([LinkMachine("peer", SPOKEN, LinkProfile(sign_on=False))])
        self.now = 0.0
        if is_up:
            self.do(Connected("peer", 1, dialled=True))

    def do(self, *events: Connected | Received | Called | Answered) -> Turn:
        turn = Turn(EPOCH)
        for event in events:
            self.host.handle(event, self.now, turn)
        self.host.expire(self.now, turn)
        return turn

    def told(self, code: str, stan: str = "000700", **fields: str) -> Turn:
        more = {int(name.removeprefix("de")): value for name, value in fields.items()}
        message = Message("0800", {7: "0314092653", 11: stan, 70: code, **more})
        return self.do(Received("peer", 1, encode(message, SPOKEN), True))

    async def ask_the_hsm(self, arrival: Arrival) -> Message:
        answer = await self.host.errands.ask("hsm", "question", 2.0)
        return arrival.message.reply("96" if answer is UNKNOWN else "00")


def codes(turn: Turn) -> list[str]:
    return [message.response_code for message in turn.sent("peer")]


class TestManagers:
    """DE 70 chooses who answers; what nobody answers is a format error."""

    def test_an_unknown_code_is_a_format_error(self) -> None:
        assert codes(Bench().told("999")) == ["30"]

    def test_a_manager_answers_when_its_question_is_answered(self) -> None:
        bench = Bench()
        bench.host.managers["101"] = bench.ask_the_hsm

        asking = bench.told("101")
        answering = bench.do(Answered(asking.asks[0].key, "answer"))

        assert (codes(asking), asking.asked("hsm"), codes(answering)) == ([], ["question"], ["00"])

    def test_a_question_without_an_answer_ends_all_the_same(self) -> None:
        bench = Bench()
        bench.host.managers["101"] = bench.ask_the_hsm
        bench.told("101")
        bench.now = 2.0

        assert bench.host.deadline() == 2.0
        assert codes(bench.do()) == ["96"]

    def test_a_peer_cannot_start_more_errands_than_there_may_be(self) -> None:
        bench = Bench()
        bench.host.managers["101"] = bench.ask_the_hsm

        answers = [codes(bench.told("101", f"{number:06}")) for number in range(ERRANDS_MAX + 1)]

        assert answers == [[]] * ERRANDS_MAX + [["91"]]


class TestCutOver:
    """A peer's cut-over moves the settlement date that its host knows, and is answered."""

    def test_the_date_is_kept_and_said_back(self) -> None:
        bench = Bench()

        turn = bench.told(CUT_OVER, de15="0315")

        assert [(answer.response_code, answer[15]) for answer in turn.sent("peer")] == [("00", "0315")]
        assert bench.host.settlement_dates == {"peer": "0315"}

    def test_one_that_names_no_date_is_answered_too(self) -> None:
        bench = Bench()

        assert codes(bench.told(CUT_OVER)) == ["00"]
        assert bench.host.settlement_dates == {}


class TestErrands:
    """An errand asks its own questions on a link and hears the answer, silence, or that nothing left."""

    def call(self, bench: Bench) -> Turn:
        return bench.do(
            Called("call", lambda: bench.host.errands.manage("peer", CUT_OVER, {15: "0315"}, timeout_s=5.0))
        )

    def test_the_answer_is_its_own(self) -> None:
        bench = Bench()
        asked = self.call(bench).sends[0]

        turn = bench.do(Received("peer", 1, encode(asked.message.reply("00"), SPOKEN), True))

        assert [(key, value.response_code) for key, value in turn.outs] == [("call", "00")]
        assert decode(asked.payload, SPOKEN)[15] == "0315"

    def test_silence_is_unknown(self) -> None:
        bench = Bench()
        self.call(bench)
        bench.now = 5.0

        assert bench.do().outs == [("call", UNKNOWN)]

    def test_without_a_connection_nothing_is_sent(self) -> None:
        assert self.call(Bench(is_up=False)).outs == [("call", NOT_SENT)]

    def test_what_the_dialect_cannot_say_is_not_sent(self) -> None:
        bench = Bench()

        turn = bench.do(Called("call", lambda: bench.host.errands.manage("peer", CUT_OVER, {15: "no date"}, 5.0)))

        assert turn.outs == [("call", NOT_SENT)]
        assert [kind for _, kind, _ in turn.notes] == ["unencodable"]
