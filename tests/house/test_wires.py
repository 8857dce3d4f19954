"""What the wires of a running house may be: captured, encrypted, and taken down in good order."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from emulator.topology import PARTIES, CapturesSection, TlsSection, Topology, on_free_ports, read_topology
from node.link_settings import LinkSettings
from tests.support import tshark
from tests.support.certificates import Authority
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house


def pay(house: object) -> str:
    intents = house.stripe().v1.payment_intents  # type: ignore[attr-defined]
    bought = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    return str(intents.create(bought).status)


def encrypted(topology: Topology, section: TlsSection) -> Topology:
    """Return the same house with `tls://` in every place of `tcp://`, and its certificates."""
    data = topology.model_dump(by_alias=True)
    for node in data["nodes"].values():
        for key, value in node.items():
            if isinstance(value, str) and value.startswith("tcp://"):
                node[key] = value.replace("tcp://", "tls://")
    return Topology.model_validate({**data, "tls": section.model_dump()})


def signed_on(house: HouseHandle) -> dict[tuple[str, str], int]:
    """Return how many connections carry traffic, at each end of each link: (node, its name for the link)."""

    async def counted() -> dict[tuple[str, str], int]:
        nodes = {name: started.node for name, started in house.house.nodes.items() if name != "hsm"}
        return {
            (name, link.name): sum(connection.carries_traffic for connection in link.connections.values())
            for name, node in nodes.items()
            for link in (node.machine if name == "switch" else node.host).links.values()
        }

    return dict(house.run(counted))


class TestLinks:
    """The topology's section on links holds for both ends of every ISO 8583 link."""

    def test_three_connections_on_each(self, tmp_path: Path) -> None:
        topology = read_topology(None).model_copy(update={"links": LinkSettings(connections=3)})

        with running_house(tmp_path, topology) as house:
            ends = {
                *(("gateway", "acquirer"), ("acquirer", "gateway"), ("acquirer", "network"), ("switch", "acquirer")),
                *(("switch", "issuer-a"), ("issuer-a", "network"), ("switch", "issuer-b"), ("issuer-b", "network")),
            }
            assert house.eventually(lambda: signed_on(house) == dict.fromkeys(ends, 3)), signed_on(house)

            assert [pay(house) for _ in range(4)] == ["succeeded"] * 4
            assert signed_on(house) == dict.fromkeys(ends, 3)

    def test_no_sign_on_and_terminals_that_must_match(self, tmp_path: Path) -> None:
        links = LinkSettings(sign_on=False, match_terminal=True)
        topology = read_topology(None).model_copy(update={"links": links})

        with running_house(tmp_path, topology) as house:
            assert pay(house) == "succeeded"
            classes = {crossing["mti"][1] for crossing in house.house.crossings() if crossing.get("mti")}

        assert classes == {"1", "2"}

    @pytest.mark.parametrize("echo", ["no-pan", "minimal"])
    def test_responses_that_echo_less_pay_as_well(self, tmp_path: Path, echo: Literal["no-pan", "minimal"]) -> None:
        topology = read_topology(None).model_copy(update={"links": LinkSettings(echo=echo)})

        with running_house(tmp_path, topology) as house:
            assert pay(house) == "succeeded"
            responses = [crossing for crossing in house.house.crossings() if crossing.get("mti", "")[1:3] == "11"]

        assert len(responses) == 6
        assert [response for response in responses if "2" in response["fields"]] == []


class TestCaptures:
    """One line in the topology, and every node writes what crosses its links."""

    def test_a_payment_can_be_read_at_every_hop(self, tmp_path: Path) -> None:
        folder = tmp_path / "captures"
        topology = read_topology(None).model_copy(update={"captures": CapturesSection(folder=folder)})

        with running_house(tmp_path, topology) as house:
            assert pay(house) == "succeeded"
            port = house.ready["nodes"]["issuer-a"]["port"]

        hop = tshark.read(
            folder / "issuer-a.pcapng",
            port,
            "cardrails_ascii87",
            [f"cardrails_ascii87.{name}" for name in ("mti", "de2", "de39")],
            lua=folder / "ascii87.lua",
            only='cardrails_ascii87.mti matches "^01"',
        )
        assert hop == [["0100", "4242429999994242", ""], ["0110", "4242429999994242", "00"]]
        assert sorted(file.stem for file in folder.glob("*.pcapng")) == [
            "acquirer",
            "gateway",
            "issuer-a",
            "issuer-b",
            "switch",
        ]


class TestTls:
    """Every pipe of the house may be encrypted, with certificates on both sides."""

    def test_a_payment_over_mutual_tls(self, tmp_path: Path) -> None:
        settings = Authority(tmp_path).settings("house", mutual=True, also=PARTIES)
        topology = encrypted(read_topology(None), TlsSection(**settings._asdict()))

        with running_house(tmp_path, topology) as house:
            addresses = house.house.place.addresses
            assert pay(house) == "succeeded"

        assert addresses.pop("gateway").startswith("http://")
        assert {address.partition("://")[0] for address in addresses.values()} == {"tls"}

    def test_free_ports_keep_what_the_topology_says_about_wires(self, tmp_path: Path) -> None:
        captures, section = CapturesSection(folder=tmp_path), TlsSection(authorities=tmp_path / "authority.pem")
        links = LinkSettings(connections=2)
        topology = encrypted(read_topology(None), section).model_copy(update={"captures": captures, "links": links})

        free = on_free_ports(topology)

        assert (free.captures, free.tls, free.links) == (captures, section, links)
        assert free.nodes.switch.iso == "tls://127.0.0.1:0"


class TestStopping:
    """A house that is asked to stop signs off everywhere and leaves nothing Unknown."""

    def test_every_node_is_drained(self, tmp_path: Path) -> None:
        with running_house(tmp_path) as house:
            assert pay(house) == "succeeded"

            assert house.run(house.house.drain)
            signed_off = {
                crossing["node"]
                for crossing in house.house.crossings()
                if crossing.get("fields", {}).get("70") == "002" or crossing.get("mti", "").startswith("18")
            }
            ready = house.house.is_ready

        assert not ready
        assert signed_off == {"gateway", "acquirer", "switch", "issuer-a", "issuer-b"}
