"""Tag and length of fixed widths, in either order: the layouts of DE 48 and DE 60 to 63 that networks invent.

Everything they disagree about is a parameter: the widths, how tag and length are written, which comes first, what the
length counts, and tags that have a fixed length or a length of another width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from iso.errors import ConfigError, LocalProtocolError, RemoteProtocolError
from iso.subfields.node import Layout, Node

__all__ = ["Tagged"]

_COUNTS = ("value", "tag+value", "all")


@dataclass(frozen=True, slots=True)
class Tagged:
    """Repeated tag, length, value ("tlv") or length, tag, value ("ltv").

    Attributes
    ----------
    tag_width, length_width
        Bytes on the wire.
    tag_encoding, length_encoding
        "b" (hexadecimal tag, unsigned big-endian length), "bcd" (packed digits) or a text encoding of Python.
    order
        "tlv" or "ltv".
    counts
        What the length counts: "value", "tag+value" or "all" (itself too).
    encoding
        A text encoding, or "b": values are bytes.
    fixed
        Tags that have no length, and the bytes of their values ("tlv" only).
    length_widths
        Tags whose length has another width ("tlv" only).
    inside
        Tags that are divided further.
    names, secrets
        For people; secret values are never shown.
    binary
        The element's value is hexadecimal in a `Message`.

    Examples
    --------
    >>> house = Tagged(tag_width=2, length_width=3)
    >>> [(node.tag, node.text) for node in house.parse(b"06002050200" + b"1M")]
    [('06', '05'), ('02', 'M')]
    """

    tag_width: int
    length_width: int
    tag_encoding: str = "ascii"
    length_encoding: str = "ascii"
    order: str = "tlv"
    counts: str = "value"
    encoding: str = "ascii"
    fixed: Mapping[str, int] = field(default_factory=dict)
    length_widths: Mapping[str, int] = field(default_factory=dict)
    inside: Mapping[str, Layout] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    binary: bool = False

    def __post_init__(self) -> None:
        rules = (
            ("tag_width", self.tag_width, 1 <= self.tag_width <= 8, "1 to 8 bytes"),
            ("length_width", self.length_width, 1 <= self.length_width <= 4, "1 to 4 bytes"),
            ("order", self.order, self.order in ("tlv", "ltv"), "tlv or ltv"),
            ("counts", self.counts, self.counts in _COUNTS, f"one of {', '.join(_COUNTS)}"),
            (
                "fixed",
                sorted(self.fixed),
                self.order == "tlv" or not (self.fixed or self.length_widths),
                "lengths by tag need the tag first: order tlv",
            ),
        )
        for key, value, holds, rule in rules:
            if not holds:
                raise ConfigError("layout", key, value, rule)
        for key in ("tag_encoding", "length_encoding", "encoding"):
            _check_encoding(key, getattr(self, key), packed=key != "encoding")

    def parse(self, data: bytes) -> tuple[Node, ...]:
        """Read all of `data`; RemoteProtocolError where a tag, length or value is cut off or illegal."""
        nodes: list[Node] = []
        at, size, tag_first = 0, len(data), self.order == "tlv"
        while at < size:
            start, tag = at, ""
            if tag_first:
                tag, at = self._tag(data, at)
            length = self.fixed.get(tag, -1) if tag_first else -1
            if length < 0:
                width = self.length_widths.get(tag, self.length_width)
                length, at = self._length(data, at, width)
            if not tag_first:
                tag, at = self._tag(data, at)
            end = at + length
            if end > size:
                raise RemoteProtocolError("a value is cut off", offset=start)
            nodes.append(self._node(tag, data[at:end], start, end, at))
            at = end
        return tuple(nodes)

    def build(self, nodes: Iterable[Node]) -> bytes:
        """Write parts; only `tag` and `raw`, or `children` where the tag is divided further, are needed."""
        pieces: list[bytes] = []
        for node in nodes:
            layout = self.inside.get(node.tag)
            raw = layout.build(node.children) if layout is not None and node.children else node.raw
            tag = _write(node.tag, self.tag_width, self.tag_encoding)
            if node.tag in self.fixed:
                if len(raw) != self.fixed[node.tag]:
                    raise LocalProtocolError("a part of fixed length has another length")
                pieces += (tag, raw)
                continue
            width = self.length_widths.get(node.tag, self.length_width)
            length = _write_number(len(raw) + self._extra(width), width, self.length_encoding)
            pieces += (tag, length, raw) if self.order == "tlv" else (length, tag, raw)
        return b"".join(pieces)

    def _extra(self, width: int) -> int:
        """Say what a length counts besides the value."""
        if self.counts == "value":
            return 0
        return self.tag_width + (width if self.counts == "all" else 0)

    def _tag(self, data: bytes, at: int) -> tuple[str, int]:
        end = at + self.tag_width
        raw = data[at:end]
        tag = _read(raw, self.tag_encoding)
        if len(raw) != self.tag_width or tag is None:
            raise RemoteProtocolError("a tag is cut off or illegal", offset=at)
        return tag, end

    def _length(self, data: bytes, at: int, width: int) -> tuple[int, int]:
        end = at + width
        raw = data[at:end]
        number = _read_number(raw, self.length_encoding)
        length = -1 if len(raw) != width or number is None else number - self._extra(width)
        if length < 0:
            raise RemoteProtocolError("a length is cut off or illegal", offset=at)
        return length, end

    def _node(self, tag: str, raw: bytes, start: int, end: int, at: int) -> Node:
        layout = self.inside.get(tag)
        children: tuple[Node, ...] = ()
        if layout is not None:
            try:
                children = layout.parse(raw)
            except RemoteProtocolError as error:
                raise RemoteProtocolError(str(error), offset=at + (error.offset or 0)) from None
        text = "" if children else _read_text(raw, self.encoding)
        return Node(tag, raw, text, start, end, children, self.names.get(tag, ""), tag in self.secrets)


def _check_encoding(key: str, encoding: str, *, packed: bool) -> None:
    if encoding == "b" or (packed and encoding == "bcd"):
        return
    try:
        if len("0".encode(encoding)) == 1:
            return
    except (LookupError, TypeError, UnicodeError):
        pass
    raise ConfigError("layout", key, encoding, "b, bcd, or a single-byte text encoding of Python")


def _read(raw: bytes, encoding: str) -> str | None:
    if encoding == "b":
        return raw.hex().upper()
    if encoding == "bcd":
        digits = raw.hex()
        return digits if digits.isdigit() else None
    try:
        text = raw.decode(encoding)
    except UnicodeError:
        return None
    # A tag that does not come back as the same bytes could not be written again.
    return text if text.isprintable() and text.encode(encoding) == raw else None


def _read_text(raw: bytes, encoding: str) -> str:
    if encoding != "b":
        try:
            return raw.decode(encoding)
        except UnicodeError:
            pass
    return raw.hex().upper()


def _read_number(raw: bytes, encoding: str) -> int | None:
    if encoding == "b":
        return int.from_bytes(raw, "big")
    digits = _read(raw, encoding)
    return int(digits) if digits is not None and digits.isascii() and digits.isdigit() else None


def _write(tag: str, width: int, encoding: str) -> bytes:
    try:
        raw = bytes.fromhex(tag) if encoding in ("b", "bcd") else tag.encode(encoding)
    except ValueError:
        raw = b""
    if len(raw) != width or _read(raw, encoding) != tag:
        raise LocalProtocolError(f"a tag of {width} bytes expected")
    return raw


def _write_number(number: int, width: int, encoding: str) -> bytes:
    try:
        if encoding == "b":
            return number.to_bytes(width, "big")
        digits = f"{number:0{2 * width if encoding == 'bcd' else width}d}"
        raw = bytes.fromhex(digits) if encoding == "bcd" else digits.encode(encoding)
    except (OverflowError, ValueError):
        raw = b""
    if len(raw) != width:
        raise LocalProtocolError("a value is too long for its length")
    return raw
