"""A whole house routes by rules that change while it works, and bills in another currency."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from emulator.cli import main
from emulator.house import DEFAULT_DATA_DIR, READY_FILE
from emulator.topology import default_text, read_topology
from node.control_access import service_token
from node.control_client import ControlError
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house

PAN = "4242424242424242"
EUR_ISSUER = 'dialect = "ascii87"\nbilling_currency = "EUR"\nsettlement_currency = "EUR"'
RATE = '\n[[nodes.switch.rates]]\nfrom = "USD"\nto = "EUR"\nrate = "0.9"\nsell = "2"\n'
ELSEWHERE = (
    '\n[[nodes.switch.routes]]\nname = "diverted"\nprefixes = ["4242"]\nto = "issuer-b"\nwhen = "amount == 4300"\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("routing")


@pytest.fixture(scope="module")
def euro(folder: Path) -> Iterator[HouseHandle]:
    """A house whose issuer A bills and settles in EUR, and whose acquirer settles in EUR."""
    data = folder / DEFAULT_DATA_DIR
    data.mkdir()
    file = folder / "euro.toml"
    text = default_text().replace('dialect = "ascii87"', EUR_ISSUER, 1)
    file.write_text(
        text.replace('institution = "400001"', 'institution = "400001"\nsettlement_currency = "EUR"') + RATE
    )
    (folder / "diverted.toml").write_text(file.read_text() + ELSEWHERE)
    with running_house(data, read_topology(file)) as house:
        house.house.write_ready(data / READY_FILE)
        yield house


def pay(house: HouseHandle, amount: int, **more: Any) -> Any:
    wanted = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **more}
    return house.stripe().v1.payment_intents.create(wanted)  # type: ignore[arg-type]


def crossed(house: HouseHandle, node: str, link: str, mti: str, amount: int) -> dict[str, str]:
    messages = house.control.messages(node, mti=mti, link=link)
    [found] = [message["fields"] for message in messages if message["fields"]["4"] == f"{amount:012d}"]
    return dict(found)


class TestBillingInAnotherCurrency:
    """The merchant is paid in its currency; the cardholder's account, in its own, holds the converted amount."""

    def test_the_hold_is_in_euro_and_the_answer_in_dollars(self, euro: HouseHandle) -> None:
        paid = pay(euro, 4_200)

        asked = crossed(euro, "switch", "issuer-a", "0100", 4_200)
        told = crossed(euro, "switch", "acquirer", "0110", 4_200)
        held = {
            account["currency"]: account["held_minor"]
            for account in euro.state("issuer-a")["accounts"]
            if account["held_minor"]
        }
        assert (paid.status, paid.amount, paid.currency) == ("succeeded", 4_200, "usd")
        assert (asked["6"], asked["10"], asked["51"]) == ("000000003856", "79180000", "978")
        assert (asked["5"], asked["9"], asked["50"]) == ("000000003780", "79000000", "978")
        assert (told["5"], told["50"]) == ("000000003780", "978")
        assert "6" not in told
        assert set(held) == {"978"}
        assert held["978"] == 3_856

    def test_the_money_is_free_again_after_a_reversal(self, euro: HouseHandle) -> None:
        euro.add_fault("issuer-a", "network", "out", "0110")

        with pytest.raises(stripe.CardError):
            pay(euro, 5_000)

        assert euro.eventually(lambda: bool(euro.control.messages("switch", mti="0430", link="issuer-a")))
        reversed_hold = crossed(euro, "switch", "issuer-a", "0420", 5_000)
        assert (reversed_hold["6"], reversed_hold["51"]) == ("000000004590", "978")
        assert [hold for hold in euro.state("issuer-a")["holds"] if hold["amount_minor"] == 4_590] == []

    def test_a_currency_without_a_rate_is_declined_and_never_leaves(self, euro: HouseHandle) -> None:
        before = len(euro.control.messages("switch", mti="0100", link="issuer-a"))

        with pytest.raises(stripe.CardError):
            pay(euro, 4_400, currency="jpy")

        assert len(euro.control.messages("switch", mti="0100", link="issuer-a")) == before


class TestReloading:
    """`cardrails route reload` puts another table in force under load, whole or not at all."""

    def test_payments_go_on_and_the_new_rule_is_followed(
        self, euro: HouseHandle, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(folder)
        files = ["diverted.toml", "euro.toml"]

        with ThreadPoolExecutor(4) as pool:
            payments = [pool.submit(pay, euro, 1_000 + number) for number in range(24)]
            codes = [main(["route", "reload", files[number % 2]]) for number in range(7)]
            statuses = {payment.result().status for payment in payments}

        assert codes == [0] * 7
        assert statuses == {"succeeded"}
        capsys.readouterr()
        assert main(["route", PAN, "--amount", "4300", "--json"]) == 0
        told = capsys.readouterr().out
        assert json.loads(told)["link"] == "issuer-b"
        assert PAN not in told
        with pytest.raises(stripe.CardError):
            pay(euro, 4_300)
        assert main(["route", "reload", "euro.toml"]) == 0
        assert pay(euro, 4_300).status == "succeeded"

    @pytest.mark.parametrize(
        ("routing", "part"),
        [
            ({"bins": {"nowhere": ["4"]}}, "nowhere is not one of issuer-a, issuer-b"),
            ({"bins": {"issuer-a": ["4"], "issuer-b": ["4"]}}, "routed to two issuers"),
            ({"bins": {"issuer-a": ["4x"]}}, "1 to 11 digits"),
            ({"tables": {}}, "tables"),
            ({"groups": [{"name": "g", "links": ["issuer-a", "issuer-a"]}]}, "group g"),
        ],
    )
    def test_what_is_wrong_is_named_and_changes_nothing(
        self, euro: HouseHandle, routing: dict[str, Any], part: str
    ) -> None:
        before = euro.control.routes()

        with pytest.raises(ControlError, match=f"422.*{part}"):
            euro.control.reload_routes(routing)

        assert euro.control.routes() == before

    def test_the_table_is_shown_with_its_links(self, euro: HouseHandle) -> None:
        shown = euro.control.routes()

        assert shown["links"] == {"issuer-a": True, "issuer-b": True}
        assert {route["to"] for route in shown["routes"]} == {"issuer-a", "issuer-b"}

    def test_reading_does_not_allow_to_reload(self, euro: HouseHandle) -> None:
        url = f"{euro.house.control_urls()['switch']}/nodes/switch/routes"
        token = service_token(euro.house.secret, "switch", "read")

        answer = httpx.put(url, headers={"authorization": f"Bearer {token}"}, json={"bins": {}}, trust_env=False)

        assert answer.status_code == 403

    def test_other_nodes_route_nothing(self, euro: HouseHandle) -> None:
        with pytest.raises(ControlError, match="404"):
            euro.control.routes("acquirer")

    def test_a_question_that_makes_no_sense_is_refused_without_a_card_number(self, euro: HouseHandle) -> None:
        with pytest.raises(ControlError, match="1 to 19 digits") as refused:
            euro.control.explain_route({"pan": f"{PAN}x"})

        assert PAN not in str(refused.value)
