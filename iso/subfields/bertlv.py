"""BER-TLV, the layout of chip data (DE 55): tags of one to four bytes, lengths of one to five, templates inside.

What came in comes out byte for byte: unknown tags, lengths in a longer form than needed, and the zero bytes that may
stand between objects. The indefinite length is refused: it does not occur in messages, and a reader that follows it
reads whatever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.subfields.emv import EMV_NAMES, EMV_SECRETS
from iso.subfields.node import Node

__all__ = ["BerTlv"]

_TAG_MAX_BYTES = 4
_LENGTH_MAX_BYTES = 4
_DEPTH_MAX = 8
_CONSTRUCTED = 0x20
_LONG_TAG = 0x1F
_MORE = 0x80


class BerTlv:
    """Repeated tag, length, value, with templates.

    Parameters
    ----------
    names
        Tag to name, for people.
    secrets
        Tags whose values are never shown.

    Examples
    --------
    >>> layout = BerTlv()
    >>> [(node.tag, node.text) for node in layout.parse(bytes.fromhex("9F3602001A" + "9A03261122"))]
    [('9F36', '001A'), ('9A', '261122')]

    Source
    ------
    ISO/IEC 8825-1 (BER) and EMV Book 3 annex B as commonly described; the documents were not read.
    """

    binary = True

    def __init__(self, names: Mapping[str, str] = EMV_NAMES, secrets: frozenset[str] = EMV_SECRETS) -> None:
        self.names = names
        self.secrets = secrets

    def parse(self, data: bytes) -> tuple[Node, ...]:
        """Read all of `data`.

        Parameters
        ----------
        data
            Any bytes; b"" has no parts.

        Returns
        -------
        tuple[Node, ...]
            Zero bytes between objects are a node with the tag "".

        Raises
        ------
        RemoteProtocolError
            A tag, length or value is cut off or illegal, or templates nest more than 8 deep.
        """
        return self._parse(data, 0, len(data), 0)

    def _parse(self, data: bytes, at: int, end: int, depth: int) -> tuple[Node, ...]:
        if depth > _DEPTH_MAX:
            raise RemoteProtocolError(f"BER-TLV: templates more than {_DEPTH_MAX} deep", offset=at)
        nodes: list[Node] = []
        while at < end:
            start = at
            if not data[at]:
                while at < end and not data[at]:
                    at += 1
                nodes.append(Node("", data[start:at], start=start, end=at))
                continue
            tag_end = _tag_end(data, at, end)
            length, value = _length(data, tag_end, end)
            at = value + length
            if at > end:
                raise RemoteProtocolError("BER-TLV: a value is cut off", offset=start)
            tag, raw = data[start:tag_end].hex().upper(), data[value:at]
            inside = self._parse(data, value, at, depth + 1) if data[start] & _CONSTRUCTED else ()
            text = "" if inside else raw.hex().upper()
            name, secret = self.names.get(tag, ""), tag in self.secrets
            nodes.append(Node(tag, raw, text, start, at, inside, name, secret, data[start:value]))
        return tuple(nodes)

    def build(self, nodes: Iterable[Node]) -> bytes:
        """Write parts.

        Parameters
        ----------
        nodes
            Only `tag`, `raw` and `children` are needed. Children, if any, are what is written; `head` is used where it
            still says the right tag and length.

        Returns
        -------
        bytes

        Raises
        ------
        LocalProtocolError
            A tag is not one, or padding is not zeros.
        """
        pieces: list[bytes] = []
        for node in nodes:
            if not node.tag:
                if node.raw.strip(b"\0"):
                    raise LocalProtocolError("BER-TLV: padding is zero bytes")
                pieces.append(node.raw)
                continue
            value = self.build(node.children) if node.children else node.raw
            pieces += (_head(node, len(value)), value)
        return b"".join(pieces)


def _tag_end(data: bytes, at: int, end: int) -> int:
    last = at + 1
    if data[at] & _LONG_TAG == _LONG_TAG:
        while last < end and data[last] & _MORE and last - at < _TAG_MAX_BYTES:
            last += 1
        last += 1
    if last > end or last - at > _TAG_MAX_BYTES:
        raise RemoteProtocolError("BER-TLV: a tag is cut off or longer than four bytes", offset=at)
    return last


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Give a length and where its value begins."""
    if at >= end:
        raise RemoteProtocolError("BER-TLV: a length is missing", offset=at)
    first = data[at]
    if first < _MORE:
        return first, at + 1
    width = first - _MORE
    if not width:
        raise RemoteProtocolError("BER-TLV: an indefinite length is not taken", offset=at)
    value = at + 1 + width
    if width > _LENGTH_MAX_BYTES or value > end:
        raise RemoteProtocolError("BER-TLV: a length is cut off or longer than four bytes", offset=at)
    return int.from_bytes(data[at + 1 : value], "big"), value


def _head(node: Node, length: int) -> bytes:
    try:
        tag = bytes.fromhex(node.tag)
        if not tag or not tag[0] or _tag_end(tag, 0, len(tag)) != len(tag):
            tag = b""
    except (ValueError, RemoteProtocolError):
        tag = b""
    if not tag:
        raise LocalProtocolError("BER-TLV: not a tag")
    if node.head.startswith(tag) and len(node.head) > len(tag):
        try:
            if _length(node.head, len(tag), len(node.head)) == (length, len(node.head)):
                return node.head
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error)) from None
    if length < _MORE:
        return tag + bytes((length,))
    width = (length.bit_length() + 7) // 8
    return tag + bytes((_MORE | width,)) + length.to_bytes(width, "big")
