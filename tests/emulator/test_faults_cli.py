"""Faults from the command line and from a topology, and docs/reference/faults.md."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.house import DEFAULT_DATA_DIR, READY_FILE
from emulator.topology import FaultSection, Topology, default_text, on_free_ports, read_topology
from iso import ConfigError
from node.core.faults import ACTIONS, Fault
from node.settings import parse
from tests.support.console import examples, run
from tests.support.house import HouseHandle, running_house

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
TEXT = DOCUMENT.read_text("utf-8")


def with_fault(**keys: object) -> Topology:
    fault = {"node": "acquirer", "link": "network", "direction": "out", "action": "drop"} | keys
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in fault.items())
    return parse(Topology, f"{default_text()}\n[[faults]]\n{lines}\n", "test.toml")


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HouseHandle]:
    monkeypatch.chdir(tmp_path)
    data_dir = tmp_path / DEFAULT_DATA_DIR
    data_dir.mkdir()
    with running_house(data_dir) as running:
        running.house.write_ready(data_dir / READY_FILE)
        yield running


class TestTheDocument:
    """It names every action and every key, with their defaults, and its examples are true."""

    def test_actions_and_keys(self) -> None:
        rows = set(re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE))

        assert set(ACTIONS) <= rows
        assert [key for key in Fault._fields if f"`{key}" not in TEXT] == []

    def test_its_topology_is_one(self) -> None:
        (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)

        fault = FaultSection(**tomllib.loads(block)["faults"][0]).fault()

        assert (fault.link, fault.action, fault.nth, fault.times) == ("network", "wrong-stan", 3, 2)

    @pytest.mark.house
    def test_its_console(self, house: HouseHandle) -> None:
        shown = examples(DOCUMENT)

        assert [run(example.command) for example in shown] == [example.output for example in shown]


class TestATopology:
    """A fault in a topology is armed from the start; one that cannot happen is one line."""

    def test_it_is_read_and_kept_on_free_ports(self) -> None:
        (section,) = on_free_ports(with_fault(times=0)).faults

        assert (section.node, section.fault()) == ("acquirer", Fault("network", "out", "", "drop", times=0))

    @pytest.mark.parametrize(
        ("keys", "rule"),
        [
            ({"action": "delay"}, "a delay needs delay_s"),
            ({"node": "hsm"}, "faults[0].node"),
            ({"delay": 1}, "faults[0].delay"),
        ],
    )
    def test_what_is_wrong_is_said(self, keys: dict[str, object], rule: str) -> None:
        with pytest.raises(ConfigError) as raised:
            with_fault(**keys)

        assert rule in str(raised.value)

    @pytest.mark.house
    def test_a_link_that_the_node_does_not_have_stops_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(BaseExceptionGroup) as raised, running_house(tmp_path, with_fault(link="nowhere")):
            raise AssertionError("the house has started")

        assert raised.group_contains(ConfigError, match="there is no link 'nowhere'; there are", depth=None)

    @pytest.mark.house
    def test_it_strikes(self, tmp_path: Path) -> None:
        with running_house(tmp_path, with_fault(mti="0100", action="delay", delay_s=0.01)) as running:
            running.stripe().v1.payment_intents.create(
                {"amount": 100, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
            )
            struck = running.control.faults_fired("acquirer")

        assert [(fired.mti, fired.action) for fired in struck] == [("0100", "delay")]


@pytest.mark.house
class TestTheCommand:
    """`cardrails faults` arms, lists and clears; what cannot be is one line."""

    def test_what_struck_is_listed(self, house: HouseHandle) -> None:
        run("cardrails faults add acquirer/network direction=out mti=0100 action=delay delay_s=0.01")
        house.stripe().v1.payment_intents.create(
            {"amount": 100, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )

        assert run("cardrails faults list acquirer") == (
            "acquirer: struck 1 times: link=network direction=out mti=0100 action=delay"
        )

    def test_the_hsm_has_its_own(self, house: HouseHandle) -> None:
        added = json.loads(run("cardrails faults add hsm action=delay delay_s=0.01 times=3 --json"))
        listed = json.loads(run("cardrails faults list hsm --json"))
        run("cardrails faults clear hsm")

        assert added["action"] == "delay"
        assert [fault["times"] for fault in listed["hsm"]["armed"]] == [3]
        assert json.loads(run("cardrails faults list hsm --json"))["hsm"]["armed"] == []

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            ("acquirer/nowhere direction=out action=drop", "there is no link 'nowhere'"),
            ("nobody direction=out action=drop", "not a node of this house"),
            ("acquirer direction=out", "action"),
            ("acquirer action", "such as action=drop"),
            ("hsm action=delay commands=[", "a JSON list"),
        ],
    )
    def test_what_is_wrong_is_said(self, house: HouseHandle, words: str, problem: str) -> None:
        assert problem in run(f"cardrails faults add {words}")


def test_the_default_house_has_none() -> None:
    assert read_topology(None).faults == ()
