"""The main job: the official SDK pays through gateway, acquirer, switch, issuer and HSM, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from emulator.hops import hops_of
from iso.private import CAPTURE, TRACE_ID, parse_private
from tests.support.house import HouseHandle
from tests.support.oracle import check

pytestmark = pytest.mark.house

CARD = {"exp_month": 12, "exp_year": 2034, "cvc": "123"}
ISSUERS = pytest.mark.parametrize(
    ("number", "issuer", "dialect"),
    [
        ("4242424242424242", "issuer-a", "ascii87"),
        ("5555555555554444", "issuer-b", "ebcdic93"),
        ("378282246310005", "issuer-b", "ebcdic93"),
        ("3056930009020004", "issuer-b", "ebcdic93"),
    ],
)


def messages(house: HouseHandle) -> list[dict[str, Any]]:
    """Return what every node has seen."""
    return [message for node in house.control.nodes for message in house.control.messages(node, limit=10_000)]


def pay(client: stripe.StripeClient, number: str, amount: int = 2000, **card: object) -> stripe.PaymentIntent:
    method = client.v1.payment_methods.create({"type": "card", "card": {"number": number, **CARD, **card}})  # type: ignore[typeddict-item]
    return client.v1.payment_intents.create(
        {"amount": amount, "currency": "usd", "payment_method": method.id, "confirm": True}
    )


class TestPaying:
    """A shop creates a customer, a payment method and a payment intent, and is paid."""

    def test_a_customer_pays_with_a_raw_test_card(self, house: HouseHandle) -> None:
        client = house.stripe()

        customer = client.v1.customers.create({"email": "ada@example.com"})
        method = client.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", **CARD}}  # type: ignore[typeddict-item]
        )
        client.v1.payment_methods.attach(method.id, {"customer": customer.id})
        intent = client.v1.payment_intents.create({"amount": 2000, "currency": "usd", "customer": customer.id})
        confirmed = client.v1.payment_intents.confirm(intent.id, {"payment_method": method.id})
        retrieved = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})

        assert (intent.status, confirmed.status, retrieved.status) == (
            "requires_payment_method",
            "succeeded",
            "succeeded",
        )
        assert retrieved.amount_received == 2000
        assert [check(answer) for answer in (customer, method, intent, confirmed, retrieved)] == [[]] * 5

    @pytest.mark.parametrize("name", ["pm_card_visa", "pm_card_mastercard"])
    def test_a_named_test_card_pays(self, house: HouseHandle, name: str) -> None:
        intent = house.stripe().v1.payment_intents.create(
            {"amount": 1999, "currency": "usd", "payment_method": name, "confirm": True}
        )

        assert intent.status == "succeeded"

    @pytest.mark.parametrize(
        ("currency", "amount"),
        [("jpy", 50), ("krw", 1_000), ("kwd", 10), ("bhd", 1_230), ("jod", 99_999_990), ("omr", 500), ("tnd", 500)],
    )
    @pytest.mark.parametrize("name", ["pm_card_visa", "pm_card_mastercard"])
    def test_a_test_card_pays_in_currencies_of_no_and_of_three_decimals(
        self, house: HouseHandle, name: str, currency: str, amount: int
    ) -> None:
        intent = house.stripe().v1.payment_intents.create(
            {"amount": amount, "currency": currency, "payment_method": name, "confirm": True}
        )

        assert (intent.status, intent.amount_received) == ("succeeded", amount)

    @ISSUERS
    def test_a_payment_crosses_three_links_in_three_dialects_and_back(
        self, house: HouseHandle, number: str, issuer: str, dialect: str
    ) -> None:
        intent = pay(house.stripe(), number)

        trace = intent.last_response.headers["Emu-Trace-Id"]  # type: ignore[union-attr]
        hops = [(hop["node"], hop["mti"], hop["dialect"]) for hop in hops_of(messages(house), trace)]
        path = [hop for hop in hops if hop[1][1] == "1"]
        version = "1" if dialect == "ebcdic93" else "0"
        assert path == [
            ("gateway", "0100", "pos-bcd87"),
            ("acquirer", "0100", "net-bin87"),
            ("switch", f"{version}100", dialect),
            (issuer, f"{version}110", dialect),
            ("switch", "0110", "net-bin87"),
            ("acquirer", "0110", "pos-bcd87"),
        ]

    @ISSUERS
    def test_its_capture_is_acknowledged_by_each_node_in_turn(
        self, house: HouseHandle, number: str, issuer: str, dialect: str
    ) -> None:
        intent = pay(house.stripe(), number)
        trace = intent.last_response.headers["Emu-Trace-Id"]  # type: ignore[union-attr]
        version = "1" if dialect == "ebcdic93" else "0"

        def captures() -> list[dict[str, Any]]:
            """Return the crossings of this payment's capture, by the RRN that its 0110 brought."""
            seen = messages(house)
            rrns = {hop["fields"].get("37") for hop in hops_of(seen, trace)} - {None}
            return [one for one in seen if one.get("mti", "")[1:2] == "2" and one["fields"].get("37") in rrns]

        def crossings() -> set[tuple[str, str, str]]:
            return {(one["node"], one["mti"], one["dialect"]) for one in captures() if one["direction"] == "out"}

        assert house.eventually(lambda: (issuer, f"{version}230", dialect) in crossings())
        assert crossings() == {
            ("gateway", "0220", "pos-bcd87"),
            ("acquirer", "0230", "pos-bcd87"),
            ("acquirer", "0220", "net-bin87"),
            ("switch", "0230", "net-bin87"),
            ("switch", f"{version}220", dialect),
            (issuer, f"{version}230", dialect),
        }
        (capture,) = [one for one in captures() if one["node"] == "gateway" and one["direction"] == "out"]
        assert (capture["fields"]["4"], capture["fields"]["39"]) == ("000000002000", "00")
        assert parse_private(capture["fields"]["48"]) == {CAPTURE: "01F", TRACE_ID: trace}


