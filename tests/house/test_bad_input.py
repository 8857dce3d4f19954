"""Garbage on any port: rejected or closed, traced with a mask, and nobody else notices."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from iso import Message, decode, dialect, encode, framing
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house

LISTENING = {"acquirer": "gateway", "switch": "acquirer", "issuer-a": "network", "issuer-b": "network"}
CLOSED = b""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("bad-input")) as handle:
        yield handle


def exchange(port: dict[str, Any], data: bytes, *, expect_answer: bool = True) -> bytes:
    """Send bytes on a connection of our own; return what comes back, b"" if it was closed."""
    with socket.create_connection((port["host"], port["port"]), timeout=10) as connection:
        connection.sendall(data)
        if not expect_answer:
            connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(65_536)
        except ConnectionResetError:
            return CLOSED


def malformed_notes(house: HouseHandle, node: str) -> list[dict[str, Any]]:
    return [message for message in house.control.messages(node, limit=10_000) if message.get("kind") == "malformed"]


def still_pays(house: HouseHandle) -> bool:
    intent = house.stripe().v1.payment_intents.create(
        {"amount": 100, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    return bool(intent.status == "succeeded")


def connections(house: HouseHandle, node: str) -> list[int]:
    """Return the connections of a node's listening link that carry traffic."""
    runtime_node = house.house.nodes[node].node
    machine = getattr(runtime_node, "host", None) or runtime_node.machine
    link = machine.links[LISTENING[node]]
    return sorted(number for number, connection in link.connections.items() if connection.carries_traffic)


@pytest.mark.parametrize("node", LISTENING)
class TestIsoPorts:
    """A frame is rejected with DE 39 = 30 where its MTI can be read; otherwise its connection is closed."""

    def test_an_over_long_length_prefix_closes_the_connection(self, house: HouseHandle, node: str) -> None:
        before, notes = connections(house, node), len(malformed_notes(house, node))

        answer = exchange(house.ready["nodes"][node], b"\xff\xff" + b"4242424242424242" * 8)

        assert answer == CLOSED
        assert house.eventually(lambda: len(malformed_notes(house, node)) == notes + 1)
        assert "4242424242" not in str(malformed_notes(house, node))
        assert connections(house, node) == before
        assert still_pays(house)

    def test_garbage_without_an_mti_closes_the_connection(self, house: HouseHandle, node: str) -> None:
        before, notes = connections(house, node), len(malformed_notes(house, node))
        garbage = b"GET / HTTP/1.1 card=4242424242424242"

        answer = exchange(house.ready["nodes"][node], struct.pack(">H", len(garbage)) + garbage)

        assert answer == CLOSED
        assert house.eventually(lambda: len(malformed_notes(house, node)) == notes + 1)
        assert "4242424242" not in str(malformed_notes(house, node))
        assert connections(house, node) == before

    def test_a_bad_bitmap_is_rejected_with_30_or_its_mac_with_63(self, house: HouseHandle, node: str) -> None:
        port = house.ready["nodes"][node]
        spoken = dialect(port["dialect"])
        good = encode(sign_on(spoken.version), spoken)
        mti_end = spoken.header_bytes + (2 if spoken.mti_encoding == "b" else 4)
        # Every bit set: the elements that follow cannot be what it announces.
        bitmap = b"\xff" * 16 if spoken.bitmap_encoding == "b" else b"F" * 32
        broken = good[:mti_end] + bitmap + b"\x00" * 40

        answer = exchange(port, framing(spoken.framing).encode(broken))

        frames = framing(spoken.framing).decoder().feed(answer)
        assert len(frames) == 1
        assert decode(frames[0], spoken).response_code in (("63",) if spoken.mac else ("30", "904"))

    def test_an_unknown_mti_gets_no_harm_done(self, house: HouseHandle, node: str) -> None:
        port = house.ready["nodes"][node]
        spoken = dialect(port["dialect"])
        good = encode(sign_on(spoken.version), spoken)
        mti = "1990" if spoken.version == "1993" else "0990"
        raw = bytes.fromhex(mti) if spoken.mti_encoding == "b" else mti.encode(spoken.mti_encoding)
        start = spoken.header_bytes

        answer = exchange(port, framing(spoken.framing).encode(good[:start] + raw + good[start + len(raw) :]))

        frames = framing(spoken.framing).decoder().feed(answer) if answer else []
        assert answer == CLOSED or decode(frames[0], spoken).response_code in ("30", "904", "12", "902", "63", "916")
        assert still_pays(house)

    def test_half_a_frame_holds_up_nobody(self, house: HouseHandle, node: str) -> None:
        port = house.ready["nodes"][node]

        with socket.create_connection((port["host"], port["port"]), timeout=10) as connection:
            connection.sendall(b"\x00\x40half")

            assert still_pays(house)


