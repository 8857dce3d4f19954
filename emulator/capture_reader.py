"""What crossed a network, from a capture file: pcapng or pcap to the byte streams of its TCP conversations.

It reads what `tcpdump`, Wireshark and the nodes of the house write: Ethernet, raw IP, loopback and Linux cooked frames,
IPv4 and IPv6. Segments are put in order by their sequence numbers; a stream ends at the first byte that was not
captured. A file that is cut off is read as far as it goes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from iso.errors import CardrailsError

__all__ = ["Stream", "is_capture", "tcp_streams"]

_PCAPNG = b"\x0a\x0d\x0d\x0a"
_PCAP = {
    b"\xa1\xb2\xc3\xd4": ">",
    b"\xd4\xc3\xb2\xa1": "<",
    b"\xa1\xb2\x3c\x4d": ">",
    b"\x4d\x3c\xb2\xa1": "<",
}
_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6
_ETHERNET, _NULL, _RAW, _LOOP, _COOKED, _COOKED2 = 1, 0, (12, 14, 101, 228, 229), 108, 113, 276
_VLAN = (0x8100, 0x88A8)
_IPV4, _IPV6, _TCP = 0x0800, 0x86DD, 6
_SYN = 0x02
_STREAM_MAX_BYTES = 4 * 1024 * 1024


class Stream(NamedTuple):
    """One direction of a conversation: `source` and `destination` as `host:port`, and what was said."""

    source: str
    destination: str
    data: bytes


class _Segment(NamedTuple):
    source: str
    destination: str
    sequence: int
    is_syn: bool
    data: bytes


def is_capture(data: bytes) -> bool:
    """Say whether these are the first bytes of a capture file."""
    return data[:4] == _PCAPNG or data[:4] in _PCAP


def tcp_streams(data: bytes) -> list[Stream]:
    """Give every direction of every TCP conversation that carried anything, in the order of first appearance.

    Parameters
    ----------
    data
        A whole pcap or pcapng file.

    Raises
    ------
    CardrailsError
        It is neither.

    Source
    ------
    The pcap and pcapng formats as described by the tcpdump project and the IETF drafts.
    """
    if data[:4] == _PCAPNG:
        packets = _pcapng(data)
    elif data[:4] in _PCAP:
        packets = _pcap(data)
    else:
        raise CardrailsError("neither a pcap nor a pcapng file")
    segments: dict[tuple[str, str], list[_Segment]] = {}
    for link_type, packet in packets:
        segment = _segment(link_type, packet)
        if segment is not None:
            segments.setdefault((segment.source, segment.destination), []).append(segment)
    streams = [Stream(*ends, _assembled(found)) for ends, found in segments.items()]
    return [stream for stream in streams if stream.data]


def _pcap(data: bytes) -> Iterator[tuple[int, bytes]]:
    order = _PCAP[data[:4]]
    if len(data) < 24:
        return
    (link_type,) = struct.unpack_from(order + "I", data, 20)
    at = 24
    while at + 16 <= len(data):
        (length,) = struct.unpack_from(order + "I", data, at + 8)
        at += 16
        yield link_type & 0xFFFF, data[at : at + length]
        at += length


def _pcapng(data: bytes) -> Iterator[tuple[int, bytes]]:
    at, order = 0, "<"
    link_types: list[int] = []
    while at + 12 <= len(data):
        if data[at : at + 4] == _PCAPNG:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            link_types = []
        kind, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or at + length > len(data):
            return
        body = data[at + 8 : at + length - 4]
        if kind == _INTERFACE and len(body) >= 2:
            link_types.append(struct.unpack_from(order + "H", body)[0])
        elif kind == _ENHANCED and len(body) >= 20:
            interface, _, _, captured = struct.unpack_from(order + "IIII", body)
            if interface < len(link_types):
                yield link_types[interface], body[20 : 20 + captured]
        elif kind == _SIMPLE and link_types and len(body) >= 4:
            yield link_types[0], body[4:]
        at += length


def _segment(link_type: int, packet: bytes) -> _Segment | None:
    try:
        version, at = _network(link_type, packet)
        if version == _IPV4:
            return _ipv4(packet[at:])
        return _ipv6(packet[at:]) if version == _IPV6 else None
    except (struct.error, IndexError):
        return None  # cut off by the snapshot length, or no IP at all


def _network(link_type: int, packet: bytes) -> tuple[int, int]:
    """Give the EtherType and where the network layer begins."""
    if link_type == _ETHERNET:
        at = 12
        (kind,) = struct.unpack_from(">H", packet, at)
        while kind in _VLAN:
            at += 4
            (kind,) = struct.unpack_from(">H", packet, at)
        return kind, at + 2
    if link_type == _COOKED:
        return struct.unpack_from(">H", packet, 14)[0], 16
    if link_type == _COOKED2:
        return struct.unpack_from(">H", packet)[0], 20
    at = 4 if link_type in (_NULL, _LOOP) else 0
    if at or link_type in _RAW:
        return {4: _IPV4, 6: _IPV6}.get(packet[at] >> 4, 0), at
    return 0, 0


def _ipv4(packet: bytes) -> _Segment | None:
    header, (total,) = 4 * (packet[0] & 0x0F), struct.unpack_from(">H", packet, 2)
    (fragment,) = struct.unpack_from(">H", packet, 6)
    if packet[9] != _TCP or fragment & 0x3FFF:
        return None
    # A network card that segments by itself leaves 0 here.
    return _tcp(packet[12:16], packet[16:20], packet[header : total or len(packet)])


def _ipv6(packet: bytes) -> _Segment | None:
    (length,) = struct.unpack_from(">H", packet, 4)
    if packet[6] != _TCP:
        return None
    return _tcp(packet[8:24], packet[24:40], packet[40 : 40 + length if length else len(packet)])


def _tcp(source: bytes, destination: bytes, segment: bytes) -> _Segment:
    ports = struct.unpack_from(">HH", segment)
    (sequence,) = struct.unpack_from(">I", segment, 4)
    ends = [_end(ip, port) for ip, port in zip((source, destination), ports, strict=True)]
    return _Segment(ends[0], ends[1], sequence, bool(segment[13] & _SYN), segment[4 * (segment[12] >> 4) :])


def _end(address: bytes, port: int) -> str:
    host = str(ip_address(address))
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _assembled(segments: list[_Segment]) -> bytes:
    """Join segments; what came twice counts once. A capture that began late begins with its first segment."""
    first = next((segment for segment in segments if segment.is_syn), segments[0])
    start = (first.sequence + 1) & 0xFFFF_FFFF if first.is_syn else first.sequence
    joined = bytearray()
    # Relative numbers, so that a stream whose numbers wrap around stays in order.
    placed = sorted(((s.sequence + s.is_syn - start + 2**31) % 2**32 - 2**31, s.data) for s in segments if s.data)
    for at, data in placed:
        if at > len(joined) or len(joined) > _STREAM_MAX_BYTES:
            break
        fresh = len(joined) - at
        if fresh < len(data):
            joined += data[fresh:]
    return bytes(joined)
