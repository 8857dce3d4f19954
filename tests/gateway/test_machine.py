"""A shop does whatever it likes over real banks; a model of its payments says what must come of it.

The model knows amounts, states and promises, not code. What the shop is told is compared after every step, what the
banks have in their books after everything has arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.support.gateway import OTHER_SECRET_KEY
from tests.support.small_house import CURRENCIES, LOST_ANSWER, LOST_REQUEST, NO_LINK, REFUSED, SmallHouse, Spoken

PLAIN, POOR, FOREIGN = "4242424242424242", "4000000000009995", "5555555555554444"
ISSUERS = {PLAIN: "issuer-a", POOR: "issuer-a", FOREIGN: "issuer-b"}
AMOUNTS = st.sampled_from([50, 700, 1300, 2500])
SHARES = st.sampled_from([1, 25, 50, 99, 100, 101])
"""Per cent of what is there."""
COINS = {"kwd": 10}
"""What amounts of a currency are multiples of, if not of 1."""
MONEY = st.sampled_from(["usd", "usd", *CURRENCIES])
CARDS = st.sampled_from([PLAIN, POOR, FOREIGN])
MOSTLY = st.sampled_from([True, True, True, False])
SELDOM = st.sampled_from([False, False, False, True])
WAITS = ("requires_payment_method", "requires_confirmation")
STATES = (*WAITS, "processing", "requires_capture", "succeeded", "canceled")
ALLOWED = {
    "": WAITS,
    "cancel": (*WAITS, "requires_capture"),
    "capture": ("requires_capture",),
    "confirm": WAITS,
    "increment_authorization": ("requires_capture",),
}
"""Step to the states in which it may be taken; "" changes the amount."""
TAKES_AMOUNT = ("", "increment_authorization")


@dataclass
class Payment:
    """What must be true of one payment."""

    id: str
    card: str
    is_manual: bool
    amount: int
    currency: str = "usd"
    takes_less: bool = False
    """Whether an approval of a part is one."""
    status: str = "requires_confirmation"
    held: int = 0
    """Approved by the issuer and not let go; what was captured counts."""
    released: int = 0
    """Approved, and let go."""
    captures: list[int] = field(default_factory=list)
    refunds: dict[str, int] = field(default_factory=dict)
    charge: str = ""

    @property
    def received(self) -> int:
        return sum(self.captures)

    @property
    def refunded(self) -> int:
        return sum(self.refunds.values())

    def let_go(self, status: str) -> None:
        """End what is held and was not captured."""
        self.released += self.held - self.received
        self.held, self.status = self.received, status

    def share(self, whole: int, percent: int) -> int:
        """Return so much of an amount as the currency has coins for, and at least one coin."""
        coin = COINS.get(self.currency, 1)
        return max(coin, whole * percent // 100 // coin * coin)

    @property
    def capturable(self) -> int:
        return self.held - self.received if self.status == "requires_capture" else 0


def code_of(answer: Spoken) -> str:
    return str(answer.body["error"].get("code", ""))


def path_of(payment: Payment, step: str) -> str:
    return f"/v1/payment_intents/{payment.id}/{step}".rstrip("/")


def some(*states: str) -> Callable[[Any], Any]:
    """Let a rule count only while some payment is in one of these states."""
    return precondition(lambda machine: any(payment.status in states for payment in machine.known))


class Shopping(RuleBasedStateMachine):
    """Each rule is a request, or something that happens to the network."""

    @initialize()
    def open(self) -> None:
        self.house = SmallHouse()
        self.known: list[Payment] = []
        self.last: tuple[str, dict[str, Any], str, Spoken] | None = None
        self.is_hasty = False
        self.keys = 0
        self.days = 0

    def teardown(self) -> None:
        if hasattr(self, "house"):
            with self.house:
                self.arrive()

    # What the shop does.

    @rule(amount=AMOUNTS, money=MONEY, card=CARDS, is_manual=MOSTLY, is_confirmed=MOSTLY, takes_less=st.booleans())
    def order(self, amount: int, money: str, card: str, is_manual: bool, is_confirmed: bool, takes_less: bool) -> None:
        wishes = ["request_multicapture", "request_incremental_authorization"]
        options = dict.fromkeys([*wishes, *["request_partial_authorization"] * takes_less], "if_available")
        answer = self.post(
            "/v1/payment_intents",
            {
                "amount": amount,
                "currency": money,
                "capture_method": "manual" if is_manual else "automatic",
                "payment_method_options": {"card": options},
                "payment_method_data": self.typed(card),
            },
        )
        payment = Payment(answer.body["id"], card, is_manual, amount, money, takes_less)
        self.known.append(payment)
        self.agree(answer, payment)
        if is_confirmed:
            self.confirmed(payment, card, is_silent=False)

    @some(*WAITS)
    @rule(data=st.data(), card=CARDS, is_silent=SELDOM)
    def confirm(self, data: st.DataObject, card: str, is_silent: bool) -> None:
        self.confirmed(self.one(data, *WAITS), card, is_silent=is_silent)

    def confirmed(self, payment: Payment, card: str, *, is_silent: bool) -> None:
        # The issuer's books decide; what is on its way to them has to arrive before they are looked at.
        self.calm()
        payment.card = card
        is_silent = self.silence(payment, is_silent)
        there, sent = self.house.available(card, payment.currency), len(self.house.sent)
        pays = there >= payment.amount or (payment.takes_less and there > 0)

        answer = self.act(payment, "confirm", {"payment_method_data": self.typed(card)})

        assert [message.mti for message in self.house.sent[sent : sent + 1]] == ["0100"]
        if self.fate in (LOST_ANSWER, LOST_REQUEST):
            payment.status = "processing"
        elif self.fate == NO_LINK or is_silent or not pays:
            payment.status = "requires_payment_method"
            assert (answer.status, answer.body["error"]["type"]) == (402, "card_error")
            return
        else:
            payment.held = min(payment.amount, there)
            payment.status = "requires_capture" if payment.is_manual else "succeeded"
            payment.captures = [] if payment.is_manual else [payment.held]
        payment.charge = answer.body["latest_charge"]
        self.agree(answer, payment)

    @some("requires_capture")
    @rule(data=st.data(), share=SHARES, is_final=st.booleans())
    def capture(self, data: st.DataObject, share: int, is_final: bool) -> None:
        payment = self.one(data, "requires_capture")
        amount = payment.share(payment.capturable, share)

        answer = self.act(payment, "capture", {"amount_to_capture": amount, "final_capture": is_final})

        if amount > payment.capturable:
            assert (answer.status, code_of(answer)) == (400, "amount_too_large")
            return
        payment.captures.append(amount)
        if is_final:
            payment.let_go("succeeded")
        self.agree(answer, payment)

    @some("requires_capture")
    @rule(data=st.data())
    def capture_the_rest(self, data: st.DataObject) -> None:
        payment = self.one(data, "requires_capture")

        answer = self.act(payment, "capture", {})

        if payment.capturable:
            payment.captures.append(payment.capturable)
        payment.let_go("succeeded")
        self.agree(answer, payment)

    @some("requires_capture")
    @rule(data=st.data(), by=AMOUNTS, is_silent=SELDOM)
    def increment(self, data: st.DataObject, by: int, is_silent: bool) -> None:
        payment = self.one(data, "requires_capture")
        self.calm()
        is_silent = self.silence(payment, is_silent)
        amount, pays = payment.held + by, self.house.available(payment.card, payment.currency) >= by

        answer = self.act(payment, "increment_authorization", {"amount": amount})

        if self.fate or is_silent or not pays:
            assert (answer.status, answer.body["error"]["type"]) == (402, "card_error")
            return
        payment.held, payment.amount = amount, max(amount, payment.amount)
        self.agree(answer, payment)

    @precondition(lambda self: len(self.known) > 2)
    @some(*WAITS, "requires_capture")
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        payment = self.one(data, *WAITS, "requires_capture")

        answer = self.act(payment, "cancel", {})

        payment.let_go("canceled")
        self.agree(answer, payment)

    @some("succeeded", "requires_capture", "canceled")
    @rule(data=st.data(), share=SHARES, is_silent=SELDOM)
    def refund(self, data: st.DataObject, share: int, is_silent: bool) -> None:
        payment = self.one(data, "succeeded", "requires_capture", "canceled")
        if is_silent or self.house.wires.deaf:
            self.calm()
        is_silent = self.silence(payment, is_silent)
        left = payment.received - payment.refunded
        amount = payment.share(left, share)

        answer = self.post("/v1/refunds", {"payment_intent": payment.id, "amount": amount})

        if not payment.received or amount > left:
            assert answer.status == 400
            return
        # An issuer that says nothing has refused; what is lost, or waits for a capture, is brought later.
        told = answer.body["status"]
        assert told in (("failed",) if is_silent else ("succeeded", "pending"))
        assert answer.body["amount"] == amount
        if told != "failed":
            payment.refunds[answer.body["id"]] = amount

    @some(*WAITS)
    @rule(data=st.data(), amount=AMOUNTS)
    def change_the_amount(self, data: st.DataObject, amount: int) -> None:
        payment = self.one(data, *WAITS)

        answer = self.post(f"/v1/payment_intents/{payment.id}", {"amount": amount})

        payment.amount = amount
        self.agree(answer, payment)

    @some(*STATES)
    @rule(data=st.data(), step=st.sampled_from(sorted(ALLOWED)))
    def go_too_far(self, data: st.DataObject, step: str) -> None:
        payment, sent = self.one(data, *STATES), len(self.house.sent)
        if payment.status in ALLOWED[step]:
            return

        answer = self.act(payment, step, {"amount": 5000} if step in TAKES_AMOUNT else {})

        assert (answer.status, code_of(answer)) == (400, "payment_intent_unexpected_state")
        assert len(self.house.sent) == sent

    @precondition(lambda self: self.last is not None)
    @rule()
    def ask_again(self) -> None:
        assert self.last is not None
        path, form, key, first = self.last
        sent = len(self.house.sent)

        again = self.house.post(path, form, idempotency_key=key)

        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["idempotent-replayed"] == "true"
        assert len(self.house.sent) == sent

    @precondition(lambda self: not self.is_hasty)
    @rule()
    def be_hasty(self) -> None:
        """Let the next request that has to wait for the network be made a second time meanwhile."""
        self.is_hasty = True

    @some(*STATES)
    @rule(data=st.data(), step=st.sampled_from(sorted(ALLOWED)))
    def let_another_shop_try(self, data: st.DataObject, step: str) -> None:
        payment = self.one(data, *STATES)

        form = {"amount": 5000} if step in TAKES_AMOUNT else {}
        answer = self.house.post(path_of(payment, step), form, secret=OTHER_SECRET_KEY)

        assert (answer.status, code_of(answer)) == (404, "resource_missing")

    # What happens to the network.

    @some(*WAITS, "requires_capture", "succeeded")
    @rule(fate=st.sampled_from([LOST_REQUEST, LOST_ANSWER, NO_LINK]))
    def lose_the_next_message(self, fate: str) -> None:
        self.house.fates = [fate]

    @some("requires_capture", "processing", "succeeded", "canceled")
    @rule()
    def let_the_worker_work(self) -> None:
        self.house.work()

        for payment in self.known:
            if payment.status == "processing":
                payment.status = self.house.get(f"/v1/payment_intents/{payment.id}")["status"]
                assert payment.status in ("processing", "requires_payment_method")

    @some("requires_capture", "processing", "succeeded", "canceled")
    @rule()
    def arrive(self) -> None:
        """Let everything arrive, and look into every book."""
        self.calm()
        self.agree_with_the_banks()

    @some("requires_capture")
    @rule(data=st.data(), share=SHARES, is_final=st.booleans())
    def have_a_capture_refused(self, data: st.DataObject, share: int, is_final: bool) -> None:
        """Let the acquirer refuse a capture that a refund waits for, and take it when an operator has it sent again."""
        payment = self.one(data, "requires_capture")
        amount = payment.share(payment.capturable, share)
        self.house.fates = []
        self.calm()
        if amount > payment.capturable:
            return
        status = "succeeded" if is_final else "requires_capture"

        self.act(payment, "capture", {"amount_to_capture": amount, "final_capture": is_final})
        self.house.fates = [REFUSED]
        whole, sent = payment.received + amount - payment.refunded, len(self.house.sent)
        failed = self.post("/v1/refunds", {"payment_intent": payment.id, "amount": whole})
        self.house.work()
        refused = self.house.get(f"/v1/payment_intents/{payment.id}", {"expand": ["latest_charge"]})

        assert (refused["status"], refused["amount_received"]) == (status, payment.received)
        assert refused["amount_capturable"] == (0 if is_final else payment.capturable)
        assert refused["latest_charge"]["amount_captured"] == payment.received
        assert self.house.get(f"/v1/refunds/{failed.body['id']}")["status"] == "failed"
        assert "0200" not in [message.mti for message in self.house.sent[sent:]]
        self.last = None
        for send in self.house.refused():
            self.house.send_again(send)
        payment.captures.append(amount)
        if is_final:
            payment.let_go("succeeded")
        self.arrive()

    @precondition(lambda self: self.days == 0)
    @some("requires_capture")
    @rule()
    def let_eight_days_pass(self) -> None:
        self.days += 8
        self.house.pass_days(8)
        for payment in self.known:
            if payment.status == "requires_capture":
                payment.let_go("succeeded" if payment.received else "canceled")

    # What must be true.

    def silence(self, payment: Payment, is_silent: bool) -> bool:
        """Let the issuer of a payment's card hear and say nothing until the next calm, unless something gets lost."""
        if is_silent and not self.house.fates:
            self.house.wires.deaf.add(ISSUERS[payment.card])
            return True
        return False

    def calm(self) -> None:
        """Let everything arrive but what the next message's fate is; doubts end as declines do."""
        fates = list(self.house.fates)
        self.house.settle()
        self.house.fates = fates
        for payment in self.known:
            if payment.status == "processing":
                payment.status = "requires_payment_method"

    def agree(self, answer: Spoken, payment: Payment) -> None:
        """What a request was answered is what the model says."""
        assert answer.status == 200, answer.body
        told = answer.body
        assert (told["status"], told["amount"]) == (payment.status, payment.amount)
        assert (told["amount_capturable"], told["amount_received"]) == (payment.capturable, payment.received)

    def agree_with_the_banks(self) -> None:
        """Once everything has arrived, shop, issuers and acquirer have the same money."""
        for payment in self.known:
            told = self.house.get(f"/v1/payment_intents/{payment.id}", {"expand": ["latest_charge"]})
            assert (told["status"], told["amount_received"]) == (payment.status, payment.received)
            if payment.charge:
                charge = self.house.get(f"/v1/charges/{payment.charge}")
                # What was let go counts as refunded, as on Stripe.
                back = payment.refunded + payment.released
                assert (charge["amount_captured"], charge["amount_refunded"]) == (payment.received, back)
                assert charge["refunded"] == (charge["status"] == "succeeded" and back == charge["amount"])
            for name in payment.refunds:
                assert self.house.get(f"/v1/refunds/{name}")["status"] == "succeeded"
        held: Counter[tuple[str, bool, str]] = Counter()
        for payment in self.known:
            held[ISSUERS[payment.card], True, CURRENCIES[payment.currency]] += payment.held
            held[ISSUERS[payment.card], False, CURRENCIES[payment.currency]] += payment.refunded
        found: Counter[tuple[str, bool, str]] = Counter()
        for issuer in ("issuer-a", "issuer-b"):
            for account, amount in self.house.held(issuer).items():
                # What is held of the issuer's own is what it owes for refunds.
                found[issuer, account.startswith("card/"), account[-3:]] += amount
        assert self.house.refused() == []
        assert found == +held
        captures = [amount for payment in self.known for amount in payment.captures]
        refunds = [amount for payment in self.known for amount in payment.refunds.values()]
        assert sorted(self.house.cleared("capture")) == sorted(captures)
        assert sorted(self.house.cleared("refund")) == sorted(refunds)

    # How.

    def typed(self, number: str) -> dict[str, Any]:
        return {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}

    def act(self, payment: Payment, step: str, form: dict[str, Any]) -> Spoken:
        return self.post(path_of(payment, step), form)

    def one(self, data: st.DataObject, *states: str) -> Payment:
        """Choose a payment that is in one of these states."""
        found: Payment = data.draw(st.sampled_from([payment for payment in self.known if payment.status in states]))
        return found

    def post(self, path: str, form: dict[str, Any]) -> Spoken:
        """Post with a key of its own; remember it, and what the first message's fate was."""
        self.keys += 1
        self.fate = self.house.fates[0] if self.house.fates else ""
        sent, key = len(self.house.sent), f"key-{self.keys}"
        if self.is_hasty:
            self.house.meanwhile = lambda: self.ask_too_soon(path, form, key)
        answer = self.house.post(path, form, idempotency_key=key)
        self.is_hasty, self.house.meanwhile = self.is_hasty and self.house.meanwhile is not None, None
        if len(self.house.sent) == sent:
            self.fate = ""
        if answer.status in (200, 402):
            # A refusal is not kept: the same key may be tried again once it would be taken.
            self.last = (path, form, key, answer)
        assert answer.status < 500, answer.body
        return answer

    def ask_too_soon(self, path: str, form: dict[str, Any], key: str) -> None:
        """Ask for the same while it is under way: under its key, and, of a payment, under another one."""
        sent = len(self.house.sent)
        same = self.house.post(path, form, idempotency_key=key)
        assert (same.status, code_of(same)) == (409, "idempotency_key_in_use")
        if path.startswith("/v1/payment_intents/"):
            other = self.house.post(path, form, idempotency_key=f"{key} again")
            assert (other.status, code_of(other)) in ((400, "payment_intent_unexpected_state"), (429, "lock_timeout"))
        assert len(self.house.sent) == sent


TestShopping = Shopping.TestCase
TestShopping.settings = settings(max_examples=40, stateful_step_count=40)


@pytest.mark.long
def test_a_shop_may_go_on_for_a_thousand_days() -> None:
    run_state_machine_as_test(Shopping, settings=settings(max_examples=1_000, stateful_step_count=24))
