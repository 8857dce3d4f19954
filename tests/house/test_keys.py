"""A whole house changes the keys of its links while it sells, and seals its issuer links if it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from emulator.cli import main
from emulator.house import READY_FILE
from emulator.topology import Topology, read_topology
from hsm_sim.zones.settings import KeySettings
from node.control_client import ControlError
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


def sealed() -> Topology:
    """Return the default house with a CMAC on one issuer link and the retail MAC on the other."""
    topology = read_topology(None)
    nodes = topology.nodes.model_copy(
        update={
            "issuer_a": topology.nodes.issuer_a.model_copy(update={"mac": "cmac"}),
            "issuer_b": topology.nodes.issuer_b.model_copy(update={"mac": "retail"}),
        }
    )
    return topology.model_copy(update={"nodes": nodes, "keys": KeySettings(grace_s=0.1, retry_s=0.5)})


@pytest.fixture(scope="module")
def house(data_dir: Path) -> Iterator[HouseHandle]:
    with running_house(data_dir, sealed()) as running:
        running.house.write_ready(data_dir / READY_FILE)
        yield running


def pays(house: HouseHandle, number: str = "4242424242424242") -> str:
    card: Any = {"number": number, "exp_month": 12, "exp_year": 2030, "cvc": "123"}
    method = house.stripe().v1.payment_methods.create({"type": "card", "card": card})
    try:
        intent = house.stripe().v1.payment_intents.create(
            {
                "amount": 4200,
                "currency": "usd",
                "payment_method": method.id,
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
    except stripe.CardError as error:
        return str(error.code)
    return str(intent.status)


def keys(words: str, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run `cardrails keys`; return exit code and what was printed."""
    code = main(["keys", *words.split(), "--ready-file", str(data_dir / READY_FILE)])
    return code, capsys.readouterr().out


class TestKeysOfAHouse:
    """Every key of every link can be changed on demand, and payments go on."""

    @pytest.mark.parametrize("member", ["acquirer", "issuer-a", "issuer-b"])
    def test_every_key_of_a_link_is_changed_and_both_ends_have_it(
        self, house: HouseHandle, data_dir: Path, capsys: pytest.CaptureFixture[str], member: str
    ) -> None:
        code, printed = keys(f"exchange --member {member} --json", data_dir, capsys)
        results = json.loads(printed)["exchanged"]

        assert (code, [result["outcome"] for result in results]) == (0, ["changed"] * 3)
        assert house.eventually(
            lambda: (
                {(key["kind"], key["kcv"]) for key in house.control.link_keys(member)}
                == {(result["kind"], result["kcv"]) for result in results}
            )
        )
        assert pays(house) == pays(house, "5555555555554444") == "succeeded"

    def test_a_member_asks_for_a_key(
        self, house: HouseHandle, data_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def pin_key() -> dict[str, Any]:
            return next(
                key for key in house.control.link_keys("switch") if (key["link"], key["kind"]) == ("issuer-a", "pin")
            )

        before = pin_key()["generation"]

        code, printed = keys("exchange --member issuer-a --kind pin --ask", data_dir, capsys)

        assert (code, printed) == (0, "network  pin: asked, answered 00\n")
        assert house.eventually(lambda: pin_key()["generation"] == before + 1)

    def test_they_are_listed_by_check_value(
        self, house: HouseHandle, data_dir: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, printed = keys("links --node switch", data_dir, capsys)

        assert code == 0
        assert [line.split()[:2] for line in printed.splitlines()] == [
            [f"switch/{link}", kind]
            for link, mac in (("acquirer", "mac"), ("issuer-a", "mac"), ("issuer-b", "mac-retail"))
            for kind in (mac, "pin", "pin-aes")
        ]

    def test_no_message_was_refused_for_its_mac(self, house: HouseHandle) -> None:
        states = [house.state(node)["links"] for node in ("acquirer", "switch", "issuer-a", "issuer-b")]

        assert {link["bad_mac"] for links in states for link in links.values()} == {0}

    @pytest.mark.parametrize(
        ("node", "link", "kind"),
        [("switch", "nobody", "mac"), ("switch", "issuer-a", "mac-retail"), ("gateway", "acquirer", "mac")],
    )
    def test_a_key_that_is_not_shared_cannot_be_changed(
        self, house: HouseHandle, node: str, link: str, kind: str
    ) -> None:
        with pytest.raises(ControlError, match="404"):
            house.control.exchange_key(node, link, kind)
