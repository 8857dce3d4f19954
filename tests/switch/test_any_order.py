"""The switch under any events in any order: what its peers and its books may rely on at every moment.

The machine of this test plays everybody around the switch: two acquirers' terminals, an issuer that keeps books and
whose answers come, come late or never, an HSM that is silent at times, lines that break, restarts. An auditor looks at
every turn, and at the end at both sides' books.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iso import Message
from iso.original import OriginalData
from iso.stan import transmission_time
from node.core.saf import SafRules
from switch.core.breaker import BreakerRules
from switch.core.rules import SwitchRules
from switch.core.stand_in import StandInRule
from tests.support.switch import PIN_BLOCK, UNREADABLE, Bench, advice, bare_reversal, request, reversal
from tests.support.totals import naive_totals, stored_totals

ISSUER = "issuer-a"
LEG_S = 10.0
SEARCH_S = 2.0
SAF = SafRules(answer_timeout_s=5.0, backoff_first_s=1.0, backoff_max_s=8.0)
STAND_IN = StandInRule(("4",), floors={"840": 2_000}, count_max=4, amounts_max={"840": 5_000})
REST = "0" * 12 + "C00000000" * 2
OTHERWISE: list[dict[int, str | None]] = [{}, {48: None}, {48: UNREADABLE}, {52: PIN_BLOCK}]
"""What a copy may have that its first did not; most of it would be refused by itself."""


class Issuer:
    """An issuer's books: what is held, by the name of the request that is held for."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.undone: set[str] = set()
        self.taken: dict[str, str] = {}
        self.promised: list[str] = []

    def decide(self, message: Message, *, approves: bool) -> str:
        """Book a message once and return DE 39; its repeats get the same."""
        name = f"{message.mti[1:3]}/{message.stan}/{message.rrn}"
        if name not in self.taken:
            self.taken[name] = self._book(message, approves=approves)
        return self.taken[name]

    def _book(self, message: Message, *, approves: bool) -> str:
        kind, payment = message.mti[1:3], message.rrn
        if kind == "42":
            if 95 in message:
                left_minor = int(message[95][:12])
                assert left_minor < self.held.get(payment, left_minor + 1), f"{payment}: more is left than was held"
                if payment in self.held:
                    self.held[payment] = left_minor
            else:
                self.held.pop(payment, None)
                self.undone.add(payment)
            return "00"
        if kind in ("12", "22"):
            self.promised.append(payment)
            if payment not in self.undone:
                self.held.setdefault(payment, message.amount_minor)
            return "00"
        if not approves or payment in self.undone:
            return "51"
        self.held[payment] = message.amount_minor
        return "00"


