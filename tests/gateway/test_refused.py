"""What the acquirer refuses for good is not told for ever: it is kept, seen, and sent again when somebody says so."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import structlog
from trio.testing import MockClock

from gateway.config import GatewayConfig
from gateway.core.errors import ApiError
from gateway.core.messages import ACKNOWLEDGED_CODES
from gateway.core.records import Charge, Intent, Obligation, SendRecord
from gateway.core.records_account import Event
from gateway.core.records_money import BalanceTransaction, Refund
from gateway.core.records_setup import SetupIntent
from gateway.core.terms import Terms
from gateway.handlers import cancelling, capturing, owing, payments, refunds, setups
from gateway.handlers.duties import look, recover
from node.core.duty import DutyRules
from node.core.steps import UNKNOWN
from tests.gateway.test_courier import working
from tests.gateway.test_crash import Died
from tests.support.duties import work_one
from tests.support.gateway import CARD, MERCHANTS, Gateway, accepted, call, declined, step
from tests.support.small_house import SmallHouse
from tests.support.time import let_pass

FOR_GOOD = ("12", "13", "25", "40", "64")
FORM = {
    "amount": 1000,
    "currency": "usd",
    "payment_method_data": {"type": "card", "card": CARD},
    "payment_method_options": {"card": {"request_multicapture": "if_available"}},
    "confirm": True,
}


def pay(gateway: Gateway, **changes: Any) -> str:
    name: str = json.loads(step(payments.create(gateway.ports, call({**FORM, **changes}))).body)["id"]
    return name


def capture(gateway: Gateway, name: str, **form: Any) -> None:
    step(capturing.capture(gateway.ports, call(form, name)))


def work(gateway: Gateway) -> None:
    """Work whatever is due now."""
    while step(work_one(gateway.ports, "worker")) is not None:
        continue


def only(gateway: Gateway, kind: Any) -> Any:
    (found,) = [row for row in gateway.rows() if isinstance(row, kind)]
    return found


def duties(gateway: Gateway) -> list[tuple[str, str]]:
    rows = [row for row in gateway.rows() if isinstance(row, Obligation)]
    return [(row.send.split("/", 1)[1], row.state) for row in rows]


def events(gateway: Gateway) -> list[Event]:
    return [row for row in gateway.rows() if isinstance(row, Event)]


def refused_payment(gateway: Gateway, code: str = "64", **changes: Any) -> str:
    """Leave a payment of 10.00 whose capture was refused; return the id of the capture's message."""
    gateway.acquirer.capture_script = declined(code)
    pay(gateway, **changes)
    work(gateway)
    gateway.acquirer.capture_script = accepted
    (name,) = [row.send for row in gateway.rows() if isinstance(row, Obligation) and row.state == "refused"]
    return name


def refunds_behind_a_refusal(gateway: Gateway, *, taken: int, amounts: list[int]) -> None:
    """Ask for refunds that wait for the last capture of a payment of 10.00, which is refused; `taken` before it."""
    name = pay(gateway, capture_method="manual")
    if taken:
        capture(gateway, name, amount_to_capture=taken, final_capture=False)
        work(gateway)
    gateway.acquirer.capture_script = declined("64")
    capture(gateway, name)
    for amount in amounts:
        step(refunds.create(gateway.ports, call({"payment_intent": name, "amount": amount})))
    work(gateway)


class TestEnd:
    """Of an advice, DE 39 says whether it was taken, is to be told again later, or will never be taken."""

    @pytest.mark.parametrize("code", FOR_GOOD)
    def test_a_capture_that_nobody_will_take_is_sent_once(self, gateway: Gateway, code: str) -> None:
        name = refused_payment(gateway, code)
        gateway.pass_time(3600)
        work(gateway)

        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220"]
        assert duties(gateway) == [("capture/1", "refused")]
        assert step(gateway.ports.store.read(lambda books: books.get(SendRecord, name))).result == code

    @pytest.mark.parametrize("code", ["12", "21", "40", "64"])
    def test_a_void_that_nobody_will_take_is_sent_once(self, gateway: Gateway, code: str) -> None:
        name = pay(gateway, capture_method="manual")
        gateway.acquirer.reversal_script = declined(code)

        step(cancelling.cancel(gateway.ports, call({}, name)))
        work(gateway)
        gateway.pass_time(3600)
        work(gateway)

        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0420"]
        assert duties(gateway) == [("authorise/1/void/1", "refused")]
        assert only(gateway, Intent).status == "canceled"

    @pytest.mark.parametrize("code", sorted(DutyRules().retry_codes))
    def test_what_cannot_be_taken_now_is_told_again(self, gateway: Gateway, code: str) -> None:
        gateway.acquirer.capture_script = declined(code)
        pay(gateway)
        work(gateway)
        gateway.acquirer.capture_script = accepted
        gateway.pass_time(60)
        work(gateway)

        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220", "0221"]
        assert duties(gateway) == [("capture/1", "done")]

    def test_an_answer_without_a_code_is_none(self, gateway: Gateway) -> None:
        gateway.acquirer.capture_script = lambda message: message.reply("00").with_fields({39: None})
        pay(gateway)
        work(gateway)

        assert duties(gateway) == [("capture/1", "open")]

    def test_what_is_told_again_is_a_setting(self, gateway: Gateway) -> None:
        config = GatewayConfig(acquirer_address="tcp://127.0.0.1:1", merchants=MERCHANTS, duty_retry_codes=("64",))
        gateway.ports = gateway.ports._replace(rules=config.duty_rules())
        gateway.acquirer.capture_script = declined("64")
        pay(gateway)
        work(gateway)

        assert duties(gateway) == [("capture/1", "open")]

    def test_no_code_both_takes_and_refuses(self) -> None:
        for taken in ACKNOWLEDGED_CODES.values():
            assert not taken & DutyRules().retry_codes


