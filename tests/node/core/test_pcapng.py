"""Blocks and packets are what the documents say; tshark checks the rest."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import LocalProtocolError
from node.core.pcapng import Conversation, EndPoint, Packet, checksum, dropped, interface, packet, section_header

AT = datetime(2026, 3, 14, 9, 26, 53, 589_793, tzinfo=UTC)
OURS, THEIRS = EndPoint("127.0.0.1", 8_441), EndPoint("127.0.0.1", 50_001)


class TestBlocks:
    """A block says its length at both ends and is a multiple of four bytes."""

    @given(st.binary(max_size=70), st.text(max_size=20))
    def test_every_block_is_whole(self, payload: bytes, comment: str) -> None:
        blocks = [
            section_header("cardrails", comment),
            interface("switch/issuer", "link", comment),
            packet(0, AT, Packet(True, payload), comment),
            dropped(0, AT, 7),
        ]

        for block in blocks:
            assert len(block) % 4 == 0
            assert struct.unpack("<I", block[4:8]) == struct.unpack("<I", block[-4:]) == (len(block),)

    def test_time_is_exact_to_the_microsecond(self) -> None:
        block = packet(0, AT, Packet(True, b""))

        high, low = struct.unpack("<II", block[12:20])
        assert (high << 32 | low) == int(AT.timestamp()) * 1_000_000 + 589_793


class TestConversation:
    """Sequence numbers count what was sent, and each side acknowledges what the other has sent."""

    @given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=40_000)), max_size=6))
    def test_the_data_can_be_put_together_again(self, frames: list[tuple[bool, bytes]]) -> None:
        conversation = Conversation(OURS, THEIRS, is_dialled=True, identifier=7)
        packets = conversation.opened()
        for is_outgoing, payload in frames:
            packets += conversation.data(payload, is_outgoing=is_outgoing)
        packets += conversation.closed()

        for way in (True, False):
            sent = b"".join(payload for is_outgoing, payload in frames if is_outgoing is way)
            mine = [one.data for one in packets if one.is_outgoing is way]
            first = struct.unpack("!I", mine[0][24:28])[0]
            got = bytearray(len(sent))
            for data in mine:
                at = struct.unpack("!I", data[24:28])[0] - first - 1
                if data[40:]:
                    got[at : at + len(data) - 40] = data[40:]
            assert bytes(got) == sent

    def test_headers_sum_to_nothing(self) -> None:
        for one in Conversation(OURS, THEIRS, is_dialled=False, identifier=1).data(b"0800", is_outgoing=False):
            header, segment = one.data[:20], one.data[20:]
            assert checksum(header) == 0
            assert checksum(header[12:20] + struct.pack("!HH", 6, len(segment)) + segment) == 0

    @pytest.mark.parametrize("hosts", [("switch", "127.0.0.1"), ("::1", "127.0.0.1")])
    def test_ends_that_no_ip_packet_can_name_are_refused(self, hosts: tuple[str, str]) -> None:
        with pytest.raises(LocalProtocolError, match="two IP addresses"):
            Conversation(EndPoint(hosts[0], 1), EndPoint(hosts[1], 2), is_dialled=True, identifier=1)

    def test_the_checksum_of_the_document(self) -> None:
        assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
