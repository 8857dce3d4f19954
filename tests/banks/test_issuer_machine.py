"""An issuer against a naive model: any messages of a few payments, in any order, with repeats, late originals and time.

The model keeps a list of dictionaries per payment and adds up; it knows what each message means and no code.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from banks.issuer.books import DUAL, SINGLE, IssuerRules
from banks.issuer.presenting import REFUND, Presented
from banks.ledger import AccountRow, EntryRow, HoldRow, verify
from iso import Message
from tests.support.banks import a_card, advice_at_issuer, at_issuer
from tests.support.issuer_life import LifeBench, amount, completion, increment, refund, taken_back

DAY = 1.0
HOLD_DAYS, COMPLETED_DAYS = 7, 30
PAYMENTS = st.integers(0, 2)
AMOUNTS = st.sampled_from((1_000, 2_500, 4_000))


class Payment:
    """What the model knows of one payment: messages that may never have been sent, and what each has come to."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.amount = 4_000
        self.root = at_issuer(f"{number:06d}", de4=amount(self.amount), de37=f"60730900000{number}")
        self.holds: list[dict[str, Any]] = []
        self.captures: list[dict[str, Any]] = []
        self.refunds: list[dict[str, Any]] = []
        self.messages: dict[str, Message] = {}
        self.kinds: dict[str, str] = {}
        self.undone: dict[str, int] = {}
        self.seen: set[str] = set()
        self.dead: set[str] = set()
        """Messages that are declined if they come: their reversal, advice or completion was first."""
        self.was_undone_unseen = False

    @property
    def authorised(self) -> int:
        return sum(hold["left"] for hold in self.holds)

    @property
    def completed(self) -> int:
        return sum(capture["left"] for capture in self.captures if capture["stands"])

    @property
    def is_final(self) -> bool:
        return any(capture["stands"] and capture["final"] for capture in self.captures)

    @property
    def is_reversed(self) -> bool:
        gone = any(hold["left"] == 0 for hold in self.holds)
        return (gone or self.was_undone_unseen) and self.authorised == 0

    def held(self, day: float) -> int:
        """Return what its authorisations and completions hold."""
        total, taken = 0, self.completed
        for hold in self.holds:
            used = min(hold["left"], taken)
            taken -= used
            if not self.is_final and hold["until"] > day:
                total += hold["left"] - used
        for capture in self.captures:
            if not capture["posted"] and capture["until"] > day:
                total += capture["left"]
        return total

    @property
    def posted(self) -> int:
        return sum(one["left"] for one in self.captures if one["posted"])

    @property
    def credited(self) -> int:
        return sum(one["left"] for one in self.refunds if one["posted"])

    def owed(self, day: float) -> int:
        return sum(one["left"] for one in self.refunds if not one["posted"] and one["until"] > day)

    def outrun(self) -> None:
        """Take notice that something which follows from the authorisation was there before it."""
        if "root" not in self.seen and self.part("root") is None:
            self.dead.add("root")

    def part(self, name: str) -> dict[str, Any] | None:
        """Return what a message has done, if it has."""
        return next((one for one in (*self.holds, *self.captures, *self.refunds) if name in one["names"]), None)


