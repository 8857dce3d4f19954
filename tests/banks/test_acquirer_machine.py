"""An acquirer against a naive model: any order of payments, captures, refunds, reversals, copies and restarts."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from banks.core.fees import SHIPPED, FeePlans, reserve
from iso import Message
from tests.support.acquirer import SHOP, MoneyBench, adding_to, capture_of, refund_of, undoing
from tests.support.banks import at_acquirer

FEES = FeePlans(SHIPPED)
AMOUNTS = st.sampled_from([1, 33, 700, 1_000, 2_100, 4_200, 5_000])
OUTCOMES = st.sampled_from(["00", "00", "00", "10", "51", "silence", "not sent"])


def about(left: int) -> st.SearchStrategy[int]:
    """Draw amounts, preferably those at the edge of what is left."""
    return st.sampled_from([max(left - 1, 1), max(left, 1), left + 1]) | AMOUNTS


@dataclass
class Sent:
    """One message of the gateway, and what of it stands."""

    message: Message
    kind: str
    payment: Payment
    remains: int = 0
    stands: bool = False
    is_final: bool = False
    code: str = ""


@dataclass
class Payment:
    """One payment as a bookkeeper would note it."""

    sent: list[Sent] = field(default_factory=list)

    def of(self, *kinds: str) -> int:
        """What stands of some kinds of messages."""
        return sum(sent.remains for sent in self.sent if sent.stands and sent.kind in kinds)

    @property
    def captured(self) -> int:
        """Captures and sales."""
        return self.of("capture", "sale")

    @property
    def first(self) -> Sent:
        """The request that began it."""
        return self.sent[0]

    @property
    def is_final(self) -> bool:
        """Whether no capture may follow."""
        return any(sent.stands and (sent.is_final or sent.kind == "sale") for sent in self.sent)


class AcquirerMachine(RuleBasedStateMachine):
    """Every message is sent to the real host and noted in the model; after each step their books are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = MoneyBench()
        self.payments: list[Payment] = []
        self.stans = 0

    def stan(self) -> str:
        self.stans += 1
        return f"{self.stans:06d}"

    def sends(self, message: Message, outcome: str) -> str:
        """Send what is passed on; return the code that the gateway gets."""
        asked_before = len([sent for sent in self.bench.sent.get("network", []) if sent.mti == message.mti])
        answers = self.bench.gateway_says(message)
        asked = [sent for sent in self.bench.sent.get("network", []) if sent.mti == message.mti]
        if not answers and len(asked) > asked_before:
            answers_before = len(self.bench.sent.get("gateway", []))
            if outcome == "silence":
                self.bench.pass_time(15.0)
            elif outcome == "not sent":
                self.bench.cut("network")
                self.bench.connect("network")
            else:
                extra = {"de4": f"{message.amount_minor // 2 or 1:012d}"} if outcome == "10" else {}
                self.bench.network_answers(outcome, to=asked[-1], **extra)
            answers = self.bench.sent["gateway"][answers_before:]
        (answer,) = answers
        return answer.response_code

    def notes(self, sent: Sent, outcome: str, refused: str = "") -> None:
        """Note a request that is passed on, and check its answer."""
        sent.code = self.sends(sent.message, outcome)
        sent.payment.sent.append(sent)
        expected = refused or ("91" if outcome in ("silence", "not sent") else outcome)
        assert sent.code == expected, (sent.kind, sent.code, expected)
        if not refused and outcome in ("00", "10"):
            sent.stands = True
            sent.remains = sent.message.amount_minor if outcome == "00" else sent.message.amount_minor // 2 or 1

    @initialize()
    def has_been_paid(self) -> None:
        """Begin where something can follow."""
        self.pays(4_200, single=False, outcome="00")

    @precondition(lambda self: len(self.payments) < 3)
    @rule(amount=AMOUNTS, single=st.booleans(), outcome=OUTCOMES)
    def pays(self, amount: int, single: bool, outcome: str) -> None:
        """Begin a payment."""
        payment = Payment()
        request = at_acquirer(self.stan(), de4=f"{amount:012d}").with_fields({}, mti="0200" if single else "0100")
        self.payments.append(payment)
        self.notes(Sent(request, "sale" if single else "hold", payment), outcome)

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), amount=AMOUNTS, outcome=OUTCOMES)
    def increments(self, data: st.DataObject, amount: int, outcome: str) -> None:
        """Add to a payment."""
        payment = data.draw(st.sampled_from(self.payments))
        first = payment.first
        may = first.stands and first.kind == "hold" and not payment.is_final
        message = adding_to(first.message, self.stan(), amount).with_fields({}, mti="0100")
        self.notes(Sent(message, "hold", payment), outcome, "" if may else "25")

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), more=st.booleans())
    def captures(self, data: st.DataObject, more: bool) -> None:
        """Capture a payment, or a part of it."""
        payment = data.draw(st.sampled_from(self.payments))
        first = payment.first
        amount = data.draw(about(payment.of("hold", "sale") - payment.captured))
        sent = Sent(capture_of(first.message, self.stan(), amount, more=more), "capture", payment)
        (answer,) = self.bench.gateway_says(sent.message)
        sent.code = answer.response_code
        if not first.stands:
            expected = "25"
        elif payment.is_final or payment.captured + amount > payment.of("hold", "sale"):
            expected = "64"
        else:
            expected, sent.stands, sent.remains, sent.is_final = "00", True, amount, not more
        payment.sent.append(sent)
        assert sent.code == expected

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), outcome=OUTCOMES.filter(lambda outcome: outcome != "10"))
    def refunds(self, data: st.DataObject, outcome: str) -> None:
        """Refund a payment, or a part of it."""
        payment = data.draw(st.sampled_from(self.payments))
        left = payment.captured - payment.of("refund")
        amount = data.draw(about(left))
        sent = Sent(refund_of(payment.first.message, self.stan(), amount), "refund", payment)
        self.notes(sent, outcome, "64" if amount > left else "")

    @precondition(lambda self: self.payments)
    @rule(data=st.data(), remains=st.none() | AMOUNTS)
    def reverses(self, data: st.DataObject, remains: int | None) -> None:
        """Undo any earlier message, or a part of it."""
        payment = data.draw(st.sampled_from(self.payments))
        standing = [sent for sent in payment.sent if sent.stands]
        sent = data.draw(st.sampled_from(standing or payment.sent) | st.sampled_from(payment.sent))
        answer = self.bench.told(undoing(sent.message, self.stan(), remains))
        assert answer.response_code == self._reversed(payment, sent, remains or 0)

    def _reversed(self, payment: Payment, sent: Sent, left: int) -> str:
        if not sent.stands or (left and left >= sent.remains):
            return "00"
        undone = sent.remains - left
        if sent.kind in ("capture", "sale") and payment.captured - undone < payment.of("refund"):
            return "21"
        if sent.kind == "hold" and payment.of("hold") - undone < payment.captured:
            return "21"
        sent.remains, sent.stands = left, bool(left)
        return "00"

    @precondition(lambda self: any(payment.sent for payment in self.payments))
    @rule(data=st.data())
    def repeats(self, data: st.DataObject) -> None:
        """Send any earlier message once more: nothing happens, and what was undone is never approved again."""
        payment = data.draw(st.sampled_from(self.payments))
        sent = data.draw(st.sampled_from(payment.sent))
        answer = self.bench.told(sent.message.as_repeat())
        undone = sent.code in ("00", "10") and not sent.stands
        assert answer.response_code == (("21" if sent.kind == "capture" else "91") if undone else sent.code)

    @rule()
    def restarts(self) -> None:
        """Kill the node."""
        self.bench.restart()

    @invariant()
    def the_books_are_those_of_the_model(self) -> None:
        """Balances follow from what stands; nothing is lost or made."""
        pending = kept = network = 0
        fees = [0, 0, 0]
        for payment in self.payments:
            for sent in payment.sent:
                if not sent.stands or sent.kind == "hold":
                    continue
                amount = sent.remains
                if sent.kind == "refund":
                    pending, network = pending - amount, network + amount
                    continue
                parts = FEES.of(SHOP.fee_plan, "840", amount)
                back = reserve(amount, SHOP.reserve_bp)
                pending += amount - parts.total_minor - back
                kept, network = kept + back, network - amount
                fees = [total + part for total, part in zip(fees, parts, strict=True)]
        bench = self.bench
        assert bench.pending == pending
        assert bench.balance("network") == network
        assert bench.balance(f"merchant/{SHOP.identifier}/reserve") == kept
        assert [bench.balance(f"fees/{part}") for part in ("interchange", "scheme", "acquirer")] == fees
        assert not any(bench.host.books.ledger.totals().values())

    def teardown(self) -> None:
        """Audit what is on disk, and what the batches say."""
        assert self.bench.audit() == []
        rows = self.bench.rows("batches")
        net = sum(row["debits_minor"] - row["credit_reversals_minor"] for row in rows)
        net -= sum(row["credits_minor"] - row["debit_reversals_minor"] for row in rows)
        assert net == -self.bench.balance("network")
        cleared = [row for row in self.bench.rows("clearings") if row["state"] == "open"]
        standing = [
            sent.remains for payment in self.payments for sent in payment.sent if sent.stands and sent.kind != "hold"
        ]
        assert sorted(row["amount_minor"] for row in cleared) == sorted(standing)


TestAcquirerMachine = AcquirerMachine.TestCase
TestAcquirerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
