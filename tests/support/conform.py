"""A house whose switch has one more issuer, which a conformance run plays, and hosts that are wrong on purpose."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emulator.cli import main
from emulator.topology import Topology, default_text
from node.settings import parse
from tests.support.house import HouseHandle, running_house

SET_UP = """
[[nodes.switch.issuers]]
name = "tester"
address = "tcp://127.0.0.1:{port}"
dialect = "{dialect}"
bins = ["990003"]
wait_for = false

[[nodes.switch.stand_in]]
bins = ["9900031"]
floor = {{ USD = 2000 }}

[saf]
answer_timeout_s = 0.4
backoff_first_s = 0.1
backoff_max_s = 0.2

[deadlines]
hsm_s = 0.5
issuer_s = 0.8
switch_leg_s = 1.2
acquirer_s = 2.5
gateway_s = 4.0
"""


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def topology_with(set_up: str) -> Topology:
    """Return the default house with other deadlines and more tables."""
    text = default_text()
    begin, end = text.index("[deadlines]"), text.index("# [links]")
    return parse(Topology, text[:begin] + text[end:] + set_up, "topology of a test")


class SubjectHouse:
    """A running house, and the address at which its switch expects the tester as an issuer."""

    def __init__(self, house: HouseHandle, port: int, dialect: str) -> None:
        self.house = house
        self._port = port
        self._dialect = dialect

    def _address(self, name: str) -> str:
        return str(self.house.house.place.addresses[name])

    def play_switch(self, *words: str) -> int:
        """Play cases against the switch, as its acquirer and its issuer; return the exit code."""
        ends = ["--role", "acquirer", "--target", self._address("switch"), "--dialect", "net-bin87"]
        ends += ["--hsm", self._address("hsm/acquirer")]
        ends += ["--far-listen", f"tcp://127.0.0.1:{self._port}", "--far-dialect", self._dialect]
        short = ["connect_s=6", "wait_s=3", "repeat_s=4", "quiet_s=0.3"]
        return main(["conform", "switch", *ends, *(word for one in short for word in ("--set", one)), *words])

    def play_issuer(self, node: str, dialect: str, *words: str) -> int:
        """Play cases against one of the house's issuers; return the exit code."""
        ends = ["--role", "acquirer", "--target", self._address(node), "--dialect", dialect]
        return main(["conform", "host", *ends, *words])


@contextmanager
def house_under_test(data_dir: Path, dialect: str) -> Iterator[SubjectHouse]:
    """Start a house that is set up for the shipped suites."""
    port = free_port()
    with running_house(data_dir, topology_with(SET_UP.format(port=port, dialect=dialect))) as house:
        yield SubjectHouse(house, port, dialect)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the JSON that a run printed."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found