@pytest.mark.parametrize("node", [node for node in LISTENING if node != "switch"])
class TestBeforeSignOn:
    """A connection that has not signed on carries no financial message; on a protected link its MAC is refused."""

    def test_a_financial_request_before_sign_on_is_answered_91(self, house: HouseHandle, node: str) -> None:
        port = house.ready["nodes"][node]
        spoken = dialect(port["dialect"])
        fields = {3: "000000", 4: "000000000100", 7: "1122134500", 11: "000001", 12: "134500", 13: "1122", 49: "840"}
        if spoken.version == "1993":
            fields = {
                3: "000000",
                4: "000000000100",
                7: "1122134500",
                11: "000001",
                12: "261122134500",
                24: "100",
                49: "840",
            }
        request = Message("1100" if spoken.version == "1993" else "0100", fields)

        answer = exchange(port, framing(spoken.framing).encode(encode(request, spoken)))

        frames = framing(spoken.framing).decoder().feed(answer)
        assert decode(frames[0], spoken).response_code in ("91", "911", "907")


class TestTheProtectedLink:
    """On the link with a MAC, a frame whose MAC does not fit is answered 63 and changes nothing."""

    def test_a_forged_sign_on_is_refused(self, house: HouseHandle) -> None:
        port = house.ready["nodes"]["switch"]
        spoken = dialect(port["dialect"])
        before = connections(house, "switch")

        answer = exchange(port, framing(spoken.framing).encode(encode(sign_on("1987"), spoken)))

        frames = framing(spoken.framing).decoder().feed(answer)
        assert decode(frames[0], spoken).response_code == "63"
        assert connections(house, "switch") == before
        assert house.state("switch")["links"]["acquirer"]["bad_mac"] >= 1


class TestHsmPorts:
    """A host port answers with an error code or closes; its other connections go on."""

    @pytest.mark.parametrize("party", ["gateway", "acquirer", "switch", "issuer-a", "issuer-b"])
    @pytest.mark.parametrize(
        "data",
        [
            b"\x00\x00",
            b"\x00\x02AB",
            b"\x00\x06HEADZZ",
            b"\xff\xff" + b"\x00" * 100,
            b"\x00\x08HEADNCxx",
            b"\x16\x03\x01" * 40,
        ],
    )
    def test_any_bytes_are_answered_or_the_connection_is_closed(
        self, house: HouseHandle, party: str, data: bytes
    ) -> None:
        answer = exchange(house.ready["nodes"]["hsm"]["parties"][party], data, expect_answer=False)

        assert answer == CLOSED or len(answer) >= 8
        assert still_pays(house)


class TestTheGateway:
    """A wrong request gets Stripe's error body and status."""

    def test_raw_garbage_on_the_http_port(self, house: HouseHandle) -> None:
        answer = exchange(house.ready["nodes"]["gateway"], b"\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n")

        assert answer == CLOSED or answer.startswith(b"HTTP/1.1 400")
        assert still_pays(house)


def sign_on(version: str) -> Message:
    if version == "1993":
        return Message("1804", {7: "1122134500", 11: "000001", 12: "261122134500", 24: "801"})
    return Message("0800", {7: "1122134500", 11: "000001", 70: "001"})
