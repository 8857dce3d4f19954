"""Refunds: what was captured can be given back, never more, and the shop hears what the acquirer said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import ApiError
from gateway.core.records import Charge, Claim, Obligation, SendRecord
from gateway.core.records_account import Event
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.handlers import cancelling, capturing, payments, refunds
from gateway.handlers.duties import recover
from iso.original import OriginalData
from node.core.steps import NOT_SENT, UNKNOWN
from tests.support.duties import work_one
from tests.support.gateway import CARD, OTHER_ACCOUNT, Gateway, call, declined, step
from tests.support.oracle import check

FORM = {"amount": 2000, "currency": "usd", "payment_method_data": {"type": "card", "card": CARD}, "confirm": True}
OPTIONS = {"card": {"request_multicapture": "if_available"}}


def shape(answer: Any) -> Any:
    return json.loads(answer.body)


def pay(gateway: Gateway, **changes: Any) -> Any:
    """Make a payment, and let its capture arrive."""
    paid = shape(step(payments.create(gateway.ports, call({**FORM, **changes}))))
    work(gateway)
    return paid


def give_back(gateway: Gateway, charge: str, key: str | None = None, **form: Any) -> Any:
    return shape(step(refunds.create(gateway.ports, call({"charge": charge, **form}, key=key))))


def work(gateway: Gateway) -> None:
    """Let a worker do everything that is due."""
    while step(work_one(gateway.ports, "worker")) is not None:
        pass


def all_of(gateway: Gateway, kind: Any) -> list[Any]:
    return [row for row in gateway.rows() if isinstance(row, kind)]


def events_since(gateway: Gateway, count: int) -> list[Event]:
    return all_of(gateway, Event)[count:]


def refused(gateway: Gateway, form: dict[str, Any], account: Any = None) -> ApiError:
    with pytest.raises(ApiError) as caught:
        step(refunds.create(gateway.ports, call(form, **({} if account is None else {"account": account}))))
    return caught.value


class TestApproval:
    """What the acquirer approved is given back."""

    def test_the_refund_succeeds_while_the_shop_waits(self, gateway: Gateway) -> None:
        paid = pay(gateway)

        refund = give_back(gateway, paid["latest_charge"], amount=500, reason="duplicate", metadata={"order": "7"})

        charge = all_of(gateway, Charge)[0]
        assert (refund["status"], refund["amount"], refund["reason"]) == ("succeeded", 500, "duplicate")
        assert (refund["charge"], refund["payment_intent"]) == (charge.id, paid["id"])
        assert (refund["metadata"], refund["payment_method"]) == ({"order": "7"}, charge.method)
        assert "livemode" not in refund
        assert charge.amount_refunded == 500
        assert check(refund) == []

    def test_the_message_names_the_payment_and_has_numbers_of_its_own(self, gateway: Gateway) -> None:
        pay(gateway)

        give_back(gateway, all_of(gateway, Charge)[0].id, amount=500)

        asked, _, sent = gateway.acquirer.seen
        named = OriginalData.from_de90(sent[90])
        assert (sent.mti, sent[3], sent[4], sent[37]) == ("0200", "200000", "000000000500", "607309" + asked.stan)
        assert (named.mti, named.stan, named.transmitted) == ("0100", asked.stan, asked.transmitted)
        assert sent.stan not in (asked.stan, "000002")

    def test_without_an_amount_all_that_is_left_goes_back(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        give_back(gateway, paid["latest_charge"], amount=500)

        refund = shape(step(refunds.create(gateway.ports, call({"payment_intent": paid["id"]}))))

        assert refund["amount"] == 1500

    def test_the_events_are_the_refunds_and_then_the_charges(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        before = len(all_of(gateway, Event))

        give_back(gateway, paid["latest_charge"], amount=2000)

        created, refunded = events_since(gateway, before)
        assert [created.type, refunded.type] == ["refund.created", "charge.refunded"]
        assert json.loads(created.data)["status"] == "succeeded"
        charge = json.loads(refunded.data)
        assert (charge["amount_refunded"], charge["refunded"]) == (2000, True)
        assert check(json.loads(created.data)) == check(charge) == []

    def test_a_repeat_under_the_same_key_gets_the_same_answer(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        first = give_back(gateway, paid["latest_charge"], key="key", amount=500)

        again = give_back(gateway, paid["latest_charge"], key="key", amount=500)

        assert again == first
        assert len(gateway.acquirer.sent("0200")) == 1

    def test_a_refund_waits_until_the_capture_has_arrived(self, gateway: Gateway) -> None:
        gateway.acquirer.capture_script = lambda _message: NOT_SENT
        paid = shape(step(payments.create(gateway.ports, call(FORM))))

        refund = give_back(gateway, paid["latest_charge"])
        gateway.acquirer.capture_script = gateway.acquirer.refund_script
        gateway.pass_time(60)
        work(gateway)

        assert refund["status"] == "pending"
        assert refund["destination_details"]["card"]["type"] == "pending"
        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220", "0200"]
        assert all_of(gateway, Refund)[0].status == "succeeded"
        assert check(refund) == []


class TestDecline:
    """A refund that is declined has failed, and its amount can be refunded again."""

    @pytest.mark.parametrize(
        ("code", "reason"), [("05", "declined"), ("54", "expired_or_canceled_card"), ("91", "unknown")]
    )
    def test_it_has_failed_with_a_reason_and_the_amount_is_free(self, gateway: Gateway, code: str, reason: str) -> None:
        paid = pay(gateway)
        gateway.acquirer.refund_script = declined(code)
        before = len(all_of(gateway, Event))

        refund = give_back(gateway, paid["latest_charge"], amount=2000)

        assert (refund["status"], refund["failure_reason"]) == ("failed", reason)
        assert refund["balance_transaction"] is None
        assert all_of(gateway, Charge)[0].amount_refunded == 0
        assert [event.type for event in events_since(gateway, before)] == ["refund.created", "refund.failed"]
        assert check(refund) == []

    def test_another_one_may_succeed(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        script, gateway.acquirer.refund_script = gateway.acquirer.refund_script, declined("05")
        give_back(gateway, paid["latest_charge"])
        gateway.acquirer.refund_script = script

        assert give_back(gateway, paid["latest_charge"])["status"] == "succeeded"

    def test_an_approval_of_a_part_is_undone(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        gateway.acquirer.refund_script = declined("10")

        refund = give_back(gateway, paid["latest_charge"])
        work(gateway)

        void = gateway.acquirer.seen[-1]
        assert refund["status"] == "failed"
        assert (void.mti, OriginalData.from_de90(void[90]).mti) == ("0420", "0200")


class TestSilence:
    """Silence means pending: the refund is repeated until it is answered, and is never given back twice."""

    def test_it_is_pending_then_what_the_answer_says(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        script, gateway.acquirer.refund_script = gateway.acquirer.refund_script, lambda _message: UNKNOWN
        before = len(all_of(gateway, Event))

        refund = give_back(gateway, paid["latest_charge"], key="key")
        gateway.acquirer.refund_script = script
        gateway.pass_time(60)
        work(gateway)

        first, second = gateway.acquirer.seen[-2:]
        assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")
        assert (first.mti, second.mti, first.fields == second.fields) == ("0200", "0201", True)
        types = [event.type for event in events_since(gateway, before)]
        assert types == ["refund.created", "charge.refunded", "charge.refund.updated", "refund.updated"]
        update = events_since(gateway, before)[-1]
        assert json.loads(update.previous or "")["status"] == "pending"
        assert all_of(gateway, Refund)[0].status == "succeeded"
        assert all_of(gateway, Claim)[0].status == 200

    def test_a_late_decline_frees_the_amount_and_says_so(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        gateway.acquirer.refund_script = lambda _message: UNKNOWN
        give_back(gateway, paid["latest_charge"])
        gateway.acquirer.refund_script = declined("05")
        before = len(all_of(gateway, Event))

        gateway.pass_time(60)
        work(gateway)

        types = [event.type for event in events_since(gateway, before)]
        assert types == ["charge.refund.updated", "refund.updated", "charge.updated", "refund.failed"]
        assert all_of(gateway, Charge)[0].amount_refunded == 0

    def test_what_is_pending_cannot_be_refunded_again(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        gateway.acquirer.refund_script = lambda _message: UNKNOWN
        give_back(gateway, paid["latest_charge"], amount=1500)

        error = refused(gateway, {"charge": paid["latest_charge"], "amount": 501})

        assert error.message == "Refund amount ($5.01) is greater than unrefunded amount on charge ($5.00)"

    def test_a_gateway_that_dies_meanwhile_finishes_it_after_its_restart(self, gateway: Gateway) -> None:
        paid = pay(gateway)

        def die() -> None:
            gateway.acquirer.meanwhile = lambda: None
            raise KeyboardInterrupt

        gateway.acquirer.meanwhile = die
        with pytest.raises(KeyboardInterrupt):
            give_back(gateway, paid["latest_charge"], key="key")
        step(recover(gateway.ports))
        work(gateway)

        again = give_back(gateway, paid["latest_charge"], key="key")
        assert again["status"] == "succeeded"
        assert [message.mti for message in gateway.acquirer.seen[-2:]] == ["0200", "0201"]
        assert len(all_of(gateway, Refund)) == 1

    def test_whoever_asks_again_meanwhile_hears_that_it_is_pending(self, gateway: Gateway) -> None:
        paid = pay(gateway)

        def die() -> None:
            gateway.acquirer.meanwhile = lambda: None
            raise KeyboardInterrupt

        gateway.acquirer.meanwhile = die
        with pytest.raises(KeyboardInterrupt):
            give_back(gateway, paid["latest_charge"], key="key")
        gateway.acquirer.refund_script = lambda _message: UNKNOWN
        step(recover(gateway.ports))
        work(gateway)

        assert give_back(gateway, paid["latest_charge"], key="key")["status"] == "pending"
        assert [event.type for event in all_of(gateway, Event)[-2:]] == ["refund.created", "charge.refunded"]


class TestRefusals:
    """What cannot be refunded is refused in Stripe's words, and nothing is sent."""

    def test_more_than_is_left(self, gateway: Gateway) -> None:
        charge = pay(gateway, amount=3000)["latest_charge"]

        error = refused(gateway, {"charge": charge, "amount": 4000})

        assert error.message == "Refund amount ($40.00) is greater than unrefunded amount on charge ($30.00)"
        assert (error.status, error.param, error.code) == (400, "amount", None)

    def test_a_charge_that_was_refunded(self, gateway: Gateway) -> None:
        charge = pay(gateway)["latest_charge"]
        give_back(gateway, charge)

        error = refused(gateway, {"charge": charge})

        assert (error.code, error.message) == (
            "charge_already_refunded",
            f"Charge {charge} has already been refunded.",
        )

    def test_a_charge_that_was_not_captured(self, gateway: Gateway) -> None:
        intent = pay(gateway, capture_method="manual")

        error = refused(gateway, {"payment_intent": intent["id"]})

        assert error.message.startswith(
            f"This uncaptured Charge was created by a PaymentIntent ({intent['id']}). You must cancel the PaymentIntent"
        )

    @pytest.mark.parametrize("name", ["payment_intent", "charge"])
    def test_a_payment_that_failed_or_was_canceled(self, gateway: Gateway, name: str) -> None:
        canceled = pay(gateway, capture_method="manual")
        step(cancelling.cancel(gateway.ports, call({}, canceled["id"])))
        script, gateway.acquirer.script = gateway.acquirer.script, declined("05")
        failed = pay(gateway)["error"]["payment_intent"]
        gateway.acquirer.script = script

        for intent in (canceled, failed):
            error = refused(gateway, {name: intent["id"] if name == "payment_intent" else intent["latest_charge"]})
            assert error.message == f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."

    def test_a_payment_that_was_never_tried(self, gateway: Gateway) -> None:
        intent = pay(gateway, confirm=False)

        error = refused(gateway, {"payment_intent": intent["id"]})

        assert "does not have a successful charge to refund" in error.message

    def test_nothing_that_is_named(self, gateway: Gateway) -> None:
        error = refused(gateway, {"amount": 5})

        assert error.message == (
            "One of the following params should be provided for this request: payment_intent or charge."
        )

    def test_what_does_not_exist_or_belongs_to_somebody_else(self, gateway: Gateway) -> None:
        charge = pay(gateway)["latest_charge"]

        errors = [refused(gateway, {"charge": "ch_0"}), refused(gateway, {"charge": charge}, OTHER_ACCOUNT)]

        assert [(error.status, error.code, error.param) for error in errors] == [(404, "resource_missing", "id")] * 2

    def test_a_charge_of_another_payment(self, gateway: Gateway) -> None:
        one, other = pay(gateway), pay(gateway)

        error = refused(gateway, {"charge": one["latest_charge"], "payment_intent": other["id"]})

        assert error.param == "charge"

    def test_a_third_decimal(self, gateway: Gateway) -> None:
        charge = pay(gateway, currency="kwd", amount=5000)["latest_charge"]

        assert refused(gateway, {"charge": charge, "amount": 5}).code == "parameter_invalid_integer"

    @pytest.mark.parametrize(("currency", "words"), [("eur", "€20.00"), ("jpy", "¥2000"), ("chf", "20.00 CHF")])
    def test_amounts_are_written_in_the_charges_currency(self, gateway: Gateway, currency: str, words: str) -> None:
        charge = pay(gateway, currency=currency)["latest_charge"]

        assert f"unrefunded amount on charge ({words})" in refused(gateway, {"charge": charge, "amount": 9000}).message


