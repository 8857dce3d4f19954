"""What operators do with a running house: reconcile its members, cut over, look at dead letters and send them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from emulator.cli import main
from iso import Message
from node.saf_settings import SafSettings
from tests.support.house import HouseHandle, hasty, running_house

pytestmark = pytest.mark.house


def pay(house: HouseHandle, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    params = {"amount": 1999, "currency": "usd", "payment_method": method, "confirm": True}
    return house.stripe().v1.payment_intents.create(params)  # type: ignore[arg-type]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def ready_file(house: HouseHandle, folder: Path) -> str:
    house.house.write_ready(folder / "ready.json")
    return str(folder / "ready.json")


def reconcile(house: HouseHandle, node: str, mti: str, stan: str, fields: dict[int, str]) -> Message:
    """Let a bank of the house send a reconciliation to the switch; return the answer."""
    member = house.house.nodes[node].node
    host = member.host
    now, date = house.control.business_time(node), house.control.totals("switch")["date"]
    elements = {7: f"{now:%m%d%H%M%S}", 11: stan, 15: date[5:].replace("-", ""), 50: "840", **fields}

    async def ask() -> Any:
        return await member.runtime.call(lambda: host.desk.request("network", Message(mti, elements), 5.0))

    answer = house.run(ask)
    assert isinstance(answer, Message)
    return answer


class TestReconciliation:
    """Acquirer and issuer come to the same totals as the switch, each in its own dialect."""

    def test_in_and_out_of_balance(self, house: HouseHandle) -> None:
        house.control.cut_over("switch")
        pay(house)
        pay(house, "pm_card_mastercard")

        acquirer = reconcile(house, "acquirer", "0500", "000701", {81: "0000000002"})
        wrong = reconcile(house, "acquirer", "0500", "000702", {81: "0000000003"})
        issuer = reconcile(house, "issuer-a", "0520", "000703", {81: "0000000001"})
        other = reconcile(house, "issuer-b", "0500", "000704", {81: "0000000001"})

        assert (acquirer.mti, acquirer.response_code, acquirer[66]) == ("0510", "00", "1")
        assert (wrong.response_code, wrong[66], wrong[81]) == ("95", "2", "0000000002")
        assert (issuer.mti, issuer.response_code, issuer[66]) == ("0530", "00", "1")
        assert (other.mti, other.response_code) == ("0510", "00")

    def test_totals_and_cut_over_by_command(
        self, house: HouseHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        where = ("--ready-file", ready_file(house, tmp_path))
        pay(house)

        before = shown(capsys, "totals", "--member", "issuer-a", *where)
        after = shown(capsys, "totals", "cut-over", *where)
        pay(house)
        totals = shown(capsys, "totals", "--member", "issuer-a", *where)["totals"]
        main(["totals", *where])

        assert [row["date"] for row in before["totals"]] == [before["date"]]
        assert before["totals"][0]["authorisations_minor"] >= 1999
        assert after["date"] > before["date"]
        assert [row["date"] for row in totals] == [before["date"], after["date"]]
        assert totals[1]["authorisations"] == 1
        assert "authorisations                 1  19.99 USD" in capsys.readouterr().out

    def test_the_members_are_told_of_a_cut_over(self, house: HouseHandle) -> None:
        house.control.cut_over("switch")

        def told() -> set[str]:
            messages = [*house.control.messages("switch", mti="0810"), *house.control.messages("switch", mti="1814")]
            return {message["link"] for message in messages if message["direction"] == "in"}

        assert house.eventually(lambda: told() >= {"acquirer", "issuer-a", "issuer-b"})


@pytest.fixture
def impatient_house(tmp_path: Path) -> Iterator[HouseHandle]:
    """A house that gives a reversal up after one attempt."""
    saf = SafSettings(attempts_max=1, answer_timeout_s=0.5)
    with running_house(tmp_path, hasty().model_copy(update={"saf": saf})) as handle:
        yield handle


class TestDeadLetters:
    """A reversal that nobody answered is visible, and arrives once somebody sends it again."""

    def test_a_reversal_dies_and_is_sent_again(
        self, impatient_house: HouseHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        house = impatient_house
        where = ("--ready-file", ready_file(house, tmp_path))
        house.add_fault("switch", "issuer-a", "in", "0110", "drop")
        house.add_fault("switch", "issuer-a", "in", "0430", "drop")
        with pytest.raises(stripe.CardError):
            pay(house)
        assert house.eventually(lambda: bool(house.control.saf("switch", "dead")))

        listed = shown(capsys, "saf", "list", "--state", "dead", *where)["entries"]
        main(["saf", *where])
        people = capsys.readouterr().out
        resent = shown(capsys, "saf", "resend", listed[0]["identifier"], *where)["resent"]

        assert [(entry["node"], entry["link"], entry["mti"], entry["attempts"]) for entry in listed] == [
            ("switch", "issuer-a", "0420", 1)
        ]
        assert people.startswith("dead     switch -> issuer-a  0420")
        assert resent == [listed[0]["identifier"]]
        assert house.eventually(lambda: not house.control.saf("switch"))
        sent = [message["mti"] for message in house.control.messages("switch", link="issuer-a", direction="out")]
        assert sent.count("0420") == sent.count("0421") == 1
        assert main(["saf", "resend", "--all", *where]) == 1

    def test_what_is_not_dead_cannot_be_sent_again(
        self, house: HouseHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        where = ("--ready-file", ready_file(house, tmp_path))

        assert main(["saf", "resend", "nobody", *where]) == 1
        assert "no dead entry has it" in capsys.readouterr().err
        assert main(["saf", "resend", *where]) == 2
        assert main(["saf", "list", "nobody", *where]) == 2
