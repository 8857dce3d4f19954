"""`/emu/v1` of a whole house: a payment from its HTTP request to the books of both banks, and the CLI agrees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from emulator.cli import main
from gateway.core.cards import carries_card_number
from tests.support.house import HouseHandle

pytestmark = pytest.mark.house


@pytest.fixture
def operator(house: HouseHandle) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {house.ready['operator_key']}"}
    with httpx.Client(
        base_url=house.ready["gateway_url"] + "/emu/v1", headers=headers, trust_env=False, timeout=20
    ) as client:
        yield client


def pay(house: HouseHandle, method: str = "pm_card_visa", **changes: Any) -> stripe.PaymentIntent:
    params = {"amount": 1999, "currency": "usd", "payment_method": method, "confirm": True, **changes}
    return house.stripe().v1.payment_intents.create(params)  # type: ignore[arg-type]


def told(
    house: HouseHandle, operator: httpx.Client, name: str, is_whole: Callable[[Any], bool]
) -> list[dict[str, Any]]:
    """Return the steps of a trace, once what is still under way has come to its end."""
    steps: list[dict[str, Any]] = []

    def look() -> bool:
        steps[:] = operator.get(f"/traces/{name}").json()["steps"]
        return is_whole(steps)

    assert house.eventually(look)
    return steps


def is_captured(steps: list[dict[str, Any]]) -> bool:
    # The last of it: the acquirer hears from the network that the issuer has taken its capture.
    last = ("acquirer", "0230", "in")
    return any((step["node"], step.get("mti"), step.get("direction")) == last for step in steps)


class TestTrace:
    """One payment, in order: HTTP, HSM, every hop with its bytes, and what both banks wrote down, masked."""

    def test_a_captured_payment_from_http_to_the_ledgers(self, house: HouseHandle, operator: httpx.Client) -> None:
        intent = pay(house)

        steps = told(house, operator, intent.id, is_captured)

        kinds = [step["step"] for step in steps]
        assert kinds[0] == "http"
        asked = [(step["node"], step["command"], step["code"]) for step in steps if step["step"] == "hsm"]
        assert asked[:2] == [("gateway", "ZA", "00"), ("gateway", "ZC", "00")]
        assert {"switch", "issuer-a"} <= {node for node, _, _ in asked}
        assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
        places = [
            (step["node"], step.get("mti") or step["kind"])
            for step in steps
            if step["step"] in ("iso8583", "ledger") and step["node"] in ("acquirer", "issuer-a")
        ]
        issuer = [what for node, what in places if node == "issuer-a"]
        acquirer = [what for node, what in places if node == "acquirer"]
        assert issuer == ["0100", "hold", "0110", "0220", "void", "hold", "0230"]
        assert acquirer.index("transfer") > acquirer.index("0220")
        assert acquirer.count("transfer") == 4

    def test_the_postings_add_up(self, house: HouseHandle, operator: httpx.Client) -> None:
        intent = pay(house)

        steps = told(house, operator, intent.id, is_captured)

        booked = [step for step in steps if step["step"] == "ledger" and step["node"] == "acquirer"]
        assert [step["amount_minor"] for step in booked if step["other"].startswith("network")] == [1999]
        assert sum(step["change_minor"] for step in booked) == 1999 - sum(
            step["amount_minor"] for step in booked if step["other"].startswith("fees")
        )

    def test_nothing_of_it_shows_a_card(self, house: HouseHandle, operator: httpx.Client) -> None:
        intent = pay(house)
        told(house, operator, intent.id, is_captured)

        text = operator.get(f"/traces/{intent.id}").text

        assert not carries_card_number(text)
        assert b"4242424242424242".hex() not in text.lower()

    def test_every_name_of_it_and_the_command_line_agree(
        self, house: HouseHandle, operator: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        intent = pay(house)
        whole = told(house, operator, intent.id, is_captured)
        headers = intent.last_response.headers  # type: ignore[union-attr]
        house.house.write_ready(tmp_path / "ready.json")
        capsys.readouterr()

        names = [intent.latest_charge, headers["Request-Id"], headers["Emu-Trace-Id"]]
        found = [operator.get(f"/traces/{name}").json()["steps"] for name in names]
        code = main(["trace", "--payment", intent.id, "--json", "--ready-file", str(tmp_path / "ready.json")])

        assert found == [whole] * 3
        assert code == 0
        assert json.loads(capsys.readouterr().out)["steps"] == whole

    def test_people_see_every_kind_of_step(
        self, house: HouseHandle, operator: httpx.Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        intent = pay(house)
        told(house, operator, intent.id, is_captured)
        house.house.write_ready(tmp_path / "ready.json")
        capsys.readouterr()

        assert main(["trace", "--payment", intent.id, "--ready-file", str(tmp_path / "ready.json")]) == 0

        shown = capsys.readouterr().out
        assert shown == operator.get(f"/traces/{intent.id}/text").text
        for part in (
            "POST /v1/payment_intents  200",
            "HSM command ZC  00",
            "decides 0100  00  APPROVED",
            "transfer  1999",
            "hold  1999",
            "0230",
        ):
            assert part in shown

    def test_a_refund_belongs_to_its_payment(self, house: HouseHandle, operator: httpx.Client) -> None:
        intent = pay(house)
        refund = house.stripe().v1.refunds.create({"payment_intent": intent.id, "amount": 500})

        def is_refunded(steps: list[dict[str, Any]]) -> bool:
            return any(str(step.get("reference", "")).startswith("refund/") for step in steps)

        whole = told(house, operator, intent.id, is_refunded)
        own = told(house, operator, refund.id, is_refunded)

        assert [step["path"] for step in whole if step["step"] == "http"] == ["/v1/payment_intents", "/v1/refunds"]
        assert [step["path"] for step in own if step["step"] == "http"] == ["/v1/refunds"]

    def test_a_decline_is_told_with_its_reason(self, house: HouseHandle, operator: httpx.Client) -> None:
        with pytest.raises(stripe.CardError) as caught:
            pay(house, "pm_card_chargeDeclinedInsufficientFunds")

        steps = operator.get(caught.value.json_body["error"]["request_log_url"]).json()["steps"]  # type: ignore[index]

        assert (steps[0]["status"], steps[0]["error"]) == (402, "card_error card_declined")
        assert [step["fields"]["39"] for step in steps if step.get("mti") == "0110"] == ["51"] * 6

    @pytest.mark.parametrize(
        ("card", "code", "reason", "because"),
        [
            ("pm_card_chargeDeclinedInsufficientFunds", "51", "NO_FUNDS", "insufficient funds"),
            ("pm_card_chargeDeclinedExpiredCard", "54", "CARD_EXPIRED", "expired in the card file"),
            ("pm_card_chargeDeclined", "05", "SCRIPTED", "a script of the card or of the issuer answers"),
            ("pm_card_visa", "00", "APPROVED", "approved"),
        ],
    )
    def test_the_rule_that_decided_is_named(
        self, house: HouseHandle, operator: httpx.Client, card: str, code: str, reason: str, because: str
    ) -> None:
        try:
            name = pay(house, card).id
        except stripe.CardError as error:
            name = error.json_body["error"]["payment_intent"]["id"]  # type: ignore[index]

        steps = operator.get(f"/traces/{name}").json()["steps"]

        (decided,) = [step for step in steps if step["step"] == "decision" and step["mti"] == "0100"]
        answered = steps[steps.index(decided) :]
        assert (decided["node"], decided["code"], decided["reason"]) == ("issuer-a", code, reason)
        assert decided["because"].startswith(because)
        assert next(step["mti"] for step in answered if step["step"] == "iso8583") == "0110"

    def test_a_silent_issuer_is_told_with_the_reversal(self, house: HouseHandle, operator: httpx.Client) -> None:
        fault = {"link": "network", "direction": "out", "mti": "0110", "action": "close"}
        operator.post("/faults", json={"node": "issuer-a", "fault": fault}).raise_for_status()
        with pytest.raises(stripe.CardError) as caught:
            pay(house)
        operator.post("/reset", json={"what": ["faults"]}).raise_for_status()
        name = caught.value.json_body["error"]["payment_intent"]["id"]  # type: ignore[index]

        def is_undone(steps: list[dict[str, Any]]) -> bool:
            # Messages are kept a moment after they crossed.
            seen = {(step["node"], step.get("mti"), step.get("direction")) for step in steps}
            is_told = {("issuer-a", "0420", "in"), ("issuer-a", "0430", "out")} <= seen
            return is_told and any(step.get("kind") == "void" for step in steps)

        steps = told(house, operator, name, is_undone)

        at_issuer = [step for step in steps if step["node"] == "issuer-a"]
        assert [step.get("mti") or step["kind"] for step in at_issuer if step["step"] != "hsm"][:3] == [
            "0100", "0100", "hold",
        ]  # fmt: skip
        assert [step["reason"] for step in at_issuer if step["step"] == "decision"] == ["APPROVED", "REVERSED"]
        asked, voided, answered = (
            next(at for at, step in enumerate(at_issuer) if is_it(step))
            for is_it in (
                lambda step: (step.get("mti"), step.get("direction")) == ("0420", "in"),
                lambda step: step.get("kind") == "void",
                lambda step: (step.get("mti"), step.get("direction")) == ("0430", "out"),
            )
        )
        assert asked < voided < answered
        assert len(at_issuer[voided]["at"]) == len(at_issuer[asked]["at"])


class TestHouse:
    """The house is looked at and run through one address."""

    def test_every_host_is_up_and_lists_its_links(self, house: HouseHandle, operator: httpx.Client) -> None:
        hosts = {host["node"]: host for host in operator.get("/hosts").json()["data"]}

        assert all(host["is_up"] and host["is_ready"] for host in hosts.values())
        assert [link["name"] for link in hosts["switch"]["links"]] == ["acquirer", "issuer-a", "issuer-b"]
        assert [link["is_up"] for link in hosts["gateway"]["links"]] == [True]

    def test_seeded_payments_get_what_their_cards_say(self, house: HouseHandle, operator: httpx.Client) -> None:
        account = house.stripe().v1.accounts.retrieve_current().id

        made = operator.post("/seed", json={"account": account, "payments": 14}).json()

        assert sum(made["statuses"].values()) == 14
        assert made["statuses"]["succeeded"] >= 8
        assert made["statuses"]["insufficient_funds"] == 1

    def test_a_fault_strikes_and_is_put_back(self, house: HouseHandle, operator: httpx.Client) -> None:
        fault = {"link": "network", "direction": "out", "mti": "0110", "action": "delay", "delay_s": 0.05, "times": 0}
        armed = operator.post("/faults", json={"node": "issuer-a", "fault": fault})
        pay(house)

        fired = operator.get("/faults", params={"node": "issuer-a"}).json()["data"][0]["fired"]
        operator.post("/reset", json={"what": ["faults", "scripts"]})

        assert armed.status_code == 201
        assert fired[-1]["action"] == "delay"
        assert operator.get("/faults").json()["data"][1]["armed"] == []

    def test_the_cards_of_the_house_are_listed_masked(self, house: HouseHandle, operator: httpx.Client) -> None:
        answer = operator.get("/cards")

        cards = {name: card for card in answer.json()["data"] for name in card["names"]}
        assert cards["pm_card_visa"]["about"] == "approved"
        assert cards["pm_card_mastercard"]["issuer"] == "issuer-b"
        assert not carries_card_number(answer.text)

    def test_business_time_moves_everywhere(self, house: HouseHandle, operator: httpx.Client) -> None:
        before = operator.get("/clock").json()

        after = operator.post("/clock/advance", json={"by": "90s"}).json()

        assert (before["agree"], after["agree"]) == (True, True)
        assert {clock["offset_s"] for clock in after["data"]} == {before["data"][0]["offset_s"] + 90}
