"""The list of known differences: each names tests that exist, and the tests of those that nobody else pins."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from gateway.api.routes import ENDPOINTS
from iso.money import currency
from tests.support.belongings import ABSENT, path_of, work_off
from tests.support.gateway import Shop, all_events, declined, open_shop, payment
from tests.support.oracle import EXTENSIONS, Oracle
from tests.support.sdk_parameters import missing, page, parameters_of

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
LIST = (DOCS / "STRIPE_COMPAT.md").read_text("utf-8").partition("## Known differences")[2]
PIN = re.compile(r"^  - `(test_\w+\.py)::(\w+)::(\w+)`$", re.MULTILINE)


def error(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


class TestDocument:
    """A difference that no test pins is a rumour."""

    def test_every_difference_names_a_test(self) -> None:
        differences = re.split(r"^- ", LIST, flags=re.MULTILINE)[1:]

        assert len(differences) > 20
        assert [difference for difference in differences if not PIN.search(difference)] == []

    def test_every_test_that_is_named_exists(self) -> None:
        absent = []
        for file, group, name in PIN.findall(LIST):
            tree = ast.parse((HERE / file).read_text("utf-8"))
            groups = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == group]
            if name not in {node.name for found in groups for node in ast.walk(found) if hasattr(node, "name")}:
                absent.append(f"{file}::{group}::{name}")

        assert absent == []

    def test_what_goes_beyond_the_sdk_is_in_the_list(self) -> None:
        assert [name for names in EXTENSIONS.values() for name in names if name not in LIST] == []

    def test_the_table_of_what_there_is_has_every_resource(self) -> None:
        table = (DOCS / "STRIPE_COMPAT.md").read_text("utf-8").partition("## Known differences")[0]
        resources = {endpoint.path.split("/")[2] for endpoint in ENDPOINTS}

        assert [resource for resource in sorted(resources) if f"`{resource}`" not in table] == []


class TestParameters:
    """What is not understood is refused by name."""

    def test_what_the_sdk_has_and_we_refuse_is_listed(self) -> None:
        """Printed by `python -m tests.support.sdk_parameters`."""
        assert (DOCS / "reference" / "refused-parameters.md").read_text("utf-8") == page()

    def test_the_sdk_has_typed_parameters_for_nearly_every_operation(self) -> None:
        without = [endpoint.path for endpoint in ENDPOINTS if parameters_of(endpoint) is None]

        assert {path for path in without if "/refund" not in path} == set()

    @pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
    def test_what_is_listed_is_refused_by_name(self, memory_shop: Shop, endpoint: Any) -> None:
        typed = parameters_of(endpoint)
        refused = [name for name in missing(typed, endpoint.spec) if "[" not in name] if typed else ["nonsense"]

        for name in refused:
            query, body = (f"?{name}=1", "") if endpoint.method == "GET" else ("", f"{name}=1")
            answer = memory_shop.send(endpoint.method, path_of(endpoint, ABSENT) + query, body)

            assert (answer.status_code, error(answer)["code"]) == (400, "parameter_unknown"), name

    def test_what_is_only_text_is_taken_as_it_is(self, memory_shop: Shop) -> None:
        made = memory_shop.post("/v1/customers", {"address": {"country": "Atlantis"}, "phone": "none"})
        said = memory_shop.post("/v1/payment_intents", payment(statement_descriptor_suffix="<1>", confirm=False))

        assert (made.json()["address"]["country"], made.json()["phone"]) == ("Atlantis", "none")
        assert said.json()["statement_descriptor_suffix"] == "<1>"

    def test_what_only_redirects_need_changes_nothing(self, memory_shop: Shop) -> None:
        plain = memory_shop.paid()

        paid = memory_shop.paid(
            return_url="https://shop.example/back",
            use_stripe_sdk=True,
            error_on_requires_action=True,
            automatic_payment_methods={"enabled": True},
            payment_method_options={"card": {"request_three_d_secure": "any"}},
        )

        assert (paid["status"], paid["next_action"]) == (plain["status"], plain["next_action"]) == ("succeeded", None)

    def test_cards_are_the_only_way_to_pay(self, memory_shop: Shop) -> None:
        wish = {"amount": 2000, "currency": "usd"}

        card = memory_shop.post("/v1/payment_intents", {**wish, "payment_method_types": ["card"]})
        debit = memory_shop.post("/v1/payment_intents", {**wish, "payment_method_types": ["card", "sepa_debit"]})

        assert card.json()["payment_method_types"] == ["card"]
        assert (debit.status_code, error(debit)["param"]) == (400, "payment_method_types[1]")


class TestPayments:
    """Where a payment goes another way than on Stripe."""

    def test_a_card_that_needs_authentication_is_declined(self, memory_shop: Shop) -> None:
        memory_shop.gateway.acquirer.script = declined("1A")

        answer = memory_shop.post("/v1/payment_intents", payment())

        told = error(answer)
        assert (answer.status_code, told["code"]) == (402, "authentication_required")
        assert (told["decline_code"], told["network_decline_code"]) == ("authentication_required", "1A")
        assert told["payment_intent"]["status"] == "requires_payment_method"
        assert told["payment_intent"]["next_action"] is None

    def test_a_currency_has_the_decimals_of_its_standard(self, memory_shop: Shop) -> None:
        amounts = {"isk": 1_001, "ugx": 1_001, "jpy": 1_001, "usd": 1_001}

        sent = [memory_shop.paid(amount=amount, currency=code)["status"] for code, amount in amounts.items()]
        refused = memory_shop.post("/v1/payment_intents", payment(currency="mga"))

        exponents = [currency(message.get(49) or "").exponent for message in memory_shop.gateway.acquirer.sent("0100")]
        assert (sent, exponents) == (["succeeded"] * 4, [0, 0, 0, 2])
        assert (refused.status_code, error(refused)["param"]) == (400, "currency")

    def test_a_post_shows_the_id_of_a_balance_transaction(self, memory_shop: Shop) -> None:
        paid = memory_shop.paid(expand=["latest_charge.balance_transaction"])

        assert paid["latest_charge"]["balance_transaction"].startswith("txn_")


class TestOracle:
    """What the type oracle does not see, nobody sees."""

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda intent: intent | {"amount": "2000"},
            lambda intent: intent | {"capture_method": "later"},
            lambda intent: intent | {"colour": "red"},
            lambda intent: intent | {"object": "payment_intention"},
            lambda intent: intent | {"payment_method_types": None},
            lambda intent: intent | {"payment_method_options": {"card": {"network": 4}}},
            lambda intent: {name: value for name, value in intent.items() if name != "status"},
        ],
    )
    def test_it_finds_what_is_wrong_in_the_snapshot_of_an_event(self, memory_shop: Shop, spoil: Any) -> None:
        memory_shop.paid()
        rows = memory_shop.portal.call(all_events, memory_shop.gateway.store)
        (row,) = [row for row in rows if row.type == "payment_intent.succeeded"]
        oracle, intact = Oracle(), Oracle()

        oracle.see_events([row._replace(data=json.dumps(spoil(json.loads(row.data))))])
        intact.see_events(rows)

        assert (len(oracle.findings), oracle.events) == (1, 1)
        assert (intact.findings, intact.events) == ([], len(rows))

    def test_it_reads_every_event_of_a_database(self, tmp_path: Path) -> None:
        with open_shop(tmp_path / "gateway.db") as shop:
            shop.paid()
            rows = shop.portal.call(all_events, shop.gateway.store)
        oracle = Oracle()

        oracle.see_database(tmp_path / "gateway.db")

        assert (oracle.events, oracle.findings) == (len(rows), [])
        with pytest.raises(FileNotFoundError):
            oracle.see_database(tmp_path / "another.db")


class TestCards:
    """Where a card is treated otherwise than on Stripe."""

    def test_a_card_that_declines_can_be_attached(self, memory_shop: Shop) -> None:
        customer = memory_shop.post("/v1/customers").json()["id"]
        memory_shop.gateway.acquirer.script = declined("05")

        attached = memory_shop.post("/v1/payment_methods/pm_card_chargeDeclined/attach", {"customer": customer})

        assert attached.json()["customer"] == customer
        assert memory_shop.gateway.acquirer.seen == []

    @pytest.mark.parametrize(
        "name", ["riskLevelHighest", "riskLevelElevated", "createDispute", "pendingRefund", "refundFail"]
    )
    def test_a_card_that_is_special_later_is_approved_like_any_other(self, memory_shop: Shop, name: str) -> None:
        cards = tomllib.loads((resources.files("banks.issuer") / "seed_cards.toml").read_text("utf-8"))["cards"]
        named = json.loads((resources.files("gateway") / "data" / "virtual_cards.json").read_text("utf-8"))["cards"]
        (special,) = [card for card in cards if card["pan"] == named[name]]

        paid = memory_shop.paid(payment_method=f"pm_card_{name}", expand=["latest_charge"])
        work_off(memory_shop)
        refund = memory_shop.post("/v1/refunds", {"payment_intent": paid["id"]}).json()

        assert special.keys() == {"pan", "about"}
        assert (paid["status"], paid["latest_charge"]["outcome"]["type"]) == ("succeeded", "authorized")
        assert (paid["latest_charge"]["disputed"], refund["status"]) == (False, "succeeded")
