"""Blocks of a pcapng file, and the TCP conversation that a link's frames are shown as. Pure bytes.

What crossed a link is known as frames; a capture file holds packets. So each connection becomes a conversation with a
handshake, sequence numbers, acknowledgements, checksums and a close, which any reader of captures can follow.

Source: draft-ietf-opsawg-pcapng (blocks and options), RFC 791, 8200, 9293 and 1071 (headers and checksum).
"""

from __future__ import annotations

import ipaddress
import struct
from datetime import datetime
from typing import NamedTuple

from iso.errors import LocalProtocolError

LINKTYPE_RAW = 101
SEGMENT_MAX_BYTES = 16_384
_SHB, _IDB, _ISB, _EPB = 0x0A0D0D0A, 1, 5, 6
_COMMENT, _NAME, _DESCRIPTION, _RESOLUTION, _FLAGS, _APPLICATION, _DROPPED = 1, 2, 3, 9, 2, 4, 5
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16
_WINDOW, _TTL, _TCP, _HEADER_BYTES = 65_535, 64, 6, 20


class EndPoint(NamedTuple):
    """One end of a conversation: an IP address, version 4 or 6, and a port."""

    host: str
    port: int


class Packet(NamedTuple):
    """One IP packet. `is_outgoing` as seen from the node that captures."""

    is_outgoing: bool
    data: bytes


def section_header(application: str, comment: str) -> bytes:
    """Return the block that begins a section; a file may hold several, one behind the other."""
    fixed = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(_SHB, fixed, [(_APPLICATION, application.encode()), (_COMMENT, comment.encode())])


def interface(name: str, description: str, comment: str) -> bytes:
    """Return the block that declares an interface; they are numbered from 0. Times are in microseconds."""
    options = [(_NAME, name.encode()), (_DESCRIPTION, description.encode()), (_COMMENT, comment.encode())]
    return _block(_IDB, struct.pack("<HHI", LINKTYPE_RAW, 0, 0), [*options, (_RESOLUTION, b"\x06")])


def packet(number: int, at: datetime, what: Packet, comment: str = "") -> bytes:
    """Return the block of one packet on interface `number`; `at` is aware UTC."""
    options = [(_FLAGS, struct.pack("<I", 2 if what.is_outgoing else 1))]
    if comment:
        options.append((_COMMENT, comment.encode()))
    size = len(what.data)
    fixed = struct.pack("<IIIII", number, *_timestamp(at), size, size)
    return _block(_EPB, fixed + what.data + bytes(-size % 4), options)


def dropped(number: int, at: datetime, count: int) -> bytes:
    """Return the block that says how many frames of an interface could not be kept."""
    return _block(_ISB, struct.pack("<III", number, *_timestamp(at)), [(_DROPPED, struct.pack("<Q", count))])


def _timestamp(at: datetime) -> tuple[int, int]:
    micros = int(at.timestamp()) * 1_000_000 + at.microsecond
    return micros >> 32, micros & 0xFFFF_FFFF


def _block(kind: int, fixed: bytes, options: list[tuple[int, bytes]]) -> bytes:
    body = bytearray(fixed)
    for code, value in options:
        body += struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
    body += bytes(4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + bytes(body) + struct.pack("<I", size)


class Conversation:
    """One TCP connection as packets.

    Parameters
    ----------
    ours, theirs
        The two ends; both of the same IP version.
    is_dialled
        True if we dialled.
    identifier
        Decides the initial sequence numbers, so that two connections between the same ports are told apart.

    Raises
    ------
    LocalProtocolError
        The addresses are not IP addresses of one version.
    """

    def __init__(self, ours: EndPoint, theirs: EndPoint, *, is_dialled: bool, identifier: int) -> None:
        try:
            addresses = [ipaddress.ip_address(end.host.partition("%")[0]) for end in (ours, theirs)]
        except ValueError:
            addresses = []
        if len({address.version for address in addresses}) != 1:
            raise LocalProtocolError("a conversation is between two IP addresses of one version")
        self._addresses = [address.packed for address in addresses]
        self._ports = (ours.port, theirs.port)
        self._is_dialled = is_dialled
        self._next = [identifier * 65_536 + 1, identifier * 65_536 + 32_769]
        self._packets = 0

    def opened(self) -> list[Packet]:
        """Return the handshake."""
        dials, listens = (0, 1) if self._is_dialled else (1, 0)
        return [self._packet(dials, _SYN), self._packet(listens, _SYN | _ACK), self._packet(dials, _ACK)]

    def data(self, payload: bytes, *, is_outgoing: bool) -> list[Packet]:
        """Return the segments of a frame, the last of them pushed, and their acknowledgement."""
        side = 0 if is_outgoing else 1
        pieces = [payload[at : at + SEGMENT_MAX_BYTES] for at in range(0, len(payload), SEGMENT_MAX_BYTES)]
        packets = []
        for index, piece in enumerate(pieces, 1):
            packets.append(self._packet(side, _ACK | (_PSH if index == len(pieces) else 0), piece))
        return [*packets, self._packet(1 - side, _ACK)]

    def closed(self) -> list[Packet]:
        """Return the end of the conversation; who began it is not known above the transport."""
        return [self._packet(0, _FIN | _ACK), self._packet(1, _FIN | _ACK), self._packet(0, _ACK)]

    def _packet(self, side: int, flags: int, payload: bytes = b"") -> Packet:
        sequence = self._next[side] & 0xFFFF_FFFF
        acknowledged = self._next[1 - side] & 0xFFFF_FFFF if flags & _ACK else 0
        self._next[side] += len(payload) + (1 if flags & (_SYN | _FIN) else 0)
        source, target = self._addresses[side], self._addresses[1 - side]
        ports = (self._ports[side], self._ports[1 - side])
        header = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, 5 << 4, flags, _WINDOW, 0, 0)
        size = len(header) + len(payload)
        pseudo = source + target + struct.pack("!II" if len(source) == 16 else "!HH", *_pseudo(len(source), size))
        check = checksum(pseudo + header + payload)
        segment = header[:16] + struct.pack("!H", check) + header[18:] + payload
        self._packets += 1
        return Packet(side == 0, _ip_header(source, target, size, self._packets) + segment)


def _pseudo(address_bytes: int, size: int) -> tuple[int, int]:
    return (size, _TCP) if address_bytes == 16 else (_TCP, size)


def _ip_header(source: bytes, target: bytes, size: int, number: int) -> bytes:
    if len(source) == 16:
        return struct.pack("!IHBB", 6 << 28, size, _TCP, _TTL) + source + target
    total = _HEADER_BYTES + size
    header = struct.pack("!BBHHHBBH", 0x45, 0, total, number & 0xFFFF, 0x4000, _TTL, _TCP, 0) + source + target
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def checksum(data: bytes) -> int:
    """Return the Internet checksum of `data`, 16 bits.

    Examples
    --------
    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