class TestPartsOfACapture:
    """Only what was captured can be refunded, whatever was authorised."""

    def test_what_was_let_go_is_not_refunded(self, gateway: Gateway) -> None:
        intent = pay(gateway, capture_method="manual")
        step(capturing.capture(gateway.ports, call({"amount_to_capture": 1500}, intent["id"])))
        work(gateway)

        refund = shape(step(refunds.create(gateway.ports, call({"payment_intent": intent["id"]}))))

        assert refund["amount"] == 1500
        assert all_of(gateway, Charge)[0].amount_refunded == 1500

    def test_a_part_that_was_captured_can_be_refunded_before_the_rest_is(self, gateway: Gateway) -> None:
        intent = pay(gateway, capture_method="manual", payment_method_options=OPTIONS)
        form = {"amount_to_capture": 700, "final_capture": False}
        step(capturing.capture(gateway.ports, call(form, intent["id"])))
        work(gateway)

        refund = shape(step(refunds.create(gateway.ports, call({"payment_intent": intent["id"]}))))

        assert (refund["amount"], refund["status"]) == (700, "succeeded")


class TestCancel:
    """A refund can be taken back only while it has not left."""

    def test_one_that_waits_for_its_capture_is_canceled(self, gateway: Gateway) -> None:
        gateway.acquirer.capture_script = lambda _message: NOT_SENT
        paid = shape(step(payments.create(gateway.ports, call(FORM))))
        refund = give_back(gateway, paid["latest_charge"])
        before = len(all_of(gateway, Event))

        canceled = shape(step(refunds.cancel(gateway.ports, call({}, refund["id"]))))
        gateway.acquirer.capture_script = gateway.acquirer.refund_script
        gateway.pass_time(60)
        work(gateway)

        assert (canceled["status"], all_of(gateway, Charge)[0].amount_refunded) == ("canceled", 0)
        assert gateway.acquirer.sent("0200") == []
        assert all_of(gateway, Obligation)[-1].state == "done"
        types = [event.type for event in events_since(gateway, before)]
        assert types == ["charge.refund.updated", "refund.updated", "charge.updated"]
        assert check(canceled) == []

    @pytest.mark.parametrize("answer", ["00", "05", UNKNOWN])
    def test_one_that_has_left_is_not(self, gateway: Gateway, answer: Any) -> None:
        paid = pay(gateway)
        gateway.acquirer.refund_script = declined(answer) if isinstance(answer, str) else lambda _message: answer
        refund = give_back(gateway, paid["latest_charge"])

        with pytest.raises(ApiError, match=r"^Canceling this refund is unsupported\.$"):
            step(refunds.cancel(gateway.ports, call({}, refund["id"])))


