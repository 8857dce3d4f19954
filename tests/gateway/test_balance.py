"""The balance is what the acquirer says it is, and a balance transaction is what the acquirer booked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.core.balance import available_on
from gateway.core.terms import Terms
from iso.business_days import Calendar
from node.core.steps import NOT_SENT
from tests.support.duties import work_one
from tests.support.gateway import OTHER_SECRET_KEY, Shop, fees_of
from tests.support.oracle import check

OTHER = {"authorization": f"Bearer {OTHER_SECRET_KEY}"}


def work(shop: Shop) -> None:
    """Let a worker do everything that is due."""
    while shop.portal.call(work_one, shop.gateway.ports, "worker") is not None:
        pass


def pay(shop: Shop, **form: Any) -> Any:
    paid = shop.paid(**form)
    work(shop)
    return paid


def charge_of(shop: Shop, name: str, **query: str) -> Any:
    asked = "&".join(f"{part}={value}" for part, value in query.items())
    return shop.get(f"/v1/charges/{name}?{asked}").json()


class TestBalance:
    """Pending and available, per currency, from the acquirer's ledger."""

    def test_it_is_what_was_captured_less_the_fees_and_what_was_refunded(self, shop: Shop) -> None:
        paid = pay(shop, amount=3000)
        pay(shop, amount=900, currency="eur")
        shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 1000})

        balance = shop.get("/v1/balance").json()

        dollars, euros = 2000 - sum(fees_of(3000)), 900 - sum(fees_of(900))
        assert [(part["amount"], part["currency"]) for part in balance["pending"]] == [(dollars, "usd"), (euros, "eur")]
        assert [part["amount"] for part in balance["available"]] == [0, 0]
        assert check(balance) == []

    def test_a_merchant_with_nothing_has_zeros_in_its_own_currency(self, memory_shop: Shop) -> None:
        balance = memory_shop.get("/v1/balance").json()

        assert balance["pending"] == [{"amount": 0, "currency": "usd", "source_types": {"card": 0}}]

    def test_it_is_the_merchants_own(self, memory_shop: Shop) -> None:
        pay(memory_shop)

        assert memory_shop.get("/v1/balance", **OTHER).json()["pending"][0]["amount"] == 0

    def test_without_the_acquirer_there_is_no_figure(self, memory_shop: Shop) -> None:
        memory_shop.gateway.bank.is_silent = True

        answer = memory_shop.get("/v1/balance")

        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "api_error")
        assert answer.headers["stripe-should-retry"] == "true"