class TestDecliningCards:
    """The issuer's data declines, and the SDK raises CardError with Stripe's codes and the network's."""

    @pytest.mark.parametrize(
        ("number", "code", "decline_code", "network_code"),
        [
            ("4000000000000002", "card_declined", "generic_decline", "05"),
            ("4000000000009995", "card_declined", "insufficient_funds", "51"),
            ("4000000000009987", "card_declined", "lost_card", "41"),
            ("4000000000009979", "card_declined", "stolen_card", "43"),
            ("4000000000000069", "expired_card", "expired_card", "54"),
            ("4000000000000127", "incorrect_cvc", "incorrect_cvc", "N7"),
            ("4000000000000119", "processing_error", "processing_error", "96"),
            ("4000000000006975", "card_declined", "card_velocity_exceeded", "65"),
        ],
    )
    def test_it_is_a_card_error(
        self, house: HouseHandle, number: str, code: str, decline_code: str, network_code: str
    ) -> None:
        client = house.stripe()

        with pytest.raises(stripe.CardError) as caught:
            pay(client, number)

        error = caught.value.error
        assert error is not None
        assert caught.value.http_status == 402
        assert (error.code, error.decline_code) == (code, decline_code)
        assert error.network_decline_code == network_code  # type: ignore[attr-defined]
        intent = client.v1.payment_intents.retrieve(error.payment_intent.id)  # type: ignore[union-attr]
        assert intent.status == "requires_payment_method"
        assert intent.last_payment_error is not None
        assert check(intent) == []

    def test_a_number_that_fails_luhn_is_never_sent(self, house: HouseHandle) -> None:
        before = len(house.control.messages("gateway", limit=10_000))

        with pytest.raises(stripe.CardError) as caught:
            pay(house.stripe(), "4242424242424241")

        assert caught.value.code == "incorrect_number"
        assert len(house.control.messages("gateway", limit=10_000)) == before