class IssuerMachine(RuleBasedStateMachine):
    """Whatever comes, balances, holds and answers are those of the model, and the books pass their audit."""

    messages = DUAL

    def __init__(self) -> None:
        super().__init__()
        self.payments: list[Payment] = []
        self.day = 0.0
        self.answers: list[tuple[Message, Message, Payment, str]] = []
        self.stan = 100
        self.arns = 0

    @initialize(balance=st.sampled_from((3_000, 9_000, 50_000)), settled_max=st.sampled_from((1, 1_000)))
    def open(self, balance: int, settled_max: int) -> None:
        rules = IssuerRules(
            messages=self.messages, settled_max=settled_max, completed_days=COMPLETED_DAYS, hold_s=HOLD_DAYS * 86_400
        )
        self.balance = balance
        self.bench = LifeBench(a_card(balance_minor=balance), rules=rules)
        self.payments = [Payment(number) for number in range(1, 4)]
        for payment in self.payments:
            payment.messages["root"] = payment.root
            payment.kinds["root"] = "hold"

    # What the model says

    @property
    def held(self) -> int:
        return sum(payment.held(self.day) for payment in self.payments)

    @property
    def posted(self) -> int:
        return self.balance + sum(payment.credited - payment.posted for payment in self.payments)

    @property
    def available(self) -> int:
        return self.posted - self.held

    @property
    def is_single(self) -> bool:
        return self.messages == SINGLE

    def next_stan(self) -> str:
        self.stan += 1
        return f"{self.stan:06d}"

    def send(self, payment: Payment, name: str, message: Message) -> str:
        answer = self.bench.ask(message)
        self.answers.append((message, answer, payment, name))
        return answer.response_code

    # What is asked

    @rule(which=PAYMENTS)
    def authorise(self, which: int) -> None:
        payment = self.payments[which]
        if "root" not in payment.seen:
            self.request_hold(payment, "root", payment.root, payment.amount)

    @rule(which=PAYMENTS, more=AMOUNTS, is_sent=st.booleans())
    def add(self, which: int, more: int, is_sent: bool) -> None:
        payment, stan = self.payments[which], self.next_stan()
        self.make(payment, f"more {stan}", "hold", increment(payment.root, more, stan), is_sent=is_sent)

    def make(self, payment: Payment, name: str, kind: str, message: Message, *, is_sent: bool) -> None:
        """Make a message; what is not sent at once may come later, or never, and be reversed meanwhile."""
        payment.messages[name], payment.kinds[name] = message, kind
        if is_sent:
            self.deliver(payment, name)

    @rule(which=PAYMENTS, choice=st.integers(0, 99))
    def come_late(self, which: int, choice: int) -> None:
        payment = self.payments[which]
        unseen = sorted(set(payment.messages) - payment.seen)
        if unseen:
            self.deliver(payment, unseen[choice % len(unseen)])

    def deliver(self, payment: Payment, name: str) -> None:
        message, kind = payment.messages[name], payment.kinds[name]
        if kind == "capture":
            self.deliver_capture(payment, name, message)
        elif kind == "refund":
            self.deliver_refund(payment, name, message)
        elif name == "root" or name in payment.dead:
            self.request_hold(payment, name, message, message.amount_minor)
        elif payment.undone.get("root") == 0 or payment.is_reversed or payment.is_final:
            payment.seen.add(name)
            assert self.send(payment, name, message) == "25"
        elif self.request_hold(payment, name, message, message.amount_minor):
            payment.outrun()

    def request_hold(self, payment: Payment, name: str, message: Message, wanted: int) -> bool:
        expected = "21" if name in payment.dead else "00" if wanted <= self.available else "51"
        payment.seen.add(name)
        assert self.send(payment, name, message) == expected
        if expected == "00":
            payment.holds.append({"names": {name}, "left": wanted, "until": self.day + HOLD_DAYS})
        return expected == "00"

    # What is told

    @rule(which=PAYMENTS)
    def advise(self, which: int) -> None:
        payment = self.payments[which]
        if "advice" in payment.seen:
            return
        payment.seen.add("advice")
        assert self.send(payment, "advice", advice_at_issuer(payment.root, stan=self.next_stan())) == "00"
        known, left = payment.part("root"), payment.undone.get("root")
        if left == 0:
            return
        if known is None:
            payment.dead.add("root")
            promised = min(payment.amount, payment.amount if left is None else left)
            payment.holds.append({"names": {"root"}, "left": promised, "until": self.day + HOLD_DAYS})

    @rule(which=PAYMENTS, taken=AMOUNTS, number=st.integers(1, 3), is_final=st.booleans(), is_sent=st.booleans())
    def complete(self, which: int, taken: int, number: int, is_final: bool, is_sent: bool) -> None:
        payment, stan = self.payments[which], self.next_stan()
        message = completion(payment.root, taken, f"{number:02d}{'F' if is_final else 'P'}", stan)
        self.make(payment, f"capture {stan}", "capture", message, is_sent=is_sent)

    def deliver_capture(self, payment: Payment, name: str, message: Message) -> None:
        payment.seen.add(name)
        taken, (number, final) = message.amount_minor, (int(message[48][5:7]), message[48].endswith("F"))
        same = [one for one in payment.captures if one["stands"] and one["number"] == number]
        left = payment.undone.get(name)
        alone = next((one for one in same if one["is_alone"]), None)
        if alone is not None:
            assert self.send(payment, name, message) == "00"
            alone.update(
                names={name}, is_alone=False, final=final, left=min(alone["left"], 7 if left is None else left)
            )
            alone["stands"] = alone["left"] > 0
            return
        expected = "00" if left == 0 else self.completion_code(payment, taken, same)
        assert self.send(payment, name, message) == expected
        if expected != "00" or same or left == 0:
            return
        payment.outrun()
        whole = taken if left is None else min(taken, left)
        capture = {"names": {name}, "left": whole, "whole": whole, "number": number, "final": final}
        until = self.day + COMPLETED_DAYS
        payment.captures.append({**capture, "stands": True, "until": until, "posted": self.is_single, "arn": ""})
        payment.captures[-1]["is_alone"] = False

    def completion_code(self, payment: Payment, taken: int, same: list[dict[str, Any]]) -> str:
        if payment.is_reversed:
            return "25"
        if same:
            return "00" if same[0]["whole"] == taken else "94"
        told = sum(one["left"] for one in payment.captures if one["stands"] and not one["is_alone"])
        if payment.authorised and told + taken > payment.authorised:
            return "64"
        return "00"

    @rule(which=PAYMENTS, given=AMOUNTS, is_sent=st.booleans())
    def give_back(self, which: int, given: int, is_sent: bool) -> None:
        payment, stan = self.payments[which], self.next_stan()
        self.make(payment, f"refund {stan}", "refund", refund(payment.root, given, stan), is_sent=is_sent)

    def deliver_refund(self, payment: Payment, name: str, message: Message) -> None:
        payment.seen.add(name)
        expected = "21" if name in payment.dead else "00"
        assert self.send(payment, name, message) == expected
        if expected == "00":
            credit = {"names": {name}, "left": message.amount_minor, "until": self.day + COMPLETED_DAYS}
            payment.refunds.append({**credit, "posted": self.is_single, "arn": ""})

    @rule(which=PAYMENTS, choice=st.integers(0, 99), remains=st.sampled_from((0, 0, 500, 1_500)))
    def take_back(self, which: int, choice: int, remains: int) -> None:
        payment = self.payments[which]
        names = sorted(payment.messages)
        name = names[choice % len(names)]
        reversal = taken_back(payment.messages[name], remains, self.next_stan())
        assert self.send(payment, f"reversal {self.stan}", reversal) == "00"
        part = payment.part(name)
        payment.undone[name] = min(remains, payment.undone.get(name, remains))
        if part is not None:
            part["left"] = min(part["left"], remains)
            if not part["left"]:
                part["stands"] = False
        elif name not in payment.seen:
            payment.dead.add(name)
            if remains == 0 and payment.kinds[name] == "hold":
                payment.was_undone_unseen = True

    # What is presented

    @rule(which=PAYMENTS, number=st.integers(1, 3))
    def present_capture(self, which: int, number: int) -> None:
        payment = self.payments[which]
        standing = [one for one in payment.captures if one["number"] == number and one["stands"] and not one["arn"]]
        if not standing:
            return
        self.arns += 1
        outcome = self.bench.present(payment.root, standing[0]["left"], number, str(self.arns))
        is_late = standing[0]["until"] <= self.day
        expected = Presented.MATCHED if self.is_single else Presented.POSTED_LATE if is_late else Presented.POSTED
        assert outcome is expected
        standing[0].update(posted=True, arn=str(self.arns))
        assert self.bench.present(payment.root, standing[0]["left"], number, str(self.arns)) is expected

    @rule(which=PAYMENTS)
    def present_refund(self, which: int) -> None:
        payment = self.payments[which]
        standing = [one for one in payment.refunds if one["left"] and not one["arn"]]
        if standing:
            self.arns += 1
            first = standing[0]
            outcome = self.bench.present(payment.root, first["left"], 1, str(self.arns), REFUND)
            is_late = first["until"] <= self.day
            assert outcome is (
                Presented.MATCHED if self.is_single else Presented.POSTED_LATE if is_late else Presented.POSTED
            )
            first.update(posted=True, arn=str(self.arns))

    @rule(which=PAYMENTS, number=st.integers(1, 3))
    def present_something_else(self, which: int, number: int) -> None:
        self.arns += 1

        outcome = self.bench.present(self.payments[which].root, 7, number, str(self.arns), is_final=False)

        # Seven cents of an authorisation that is known may be presented before its completion.
        if outcome is Presented.POSTED_ALONE:
            payment = self.payments[which]
            assert payment.authorised >= payment.completed + 7
            payment.captures.append(
                {
                    "names": {f"arn {self.arns}"},
                    "is_alone": True,
                    "left": 7,
                    "whole": 7,
                    "until": self.day,
                    "posted": True,
                    "stands": True,
                    "number": number,
                    "final": False,
                    "arn": str(self.arns),
                }
            )
        else:
            assert not outcome.is_done

    # What happens to anybody

    @precondition(lambda self: self.answers)
    @rule(choice=st.integers(0, 99), is_marked=st.booleans())
    def repeat(self, choice: int, is_marked: bool) -> None:
        message, first, payment, name = self.answers[choice % len(self.answers)]

        again = self.bench.ask(message.as_repeat() if is_marked else message)

        part = payment.part(name)
        is_request = message.mti in ("0100", "0200")
        if is_request and first.response_code == "00" and part is not None and part["left"] == 0:
            assert again.response_code == "21"
        else:
            assert again == first

    @precondition(lambda self: self.answers)
    @rule(choice=st.integers(0, 99), more=AMOUNTS)
    def ask_for_more_under_the_same_key(self, choice: int, more: int) -> None:
        message = self.answers[choice % len(self.answers)][0]
        if message.mti in ("0100", "0200"):
            other = message.with_fields({4: amount(message.amount_minor + more)})

            assert self.bench.ask(other).response_code == "94"

    @rule(days=st.sampled_from((DAY, 3.0, 8.0, 31.0)))
    def pass_days(self, days: float) -> None:
        self.bench.advance(days)
        self.day += days

    @rule()
    def restart(self) -> None:
        self.bench.restart()

    # What always holds

    @invariant()
    def the_money_is_where_the_model_says(self) -> None:
        if not self.payments:
            return
        assert self.bench.money == (self.posted, self.held)
        assert self.bench.owed_minor == sum(payment.owed(self.day) for payment in self.payments)

    @invariant()
    def the_books_pass_their_audit(self) -> None:
        if not self.payments:
            return
        assert not any(self.bench.host.books.ledger.totals().values())
        rows = self.bench.journal.rows
        entries = [EntryRow(*row) for row in rows["entries"].values()]
        accounts = [AccountRow(*row) for row in rows["accounts"].values()]
        holds = [hold for hold in (HoldRow(*row) for row in rows["holds"].values()) if hold.state == "open"]
        assert verify(entries, accounts, holds) == []


class SingleIssuerMachine(IssuerMachine):
    """The same in the single-message profile."""

    messages = SINGLE


SETTINGS = settings(
    deadline=None, max_examples=60, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)
TestIssuerMachine = IssuerMachine.TestCase
TestIssuerMachine.settings = SETTINGS
TestSingleIssuerMachine = SingleIssuerMachine.TestCase
TestSingleIssuerMachine.settings = SETTINGS
pytestmark = pytest.mark.filterwarnings("error")