class TestTransactions:
    """One for each capture and each refund, with what the acquirer took."""

    def test_a_charges_id_leads_to_what_was_booked(self, shop: Shop) -> None:
        paid = pay(shop, amount=4000, description="Beans")
        name = charge_of(shop, paid["latest_charge"])["balance_transaction"]

        entry = shop.get(f"/v1/balance_transactions/{name}").json()

        fees = fees_of(4000)
        assert (entry["amount"], entry["fee"], entry["net"]) == (4000, sum(fees), 4000 - sum(fees))
        assert [(part["description"], part["amount"]) for part in entry["fee_details"]] == [
            ("Interchange fee", fees.interchange),
            ("Scheme fee", fees.scheme),
            ("Acquirer fee", fees.acquirer),
        ]
        assert (entry["type"], entry["source"], entry["description"]) == ("charge", paid["latest_charge"], "Beans")
        assert entry["status"] == "pending"
        assert check(entry) == []

    def test_the_acquirer_is_asked_once(self, memory_shop: Shop) -> None:
        name = charge_of(memory_shop, pay(memory_shop)["latest_charge"])["balance_transaction"]

        answers = [memory_shop.get(f"/v1/balance_transactions/{name}").json() for _ in range(3)]

        assert answers[0] == answers[1] == answers[2]
        assert len(memory_shop.gateway.bank.asked) == 1

    def test_a_refund_has_its_own_and_gets_its_reference(self, shop: Shop) -> None:
        paid = pay(shop, amount=4000)
        made = shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 100}).json()

        entry = shop.get(f"/v1/balance_transactions/{made['balance_transaction']}").json()
        refund = shop.get(f"/v1/refunds/{made['id']}").json()
        events = shop.get("/v1/events?limit=2").json()["data"]

        assert (entry["amount"], entry["fee"], entry["net"], entry["type"]) == (-100, 0, -100, "refund")
        assert made["destination_details"]["card"]["reference_status"] == "pending"
        card = refund["destination_details"]["card"]
        assert (card["reference_status"], len(card["reference"])) == ("available", 23)
        assert [event["type"] for event in events] == ["refund.updated", "charge.refund.updated"]
        assert check(entry) == check(refund) == check(events[0]) == []

    def test_they_are_listed_newest_first_and_narrowed(self, shop: Shop) -> None:
        paid = pay(shop, amount=4000)
        euros = pay(shop, amount=500, currency="eur")
        refund = shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 100}).json()

        def sources(query: str = "") -> list[str]:
            listed = shop.get(f"/v1/balance_transactions?{query}").json()
            assert check(listed) == []
            return [entry["source"] for entry in listed["data"]]

        charges = [euros["latest_charge"], paid["latest_charge"]]
        assert sources() == [refund["id"], *charges]
        assert sources("type=charge") == charges
        assert sources("currency=eur") == charges[:1]
        assert sources(f"source={refund['id']}") == [refund["id"]]
        assert sources("limit=1&type=charge") == charges[:1]
        assert shop.get("/v1/balance_transactions", **OTHER).json()["data"] == []

    def test_their_net_amounts_sum_to_the_balance(self, shop: Shop) -> None:
        for amount in (900, 1500, 60):
            paid = pay(shop, amount=amount)
            shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": amount // 3})

        entries = shop.get("/v1/balance_transactions?limit=100").json()["data"]
        balance = shop.get("/v1/balance").json()

        assert sum(entry["net"] for entry in entries) == balance["pending"][0]["amount"]

    def test_one_is_not_shown_before_the_acquirer_has_told_of_it(self, memory_shop: Shop) -> None:
        paid = pay(memory_shop)
        memory_shop.gateway.bank.is_silent = True
        name = charge_of(memory_shop, paid["latest_charge"])["balance_transaction"]

        one = memory_shop.get(f"/v1/balance_transactions/{name}")
        listed = memory_shop.get("/v1/balance_transactions").json()
        expanded = charge_of(memory_shop, paid["latest_charge"], **{"expand[]": "balance_transaction"})

        assert one.status_code == 503
        assert listed["data"] == []
        assert expanded["balance_transaction"] == name

    def test_one_is_not_there_before_the_acquirer_has_taken_the_capture(self, memory_shop: Shop) -> None:
        memory_shop.gateway.acquirer.capture_script = lambda _message: NOT_SENT
        paid = pay(memory_shop)
        name = charge_of(memory_shop, paid["latest_charge"])["balance_transaction"]

        answer = memory_shop.get(f"/v1/balance_transactions/{name}")

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")
        assert memory_shop.get("/v1/balance_transactions").json()["data"] == []

    def test_another_accounts_are_not_found(self, memory_shop: Shop) -> None:
        name = charge_of(memory_shop, pay(memory_shop)["latest_charge"])["balance_transaction"]

        assert memory_shop.get(f"/v1/balance_transactions/{name}", **OTHER).status_code == 404
        assert memory_shop.gateway.bank.asked == []

    def test_each_capture_of_a_payment_has_its_own(self, shop: Shop) -> None:
        options = {"card": {"request_multicapture": "if_available"}}
        held = pay(shop, capture_method="manual", payment_method_options=options)
        path = f"/v1/payment_intents/{held['id']}/capture"
        shop.post(path, {"amount_to_capture": 700, "final_capture": False})
        shop.post(path, {"amount_to_capture": 800})
        work(shop)

        entries = shop.get(f"/v1/balance_transactions?source={held['latest_charge']}").json()["data"]

        assert [entry["amount"] for entry in entries] == [800, 700]
        assert charge_of(shop, held["latest_charge"])["balance_transaction"] == entries[0]["id"]