class TestUpdate:
    """The metadata of a refund can be changed, and nothing else."""

    def test_metadata_is_merged_and_told(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        refund = give_back(gateway, paid["latest_charge"], metadata={"a": "1"})
        before = len(all_of(gateway, Event))

        changed = shape(step(refunds.update(gateway.ports, call({"metadata": {"b": "2"}}, refund["id"]))))

        assert changed["metadata"] == {"a": "1", "b": "2"}
        types = [event.type for event in events_since(gateway, before)]
        assert types == ["charge.refund.updated", "refund.updated"]
        assert json.loads(events_since(gateway, before)[0].previous or "") == {"metadata": {"b": None}}


class TestRows:
    """One refund is one row, one message, and one balance transaction if it succeeded."""

    def test_a_balance_transaction_is_written_with_the_approval_only(self, gateway: Gateway) -> None:
        paid = pay(gateway)
        script, gateway.acquirer.refund_script = gateway.acquirer.refund_script, declined("05")
        give_back(gateway, paid["latest_charge"], amount=300)
        gateway.acquirer.refund_script = script
        refund = give_back(gateway, paid["latest_charge"], amount=200)

        entries = {row.source: row for row in all_of(gateway, BalanceTransaction)}
        assert {name: row.amount for name, row in entries.items()} == {paid["latest_charge"]: 2000, refund["id"]: -200}
        assert entries[refund["id"]].id == refund["balance_transaction"]
        assert [row.result for row in all_of(gateway, SendRecord) if row.kind == "refund"] == ["05", "00"]
