"""An element with a bitmap of its own (DE 127 in one family of switches, DE 62 and 63 in another).

Its parts are written like elements, by the same readers and writers, and may be divided further: 127.25 has a bitmap
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from iso.errors import ConfigError, LocalProtocolError, RemoteProtocolError
from iso.formats import FieldFormat
from iso.subfields.node import Layout, Node
from iso.wire import Reader, Writer, make_reader, make_writer

__all__ = ["Bitmapped"]

_BLOCKS_MAX = 3


class Bitmapped:
    """A bitmap, then the parts that it announces.

    Parameters
    ----------
    formats
        Part number, from 1 (from 2 if `continued`), to how it is written.
    bitmap_bytes
        1 to 8: how many bytes of bits there are.
    bitmap_encoding
        "b", or a text encoding: hexadecimal characters.
    continued
        The first bit of each block of bits says that another block follows (as in a message), up to three.
    inside
        Parts that are divided further.
    names
        Part number to name.
    secrets
        Parts that are never shown.
    binary
        The element's value is hexadecimal in a `Message`.

    Raises
    ------
    ConfigError
        A part number that the bitmap cannot say, or an impossible width.

    Examples
    --------
    >>> layout = Bitmapped({1: FieldFormat("n", 3), 5: FieldFormat("ans", 10, 2)}, bitmap_bytes=1)
    >>> [(node.tag, node.text) for node in layout.parse(bytes([0b10001000]) + b"840" + b"02ab")]
    [('1', '840'), ('5', 'ab')]
    """

    def __init__(
        self,
        formats: Mapping[int, FieldFormat],
        *,
        bitmap_bytes: int = 8,
        bitmap_encoding: str = "b",
        continued: bool = False,
        inside: Mapping[int, Layout] = MappingProxyType({}),
        names: Mapping[int, str] = MappingProxyType({}),
        secrets: frozenset[int] = frozenset(),
        binary: bool = False,
    ) -> None:
        if not 1 <= bitmap_bytes <= 8:
            raise ConfigError("layout", "bitmap_bytes", bitmap_bytes, "1 to 8 bytes")
        bits = 8 * bitmap_bytes
        last = bits * (_BLOCKS_MAX if continued else 1)
        for number in formats:
            if not 1 <= number <= last or (continued and number % bits == 1):
                raise ConfigError("layout", "parts", number, f"a part is a bit of its bitmap, up to {last}")
        self.binary = binary
        self._bits, self._continued, self._encoding = bits, continued, bitmap_encoding
        self._readers: dict[int, Reader] = {number: make_reader(number, what) for number, what in formats.items()}
        self._writers: dict[int, Writer] = {number: make_writer(number, what) for number, what in formats.items()}
        self._prefixes = {number: what.prefix_bytes for number, what in formats.items()}
        self._inside, self._names, self._secrets = dict(inside), dict(names), secrets

    def parse(self, data: bytes) -> tuple[Node, ...]:
        """Read all of `data`; RemoteProtocolError with the place of the first fault."""
        numbers, at = self._read_bitmap(data)
        nodes: list[Node] = []
        for number in numbers:
            reader = self._readers.get(number)
            if reader is None:
                raise RemoteProtocolError(f"part {number} is not defined in this layout", offset=at)
            start = at
            try:
                text, at = reader(data, at)
            except RemoteProtocolError as error:
                rule, offset = _of_part(number, error), error.offset
            else:
                nodes.append(self._node(number, data, text, start, at))
                continue
            raise RemoteProtocolError(rule, offset=offset)
        if at != len(data):
            raise RemoteProtocolError("bytes after the last part", offset=at)
        return tuple(nodes)

    def build(self, nodes: Iterable[Node]) -> bytes:
        """Write parts in the order of their numbers; only `tag` and `text`, or `children`, are needed."""
        parts: dict[int, bytes] = {}
        for node in nodes:
            number = int(node.tag) if node.tag.isascii() and node.tag.isdigit() else 0
            writer, layout = self._writers.get(number), self._inside.get(number)
            if writer is None or number in parts:
                raise LocalProtocolError("a part that this layout does not define, or that comes twice")
            text = node.text
            if layout is not None and node.children:
                value = layout.build(node.children)
                text = value.hex().upper() if layout.binary else value.decode("latin-1")
            try:
                parts[number] = writer(text)
            except LocalProtocolError as error:
                rule = _of_part(number, error)
            else:
                continue
            raise LocalProtocolError(rule)
        return self._write_bitmap(sorted(parts)) + b"".join(parts[number] for number in sorted(parts))

    def _node(self, number: int, data: bytes, text: str, start: int, end: int) -> Node:
        layout = self._inside.get(number)
        raw = data[start + self._prefixes[number] : end]
        children: tuple[Node, ...] = ()
        if layout is not None:
            try:
                children = layout.parse(bytes.fromhex(text) if layout.binary else text.encode("latin-1"))
            except (RemoteProtocolError, ValueError):
                children = ()
            if not children and text:
                raise RemoteProtocolError(f"part {number} is not divided as its layout says", offset=start)
        name, secret = self._names.get(number, ""), number in self._secrets
        return Node(str(number), raw, text, start, end, children, name, secret)

    def _read_bitmap(self, data: bytes) -> tuple[list[int], int]:
        width = self._bits // 8 * (1 if self._encoding == "b" else 2)
        numbers: list[int] = []
        at = block = 0
        while True:
            bits = self._read_block(data[at : at + width], width, at)
            at += width
            first = block * self._bits
            numbers += [first + place for place in range(1, self._bits + 1) if bits >> (self._bits - place) & 1]
            if not (self._continued and numbers and first + 1 in numbers):
                return numbers, at
            numbers.remove(first + 1)
            block += 1
            if block == _BLOCKS_MAX:
                raise RemoteProtocolError(f"a bitmap of more than {_BLOCKS_MAX} blocks", offset=at)

    def _read_block(self, raw: bytes, width: int, at: int) -> int:
        if len(raw) != width:
            raise RemoteProtocolError("cut off in the bitmap", offset=at)
        if self._encoding == "b":
            return int.from_bytes(raw, "big")
        try:
            return int.from_bytes(bytes.fromhex(raw.decode(self._encoding)), "big")
        except ValueError:
            pass
        raise RemoteProtocolError("the bitmap is not hexadecimal", offset=at)

    def _write_bitmap(self, numbers: list[int]) -> bytes:
        size = self._bits
        blocks = max(1, -(-numbers[-1] // size)) if numbers else 1
        pieces: list[bytes] = []
        for block in range(blocks):
            bits = 1 << (size - 1) if block + 1 < blocks else 0
            for number in numbers:
                if block * size < number <= (block + 1) * size:
                    bits |= 1 << ((block + 1) * size - number)
            raw = bits.to_bytes(size // 8, "big")
            pieces.append(raw if self._encoding == "b" else raw.hex().upper().encode(self._encoding))
        return b"".join(pieces)


def _of_part(number: int, error: Exception) -> str:
    """Say `part 3: ...` where the readers of elements say `DE 3: ...`."""
    return str(error).replace(f"DE {number}: ", f"part {number}: ", 1)
