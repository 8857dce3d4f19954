"""Parts known by their place: DE 3, 22, 43, 90 and every element that is a row of columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from iso.errors import ConfigError, LocalProtocolError, RemoteProtocolError
from iso.subfields.node import Node

__all__ = ["Part", "Positional", "Repeated"]


class Part(NamedTuple):
    """One column: `tag` names it in paths, `width` is in bytes (0 = all that is left, last only), `name` for people."""

    tag: str
    width: int
    name: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Positional:
    """Columns of fixed width, the last of which may take what is left.

    Attributes
    ----------
    parts
        The columns in order.
    short
        The value may end behind any column: the rest is absent.
    encoding
        A text encoding, or "b": columns are bytes.
    binary
        The element's value is hexadecimal in a `Message`.

    Examples
    --------
    >>> code = Positional((Part("type", 2), Part("from", 2), Part("to", 2)))
    >>> [(node.tag, node.text) for node in code.parse(b"012000")]
    [('type', '01'), ('from', '20'), ('to', '00')]
    """

    parts: tuple[Part, ...]
    short: bool = False
    encoding: str = "ascii"
    binary: bool = False

    def __post_init__(self) -> None:
        widths = [part.width for part in self.parts]
        if not widths or min(widths) < 0 or 0 in widths[:-1]:
            raise ConfigError("layout", "parts", widths, "positive widths; only the last may be 0 (what is left)")
        tags = [part.tag.lower() for part in self.parts]
        if len(set(tags)) != len(tags) or not all(tags):
            raise ConfigError("layout", "parts", tags, "a name for each part, each once")

    @property
    def width(self) -> int:
        """Bytes of the whole row; 0 if its length is not fixed."""
        widths = [part.width for part in self.parts]
        return 0 if self.short or not widths[-1] else sum(widths)

    def parse(self, data: bytes) -> tuple[Node, ...]:
        """Read all of `data`; RemoteProtocolError if it does not end where a column ends."""
        nodes: list[Node] = []
        at, size = 0, len(data)
        for part in self.parts:
            if at == size and self.short:
                break
            end = at + part.width if part.width else size
            if end > size:
                raise RemoteProtocolError("a part is cut off", offset=at)
            raw = data[at:end]
            text = raw.hex().upper() if self.encoding == "b" else raw.decode(self.encoding, "replace")
            nodes.append(Node(part.tag, raw, text, at, end, name=part.name, secret=part.secret))
            at = end
        if at != size:
            raise RemoteProtocolError("bytes after the last part", offset=at)
        return tuple(nodes)

    def build(self, nodes: Iterable[Node]) -> bytes:
        """Write columns; they must be the first ones, in order, each as wide as it is."""
        given = tuple(nodes)
        wanted = self.parts[: len(given)] if self.short else self.parts
        fits = len(given) == len(wanted) and all(
            node.tag.lower() == part.tag.lower() and part.width in (0, len(node.raw))
            for node, part in zip(given, wanted, strict=True)
        )
        if not fits:
            raise LocalProtocolError("parts that are missing, out of order or of another width")
        return b"".join(node.raw for node in given)


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same row again and again (DE 54): parts are tagged "1", "2", ..., each with its columns inside.

    Attributes
    ----------
    block
        One row, of fixed width.
    most
        How many rows there may be.
    """

    block: Positional
    most: int

    def __post_init__(self) -> None:
        if not self.block.width or self.most < 1:
            raise ConfigError("layout", "block", self.block.width, "a row of fixed width, at least once")

    @property
    def binary(self) -> bool:
        """As the row's."""
        return self.block.binary

    def parse(self, data: bytes) -> tuple[Node, ...]:
        """Read all of `data`; RemoteProtocolError if it is not a whole number of rows, `most` at the most."""
        width = self.block.width
        if len(data) % width or len(data) > width * self.most:
            raise RemoteProtocolError(f"up to {self.most} rows of {width} bytes expected", offset=0)
        nodes: list[Node] = []
        for number, at in enumerate(range(0, len(data), width), 1):
            raw = data[at : at + width]
            columns = tuple(node._replace(start=node.start + at, end=node.end + at) for node in self.block.parse(raw))
            nodes.append(Node(str(number), raw, "", at, at + width, columns))
        return tuple(nodes)

    def build(self, nodes: Iterable[Node]) -> bytes:
        """Write rows from their columns."""
        rows = [self.block.build(node.children) for node in nodes]
        if len(rows) > self.most:
            raise LocalProtocolError(f"at most {self.most} rows")
        return b"".join(rows)
