"""A stranger joins with host, port, dialect and keys: the client is the guide's, and uses none of our link code."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psec
import pytest
from anyio.from_thread import start_blocking_portal

from emulator.cli import main
from emulator.house import READY_FILE, House
from emulator.topology import Topology, on_free_ports
from tests.support.conform import free_port, topology_with
from tests.support.house import HouseHandle

pytestmark = pytest.mark.house

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "join-the-network.md"
PAN, OURS = "4242424242424242", "9900030000000009"
ZMK, ZAK = bytes(range(32)), bytes(range(100, 116))
JOIN_S = 15.0


def blocks(kind: str) -> list[str]:
    """Return the guide's code, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def client() -> Any:
    """What the guide's code defines."""
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, str(GUIDE), "exec"), names)
    return SimpleNamespace(**names)


def topology(issuer_port: int, member_port: int) -> Topology:
    """Return the default house with what the guide adds, at ports that are free."""
    text = "\n".join(blocks("toml")).replace("8461", str(issuer_port)).replace("8432", str(member_port))
    return topology_with(text)


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(JOIN_S)
        yield listening


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Iterator[HouseHandle]:
    """A house without its acquirer and its gateway: the stranger takes their place."""
    data_dir = tmp_path_factory.mktemp("join")
    wanted = on_free_ports(topology(listener.getsockname()[1], free_port()))
    house = House(wanted, data_dir, ["hsm", "issuer-a", "issuer-b", "switch"])
    with start_blocking_portal() as portal:
        task, _ = portal.start_task(house.run)
        try:
            house.write_ready(data_dir / READY_FILE)
            handle = HouseHandle(house, portal)
            yield handle
            handle.control.close()
        finally:
            task.cancel()


def at(house: HouseHandle, name: str) -> tuple[str, int]:
    """Return host and port of one of the house's addresses."""
    host, _, port = house.house.place.addresses[name].removeprefix("tcp://").rpartition(":")
    return host, int(port)


class TestWithoutKeys:
    """A link without MACs needs nothing but a session."""

    def test_an_acquirer_sells(self, house: HouseHandle, client: Any) -> None:
        assert house.eventually(lambda: house.state("switch")["links"]["issuer-a"]["up"])

        code, authorisation = client.sell(*at(house, "switch/my-acquirer"), PAN, "000011")

        assert code == "00"
        assert authorisation

    def test_an_issuer_is_dialled_and_asked(self, house: HouseHandle, client: Any, listener: socket.socket) -> None:
        heard: list[dict[str, str]] = []
        serving = threading.Thread(target=lambda: heard.extend(client.serve_as_issuer(listener, 1)))
        serving.start()
        assert house.eventually(lambda: house.state("switch")["links"]["my-issuer"]["up"])

        sold = client.sell(*at(house, "switch/my-acquirer"), OURS, "000012")
        serving.join(JOIN_S)

        assert sold == ("00", "JOINED")
        assert [(one["t"], one["2"], one["4"], one["32"]) for one in heard] == [
            ("0100", OURS, "000000001250", "777777")
        ]


@pytest.fixture(scope="module")
def _keys(house: HouseHandle, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The stranger's keys are entered at the switch's HSM, by the command that the guide names."""
    folder, data_dir = tmp_path_factory.mktemp("keys"), house.house.data_dir
    for kind, place, key in (("zmk", "K100", ZMK), ("mac", "K500", ZAK)):
        file = folder / f"{kind}.hex"
        file.write_text(key.hex())
        words = ["keys", "enter", "--party", "switch", "--kind", kind, "--place", place, "--clear", str(file)]
        assert main([*words, "--data-dir", str(data_dir), "--ready-file", str(data_dir / READY_FILE)]) == 0


@pytest.mark.usefixtures("_keys")
class TestWithKeys:
    """The MAC key is the stranger's own, and is changed over the link."""

    def test_an_acquirer_sells(self, house: HouseHandle, client: Any) -> None:
        code, authorisation = client.sell(*at(house, "switch"), PAN, "000013", client.NET_BIN87, ZAK)

        assert code == "00"
        assert authorisation

    def test_a_wrong_key_sells_nothing(self, house: HouseHandle, client: Any) -> None:
        with socket.create_connection(at(house, "switch"), 10) as connection:
            right, wrong = (
                client.Link(connection, client.NET_BIN87, ZAK),
                client.Link(connection, client.NET_BIN87, ZMK),
            )
            wrong.send(client.network("001", "000001"))

            assert right.receive()["39"] == "63"

    def test_the_key_is_changed(self, house: HouseHandle, client: Any) -> None:
        with socket.create_connection(at(house, "switch"), 10) as connection:
            link = client.Link(connection, client.NET_BIN87, ZAK)
            assert link.ask(client.network("001", "000001"))["39"] == "00"
            changes: list[dict[str, Any]] = []
            asking = threading.Thread(
                target=lambda: changes.append(house.control.exchange_key("switch", "acquirer", "mac"))
            )
            asking.start()

            offer = link.receive()
            header, key = psec.tr31.unwrap(ZMK, offer["125"][5 + 6 + 5 :])
            link.send(client.answered(offer, "00"))
            link.key = key
            echo = link.receive()
            link.send(client.answered(echo, "00"))
            asking.join(JOIN_S)
            answer = link.ask(client.purchase(PAN, "000009"))

        assert (offer["70"], header.version_id, header.key_usage) == ("101", "D", "M6")
        assert echo["70"] == "301"
        assert changes[0]["outcome"] == "changed"
        assert answer["39"] == "00"