class TestExpand:
    """A balance transaction is shown where its id stands; the acquirer is asked for it first."""

    @pytest.mark.parametrize(
        ("path", "expansion"),
        [
            ("/v1/payment_intents/{intent}", "latest_charge.balance_transaction"),
            ("/v1/charges/{charge}", "balance_transaction"),
            ("/v1/charges?", "data.balance_transaction"),
            ("/v1/refunds/{refund}", "charge.balance_transaction"),
            ("/v1/refunds/{refund}", "balance_transaction.source.charge"),
            ("/v1/refunds?", "data.charge.balance_transaction.source"),
        ],
    )
    def test_it_is_found_at_every_depth(self, shop: Shop, path: str, expansion: str) -> None:
        paid = pay(shop)
        refund = shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 100}).json()
        names = {"intent": paid["id"], "charge": paid["latest_charge"], "refund": refund["id"]}
        joined = "&" if "?" in path else "?"

        shape = shop.get(f"{path.format(**names)}{joined}expand[]={expansion}").json()

        assert check(shape) == []
        for part in expansion.split("."):
            shape = shape[part][0] if part == "data" else shape[part]
        assert shape["object"] == ("balance_transaction" if expansion.endswith("balance_transaction") else "charge")

    def test_a_new_refund_shows_its_own(self, shop: Shop) -> None:
        paid = pay(shop)

        refund = shop.post(
            "/v1/refunds", {"payment_intent": paid["id"], "expand": ["balance_transaction"]}, idempotency_key="key"
        )
        again = shop.post(
            "/v1/refunds", {"payment_intent": paid["id"], "expand": ["balance_transaction"]}, idempotency_key="key"
        )

        assert refund.json()["balance_transaction"]["amount"] == -2000
        assert again.json() == refund.json()
        assert check(refund.json()) == []

    def test_a_charge_lists_its_refunds_only_if_asked(self, shop: Shop) -> None:
        paid = pay(shop)
        refunds = [shop.post("/v1/refunds", {"payment_intent": paid["id"], "amount": 10}).json() for _ in range(11)][
            ::-1
        ]

        plain = charge_of(shop, paid["latest_charge"])
        expanded = charge_of(shop, paid["latest_charge"], **{"expand[]": "refunds.data.charge"})

        assert "refunds" not in plain
        listed = expanded["refunds"]
        assert [item["id"] for item in listed["data"]] == [refund["id"] for refund in refunds[:10]]
        assert (listed["has_more"], listed["url"]) == (True, f"/v1/charges/{paid['latest_charge']}/refunds")
        assert listed["data"][0]["charge"]["object"] == "charge"
        assert check(expanded) == []

    def test_what_is_no_list_has_no_data(self, memory_shop: Shop) -> None:
        paid = pay(memory_shop)

        answer = memory_shop.get(f"/v1/charges/{paid['latest_charge']}?expand[]=refunds.charge")

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "expand")


class TestAvailableOn:
    """Money is expected after so many business days, at midnight."""

    @pytest.mark.parametrize(
        ("at", "days", "expected"),
        [
            (datetime(2026, 3, 12, 15, tzinfo=UTC), 2, datetime(2026, 3, 16, tzinfo=UTC)),
            (datetime(2026, 3, 14, 15, tzinfo=UTC), 2, datetime(2026, 3, 17, tzinfo=UTC)),
            (datetime(2026, 3, 11, 0, tzinfo=UTC), 0, datetime(2026, 3, 11, tzinfo=UTC)),
            (datetime(2026, 12, 23, 9, tzinfo=UTC), 2, datetime(2026, 12, 28, tzinfo=UTC)),
        ],
    )
    def test_weekends_and_holidays_do_not_count(self, at: datetime, days: int, expected: datetime) -> None:
        calendar = Calendar(yearly=frozenset({(12, 25)}))

        assert available_on(at, Terms(available_days=days, calendar=calendar)) == int(expected.timestamp())