class TestWhatTheShopSees:
    """A capture that was refused has not happened: there is no money of it, and the charge says so."""

    def test_an_automatic_payment_has_received_nothing(self, gateway: Gateway) -> None:
        refused_payment(gateway)

        intent, charge = only(gateway, Intent), only(gateway, Charge)
        assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 0, 0)
        assert (charge.status, charge.captured, charge.amount_captured) == ("succeeded", 0, 0)
        assert charge.balance_transaction is None
        assert [row for row in gateway.rows() if isinstance(row, BalanceTransaction)] == []

    def test_it_is_told_as_an_update_of_the_charge(self, gateway: Gateway) -> None:
        refused_payment(gateway)

        (told,) = [event for event in events(gateway) if event.type == "charge.updated"]
        previous = json.loads(told.previous or "")
        assert (previous["captured"], previous["amount_captured"]) == (True, 1000)
        assert json.loads(told.data)["balance_transaction"] is None

    def test_what_was_refused_of_a_held_payment_can_be_captured_again(self, gateway: Gateway) -> None:
        name = pay(gateway, capture_method="manual")
        capture(gateway, name, amount_to_capture=300, final_capture=False)
        work(gateway)
        gateway.acquirer.capture_script = declined("64")
        capture(gateway, name, amount_to_capture=400, final_capture=False)
        work(gateway)
        intent, charge = only(gateway, Intent), only(gateway, Charge)
        gateway.acquirer.capture_script = accepted
        capture(gateway, name)
        work(gateway)

        assert (intent.status, intent.amount_received, intent.amount_capturable) == ("requires_capture", 300, 700)
        (first,) = [row.id for row in gateway.rows() if isinstance(row, BalanceTransaction) and row.amount == 300]
        assert charge.balance_transaction == first
        assert (only(gateway, Intent).status, only(gateway, Intent).amount_received) == ("succeeded", 1000)
        assert [message[4] for message in gateway.acquirer.sent("0220")] == [
            f"{amount:012d}" for amount in (300, 400, 700)
        ]

    def test_nothing_of_it_can_be_refunded(self, gateway: Gateway) -> None:
        refused_payment(gateway)

        with pytest.raises(ApiError):
            step(refunds.create(gateway.ports, call({"payment_intent": only(gateway, Intent).id})))

        assert [row for row in gateway.rows() if isinstance(row, Refund)] == []

    def test_the_charges_later_messages_go_on(self, gateway: Gateway) -> None:
        refunds_behind_a_refusal(gateway, taken=300, amounts=[300])

        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220", "0220", "0200"]
        assert (only(gateway, Refund).status, only(gateway, Charge).amount_refunded) == ("succeeded", 300)

    def test_a_payment_in_doubt_stays_in_doubt_while_its_void_is_refused(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda _message: UNKNOWN
        gateway.acquirer.reversal_script = declined("12")
        pay(gateway)
        work(gateway)

        assert only(gateway, Intent).status == "processing"
        assert only(gateway, Charge).status == "pending"

    def test_a_setup_in_doubt_stays_in_doubt_too(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda _message: UNKNOWN
        gateway.acquirer.reversal_script = declined("12")
        form = {"payment_method_data": FORM["payment_method_data"], "confirm": True}
        step(setups.create(gateway.ports, call(form)))
        work(gateway)
        assert only(gateway, SetupIntent).status == "processing"
        gateway.acquirer.reversal_script = accepted

        step(owing.send_again(gateway.ports, only(gateway, Obligation).send))
        work(gateway)

        assert only(gateway, SetupIntent).status == "requires_payment_method"


class TestRefundsOfIt:
    """What waited to be given back of a capture that was refused has failed: nothing was taken."""

    @pytest.mark.parametrize(
        ("taken", "amounts", "stand"),
        [
            (0, [500], []),
            (0, [200, 300], []),
            (300, [300, 200], [300]),
            (300, [450, 100, 250, 200], [100, 200]),
        ],
    )
    def test_what_exceeds_what_was_captured_fails_before_it_leaves(
        self, gateway: Gateway, taken: int, amounts: list[int], stand: list[int]
    ) -> None:
        refunds_behind_a_refusal(gateway, taken=taken, amounts=amounts)

        rows = [row for row in gateway.rows() if isinstance(row, Refund)]
        assert [row.amount for row in rows if row.status == "succeeded"] == stand
        failed = {(row.status, row.failure_reason) for row in rows if row.amount not in stand}
        assert failed == {("failed", "declined")}
        assert [int(message[4]) for message in gateway.acquirer.sent("0200")] == stand
        assert [state for _, state in duties(gateway)].count("open") == 0
        charge = only(gateway, Charge)
        assert (charge.amount_captured, charge.amount_refunded) == (taken, sum(stand))
        told = Counter(event.type for event in events(gateway) if event.type.startswith("refund."))
        assert told["refund.failed"] == len(amounts) - len(stand)
        shown = [json.loads(event.data) for event in events(gateway) if event.type == "charge.updated"]
        assert all(data["amount_refunded"] <= data["amount_captured"] for data in shown)

    def test_one_that_may_have_left_is_answered_by_the_acquirer(self, gateway: Gateway) -> None:
        name = pay(gateway, capture_method="manual")
        capture(gateway, name, amount_to_capture=300, final_capture=False)
        work(gateway)
        gateway.acquirer.capture_script = declined("64")
        capture(gateway, name, amount_to_capture=500, final_capture=False)
        work(gateway)
        (refused,) = [row.send for row in gateway.rows() if isinstance(row, Obligation) and row.state == "refused"]
        gateway.acquirer.refund_script = lambda _message: UNKNOWN
        step(refunds.create(gateway.ports, call({"payment_intent": name, "amount": 300})))
        step(owing.send_again(gateway.ports, refused))
        step(refunds.create(gateway.ports, call({"payment_intent": name, "amount": 500})))
        gateway.acquirer.refund_script = accepted
        gateway.pass_time(60)
        work(gateway)

        statuses = {row.amount: row.status for row in gateway.rows() if isinstance(row, Refund)}
        assert statuses == {300: "succeeded", 500: "failed"}
        assert [message.mti for message in gateway.acquirer.seen][-3:] == ["0200", "0221", "0201"]

    @pytest.mark.parametrize("end", ["failed", "canceled"])
    def test_its_key_tells_what_became_of_it_after_its_gateway_died(self, gateway: Gateway, end: str) -> None:
        def die(_charge: str) -> Any:
            raise Died

        gateway.acquirer.capture_script = declined("64")
        form = {"payment_intent": pay(gateway), "amount": 500, "expand": ["charge"]}
        with pytest.raises(Died):
            step(refunds.create(gateway.ports._replace(watch=die), call(form, key="refund")))
        step(recover(gateway.ports))
        if end == "canceled":
            step(refunds.cancel(gateway.ports, call({}, only(gateway, Refund).id)))
        work(gateway)

        again = json.loads(step(refunds.create(gateway.ports, call(form, key="refund"))).body)

        assert (again["id"], again["status"]) == (only(gateway, Refund).id, end)
        assert (again["charge"]["object"], again["charge"]["amount_refunded"]) == ("charge", 0)


class TestSentAgain:
    """An operator may have it sent again, once whatever was in its way is no more."""

    def test_a_capture_is_then_taken(self, gateway: Gateway) -> None:
        name, woken = refused_payment(gateway), gateway.owed

        shown = step(owing.send_again(gateway.ports, name))
        work(gateway)

        intent, charge = only(gateway, Intent), only(gateway, Charge)
        assert (shown["state"], shown["send"], gateway.owed - woken) == ("open", name, 1)
        assert [message.mti for message in gateway.acquirer.seen] == ["0100", "0220", "0221"]
        assert gateway.acquirer.seen[1].fields == gateway.acquirer.seen[2].fields
        assert (intent.amount_received, charge.captured, charge.amount_captured) == (1000, 1, 1000)
        assert charge.balance_transaction == only(gateway, BalanceTransaction).id
        assert duties(gateway) == [("capture/1", "done")]

    def test_it_may_be_refused_again(self, gateway: Gateway) -> None:
        name = refused_payment(gateway)
        gateway.acquirer.capture_script = declined("64")

        step(owing.send_again(gateway.ports, name))
        work(gateway)

        assert only(gateway, Intent).amount_received == 0
        assert duties(gateway) == [("capture/1", "refused")]

    def test_the_void_of_a_payment_in_doubt_ends_the_doubt(self, gateway: Gateway) -> None:
        gateway.acquirer.script = lambda _message: UNKNOWN
        gateway.acquirer.reversal_script = declined("40")
        pay(gateway)
        work(gateway)
        gateway.acquirer.reversal_script = accepted
        (void,) = [row.send for row in gateway.rows() if isinstance(row, Obligation)]

        step(owing.send_again(gateway.ports, void))
        work(gateway)

        assert only(gateway, Intent).status == "requires_payment_method"
        assert only(gateway, Charge).network_status == "reversed_after_approval"

    def test_a_capture_whose_money_went_elsewhere_is_not(self, gateway: Gateway) -> None:
        gateway.acquirer.capture_script = declined("64")
        name = pay(gateway, capture_method="manual")
        capture(gateway, name, amount_to_capture=400, final_capture=False)
        work(gateway)
        gateway.acquirer.capture_script = accepted
        capture(gateway, name)
        work(gateway)

        with pytest.raises(ApiError) as caught:
            step(owing.send_again(gateway.ports, f"{only(gateway, Charge).id}/capture/1"))

        assert caught.value.status == 409
        assert only(gateway, Intent).amount_received == 1000

    @pytest.mark.parametrize("name", ["ch_none/capture/1", "open"])
    def test_what_was_not_refused_is_not(self, gateway: Gateway, name: str) -> None:
        gateway.acquirer.capture_script = lambda _message: UNKNOWN
        pay(gateway)
        is_open = name == "open"

        with pytest.raises(ApiError) as caught:
            step(owing.send_again(gateway.ports, only(gateway, Obligation).send if is_open else name))

        assert caught.value.status == (409 if is_open else 404)


class TestRealAcquirer:
    """A gateway that lets shops capture more than its acquirer does learns that from DE 39."""

    def test_what_it_refuses_is_refused_and_the_rest_goes_on(self) -> None:
        with SmallHouse(Terms(over_capture_percent=10)) as house:
            options = dict.fromkeys(("request_multicapture", "request_overcapture"), "if_available")
            form = {**FORM, "capture_method": "manual", "payment_method_options": {"card": options}}
            path = f"/v1/payment_intents/{house.post('/v1/payment_intents', form).body['id']}"

            house.post(f"{path}/capture", {"amount_to_capture": 1050, "final_capture": False})
            house.settle()
            (refused,) = house.refused()
            held = house.get(path)
            house.post(f"{path}/capture", {"amount_to_capture": 900})
            house.settle()
            taken = house.get(path, {"expand": ["latest_charge"]})

            assert refused.endswith("/capture/1")
            assert (held["status"], held["amount_capturable"], held["amount_received"]) == ("requires_capture", 1000, 0)
            assert (taken["status"], taken["amount_received"]) == ("succeeded", 900)
            assert taken["latest_charge"]["amount_captured"] == 900
            assert house.cleared("capture") == [900]


class TestSight:
    """What was refused is counted, listed with its code, and an alarm in the log."""

    def test_it_is_listed_with_its_code_and_without_a_card(self, gateway: Gateway) -> None:
        name = refused_payment(gateway)
        pay(gateway)

        (shown,) = step(owing.list_of(gateway.ports, "refused", 10))

        assert (shown["send"], shown["kind"], shown["code"], shown["amount"]) == (name, "capture", "64", 1000)
        assert (shown["charge"], shown["state"], shown["attempts"]) == (name.split("/")[0], "refused", 1)
        assert "token" not in shown
        assert [row["state"] for row in step(owing.list_of(gateway.ports, "open", 10))] == ["open"]
        assert step(look(gateway.ports, 0)).refused_count == 1

    @pytest.mark.trio
    async def test_the_worker_raises_an_alarm_and_counts_it(self, mock_clock: MockClock) -> None:
        async with working() as (gateway, ports, worker):
            gateway.acquirer.capture_script = declined("64")
            with structlog.testing.capture_logs() as logged:
                await payments.create(ports, call(FORM))
                await let_pass(0.1)

            (alarm,) = [line for line in logged if line["log_level"] == "error"]
            assert (alarm["event"], alarm["code"]) == ("refused for good", "64")
            assert alarm["send"].endswith("/capture/1")
            assert (worker.open_count, worker.refused_count) == (0, 1)

            gateway.acquirer.capture_script = accepted
            await owing.send_again(ports._replace(owed=worker.wake), alarm["send"])
            await let_pass(0.1)

            assert (worker.open_count, worker.refused_count) == (0, 0)


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)
