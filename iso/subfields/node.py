"""One part of an element, whatever the layout: a tag, its bytes, where they stand, and the parts inside it.

`explain` prints these trees and predicates look into them; layouts read and write them. A part keeps its bytes, not
only its text, so that what a layout does not know is written back exactly as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.masks import mask_text

__all__ = ["Layout", "Node", "element_value", "find", "parse_element", "replaced", "shown", "walk"]


class Node(NamedTuple):
    """One part of an element.

    Attributes
    ----------
    tag
        As people write it: "9F26", "13", "25", or a part's name. "" is padding.
    raw
        The value's bytes as they are written, without tag and length.
    text
        The value for people: characters, or upper-case hex; "" where `children` say it.
    start, end
        Offsets in the bytes that were parsed, tag and length included.
    children
        The parts inside, in order.
    name
        What the layout calls it, or "".
    secret
        Must not be shown.
    head
        Tag and length as they were written, kept where another form of them exists; b"" = write them as usual.
    """

    tag: str
    raw: bytes
    text: str = ""
    start: int = 0
    end: int = 0
    children: tuple[Node, ...] = ()
    name: str = ""
    secret: bool = False
    head: bytes = b""


class Layout(Protocol):
    """How the bytes of an element are divided. `binary`: the element's value is hexadecimal in a `Message`."""

    @property
    def binary(self) -> bool:
        """Whether the element's value in a `Message` is the hexadecimal of the bytes."""
        ...

    def parse(self, data: bytes) -> tuple[Node, ...]:
        """Read all of `data`; RemoteProtocolError with the offset in `data` if it is not this layout."""
        ...

    def build(self, nodes: Iterable[Node]) -> bytes:
        """Write what `parse` read; LocalProtocolError if it cannot be written."""
        ...


def parse_element(value: str, layout: Layout, element: int | None = None) -> tuple[Node, ...]:
    """Divide an element's value.

    Parameters
    ----------
    value
        As in `Message.fields`.
    layout
        How it is divided.
    element
        Its number, for errors.

    Returns
    -------
    tuple[Node, ...]

    Raises
    ------
    RemoteProtocolError
        Not this layout. The offset counts bytes from the beginning of the value.
    """
    rule = "a part holds what its layout does not allow"
    try:
        data = bytes.fromhex(value) if layout.binary else value.encode("latin-1")
        return layout.parse(data)
    except RemoteProtocolError as error:
        rule, offset = str(error), error.offset
    except ValueError:
        offset = 0
    where = rule if element is None else f"DE {element}: {rule}"
    raise RemoteProtocolError(where, element=element, offset=offset)


def element_value(nodes: Iterable[Node], layout: Layout) -> str:
    """Write parts as an element's value; raises LocalProtocolError if `layout` cannot."""
    data = layout.build(nodes)
    return data.hex().upper() if layout.binary else data.decode("latin-1")


def find(nodes: Iterable[Node], path: str) -> Node | None:
    """Find the first part with a path.

    Parameters
    ----------
    nodes
        Where to look.
    path
        Tags from the outside in, joined by dots: "71.86". Letters may be of either case.

    Returns
    -------
    Node | None
    """
    tag, _, rest = path.partition(".")
    tag = tag.upper()
    for node in nodes:
        if node.tag.upper() == tag and tag:
            if not rest:
                return node
            if (found := find(node.children, rest)) is not None:
                return found
    return None


def replaced(nodes: Iterable[Node], path: str, raw: bytes) -> tuple[Node, ...]:
    """Give the same parts with other bytes in the first one that has `path`.

    Raises
    ------
    LocalProtocolError
        No part has this path.
    """
    tag, _, rest = path.partition(".")
    changed: list[Node] = []
    waiting = True
    for node in nodes:
        if waiting and node.tag.upper() == tag.upper() and (not rest or find(node.children, rest) is not None):
            waiting = False
            children = replaced(node.children, rest, raw) if rest else ()
            changed.append(node._replace(raw=node.raw if rest else raw, children=children, text=""))
        else:
            changed.append(node)
    if waiting:
        raise LocalProtocolError("no part has this path")
    return tuple(changed)


def walk(nodes: Iterable[Node], depth: int = 0) -> Iterator[tuple[int, Node]]:
    """Give every part with its depth, outer parts before the parts inside them; padding is left out."""
    for node in nodes:
        if node.tag:
            yield depth, node
            yield from walk(node.children, depth + 1)


def shown(node: Node) -> str:
    """Give a part's value as it may be shown: `***` if secret, and without anything that looks like a card number."""
    if node.secret:
        return "***"
    if node.children:
        return ""
    characters = node.raw.decode("latin-1")
    # Hexadecimal of characters hides a number from a search for digits.
    return mask_text(node.text) if mask_text(characters) == characters else "***"