class SwitchInAnyOrder(RuleBasedStateMachine):
    """Events in any order; `invariant`s hold after each, `teardown` heals everything and compares the books."""

    @initialize(
        stands_in=st.booleans(),
        breaks=st.booleans(),
        ended_max=st.sampled_from([1, 100]),
        is_bare=st.booleans(),
        ahead_s=st.sampled_from([0, 0, -7200, 7200]),
    )
    def start(self, stands_in: bool, breaks: bool, ended_max: int, is_bare: bool, ahead_s: int) -> None:
        """`is_bare`: reversals say no more than they must, so repeats keep DE 7; `ahead_s`: of acquirers' clocks."""
        rules = SwitchRules(
            ended_max=ended_max,
            stand_in=(STAND_IN,) if stands_in else (),
            breaker=BreakerRules(2 if breaks else 0, 60.0, 15.0),
        )
        self.bench = Bench(rules, SAF)
        self.is_bare, self.ahead = is_bare, timedelta(seconds=ahead_s)
        self.issuer = Issuer()
        self.sent: dict[str, Message] = {}
        self.asked: dict[tuple[str, str], float] = {}
        self.copies: dict[tuple[str, str], int] = {}
        self.answers: dict[tuple[str, str], list[str]] = {}
        self.left: dict[str, int] = {}
        self.undoes: dict[str, str] = {}
        self.undone: set[str] = set()
        self.at_issuer: list[Message] = []
        self.forwarded: set[str] = set()
        self.seen_turns = 0
        self.number = 0
        self.is_up = True
        self.look()

    # What acquirers do.

    @rule(amount=st.integers(1, 2_500), mti=st.sampled_from(["0100", "0100", "0200"]))
    def buy(self, amount: int, mti: str) -> None:
        self.number += 1
        stan = f"{self.number:06}"
        message = Message(mti, request(stan, de4=f"{amount:012}", de7=self.time()).fields)
        self.sent[stan] = message
        self.left[stan] = amount
        self.give(message)

    @precondition(lambda self: self.is_up)
    @rule(amount=st.integers(1, 2_500))
    def buy_without_trouble(self, amount: int) -> None:
        self.buy(amount=amount, mti="0100")
        self.the_hsm_answers(code="00")
        for message in [message for message in self.at_issuer if message.stan == f"{self.number:06}"]:
            self.answer(message, approves=True)

    @rule(amount=st.integers(1, 2_500), mti=st.sampled_from(["0120", "0220"]))
    def advise(self, amount: int, mti: str) -> None:
        self.number += 1
        stan = f"{self.number:06}"
        message = advice(mti, stan, de4=f"{amount:012}", de7=self.time())
        self.sent[stan] = message
        self.left[stan] = amount
        self.give(message)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(list(self.sent.values())))
        self.give(message.as_repeat().with_fields({} if self.is_bare else {7: self.time()}))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), changes=st.sampled_from(OTHERWISE))
    def send_again(self, data: st.DataObject, changes: dict[int, str | None]) -> None:
        message = data.draw(st.sampled_from(list(self.sent.values())))
        self.give(message.with_fields(changes))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), mti=st.sampled_from(["0100", "0200", "0220"]))
    def follow_up_with_what_cannot_be_read(self, data: st.DataObject, mti: str) -> None:
        original = data.draw(st.sampled_from(list(self.sent.values())))
        self.number += 1
        named = {"de2": None, "de37": original.rrn, "de90": OriginalData.of(original).to_de90()}
        message = request(f"7{self.number:05}", de7=self.time(), de48=UNREADABLE, **named)
        self.give(Message(mti, message.fields))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        original = data.draw(st.sampled_from(list(self.sent.values())))
        self.undo(original)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def reverse_the_same_stan_of_the_day_before(self, data: st.DataObject) -> None:
        today = data.draw(st.sampled_from(list(self.sent.values())))
        yesterday = request(today.stan, de7=self.time(timedelta(days=-1)), de13="0313", de37=f"607209{today.stan}")
        self.give(self.reversal_of(yesterday, f"6{today.stan[1:]}"))

    @rule()
    def reverse_what_has_not_come_yet(self) -> None:
        self.number += 1
        stan = f"{self.number:06}"
        message = request(stan, de4="000000000700", de7=self.time())
        self.sent[stan] = message
        self.left[stan] = 700
        self.undo(message)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), part=st.integers(1, 2_500))
    def reverse_a_part(self, data: st.DataObject, part: int) -> None:
        original = data.draw(st.sampled_from(list(self.sent.values())))
        self.number += 1
        stan = f"8{self.number:05}"
        self.give(self.reversal_of(original, stan, de95=f"{part:012}{REST}"))
        if self.answers.get(("4", stan), [""])[-1] == "00":
            self.left[original.stan] = min(self.left[original.stan], part)

    # What the others do.

    @rule(code=st.sampled_from(["00", "00", "00", "00", "V0"]))
    def the_hsm_answers(self, code: str) -> None:
        waiting, self.bench.waiting = self.bench.waiting, {}
        reopening = {key: asked for key, asked in waiting.items() if type(key).__name__ == "SafKey"}
        self.bench.waiting = {key: asked for key, asked in waiting.items() if key not in reopening}
        self.bench.open_card(code)
        self.bench.waiting |= reopening
        self.bench.open_card()
        self.look()

    @rule()
    def the_hsm_is_silent(self) -> None:
        self.bench.hsm_is_silent()
        self.look()

    @precondition(lambda self: self.is_up and self.at_issuer)
    @rule(data=st.data(), approves=st.booleans(), is_lost=st.booleans())
    def the_issuer_answers(self, data: st.DataObject, approves: bool, is_lost: bool) -> None:
        self.answer(data.draw(st.sampled_from(self.at_issuer)), approves=approves, is_lost=is_lost)

    @precondition(lambda self: self.at_issuer)
    @rule()
    def a_message_is_lost(self) -> None:
        self.at_issuer.pop(0)

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.5)):
            self.bench.pass_time(0.5)
            self.look()

    @precondition(lambda self: self.is_up)
    @rule()
    def the_line_breaks(self) -> None:
        self.is_up = False
        self.bench.cut(ISSUER)
        self.look()

    @precondition(lambda self: not self.is_up)
    @rule()
    def the_line_is_mended(self) -> None:
        self.is_up = True
        self.bench.connect(ISSUER)
        self.look()

    @rule()
    def the_switch_restarts(self) -> None:
        self.bench = self._restarted()
        self.seen_turns = 0
        self.asked.clear()
        self.look()

    # The auditor.

    @invariant()
    def every_request_is_answered_by_its_deadline(self) -> None:
        for key, at in getattr(self, "asked", {}).items():
            assert self.bench.now - at <= LEG_S + SEARCH_S, f"{key} has waited {self.bench.now - at:.1f} s"

    @invariant()
    def nobody_gets_more_answers_than_copies_came(self) -> None:
        for key, codes in getattr(self, "answers", {}).items():
            assert len(codes) <= self.copies[key], f"{key}: {codes}"

    @invariant()
    def an_approval_is_taken_back_by_nothing_but_a_reversal(self) -> None:
        for (mti_class, stan), codes in getattr(self, "answers", {}).items():
            if mti_class in "12" and "00" in codes:
                later = set(codes[codes.index("00") :])
                assert later <= {"00", "21"}, f"{stan}: {codes}"

    @invariant()
    def totals_are_the_sum_of_what_was_accepted(self) -> None:
        if hasattr(self, "bench"):
            assert stored_totals(self.bench.journal) == naive_totals(self.bench.journal)

    def teardown(self) -> None:
        """Heal, drain, and compare the books of both sides."""
        if not hasattr(self, "bench"):
            return
        self.is_up or self.the_line_is_mended()
        for _ in range(400):
            self.the_hsm_answers("00")
            for message in list(self.at_issuer):
                self.answer(message, approves=True)
            self.look()
            if not self.bench.machine.saf.entries and not self.bench.machine.book.legs.in_flight:
                break
            self.time_passes(2.0)
        assert not self.bench.machine.saf.entries, "something was never delivered"
        self._compare()

    def _compare(self) -> None:
        standing: dict[str, int] = {}
        promised = []
        for row in self.bench.journal.rows["legs"].values():
            state, stan = row[5], row[0].split("/")[1]
            if state in ("approved", "stood in", "advised"):
                assert stan not in self.undone, f"{stan}: its reversal was acknowledged, and nothing was undone"
                standing[f"607309{stan}"] = self.left[stan]
            if state in ("stood in", "advised"):
                promised.append(f"607309{stan}")
        assert self.issuer.held == standing
        assert len(self.issuer.promised) == len(set(self.issuer.promised)), "a promise was booked twice"
        assert set(promised) <= set(self.issuer.promised), "a promise never reached the issuer"
        dead = [row[0] for row in self.bench.journal.rows["saf"].values() if row[5] == "dead"]
        assert not dead

    # How.

    def time(self, later: timedelta = timedelta(0)) -> str:
        return transmission_time(self.bench.at + self.ahead + later)

    def reversal_of(self, original: Message, stan: str, **changes: str) -> Message:
        form = bare_reversal if self.is_bare else reversal
        return form(original, stan, de7=self.time(), **changes)

    def answer(self, message: Message, *, approves: bool, is_lost: bool = False) -> None:
        self.at_issuer.remove(message)
        code = self.issuer.decide(message, approves=approves)
        if not is_lost:
            self.bench.receive(ISSUER, message.reply(code, {38: "A00001"} if code == "00" else {}))
            self.look()

    def undo(self, original: Message) -> None:
        stan = f"9{original.stan[1:]}"
        self.undoes[stan] = original.stan
        self.give(self.reversal_of(original, stan))

    def give(self, message: Message) -> None:
        key = (message.mti_class, message.stan)
        self.copies[key] = self.copies.get(key, 0) + 1
        self.asked.setdefault(key, self.bench.now)
        self.bench.receive("acquirer", message)
        self.look()

    def look(self) -> None:
        """Take notice of what has left since the last look."""
        turns, self.seen_turns = self.bench.turns[self.seen_turns :], len(self.bench.turns)
        for turn in turns:
            for message in turn.sent("acquirer"):
                key = (message.mti_class, message.stan)
                self.asked.pop(key, None)
                self.answers.setdefault(key, []).append(message.response_code)
                is_approval = message.mti in ("0110", "0210") and message.response_code == "00"
                assert not (is_approval and message.stan in self.undone), f"{message.stan}: approved after its reversal"
                if message.mti == "0430" and message.stan in self.undoes and message.response_code == "00":
                    self.undone.add(self.undoes[message.stan])
            for message in turn.sent(ISSUER):
                if message.mti in ("0100", "0200"):
                    assert message.stan not in self.forwarded, f"{message.stan}: the issuer was asked twice"
                    self.forwarded.add(message.stan)
                self.at_issuer.append(message)

    def _restarted(self) -> Bench:
        self.at_issuer = []
        return self.bench.restart(("acquirer", ISSUER) if self.is_up else ("acquirer",))


SwitchInAnyOrder.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSwitchInAnyOrder = SwitchInAnyOrder.TestCase
