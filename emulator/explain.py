"""What each byte of a message is and means, as data: the tree that `cardrails explain` prints.

Everything in it is masked unless the caller reveals it. A message that does not decode is explained up to its fault.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from emulator.meaning import header_parts, meaning_of, mti_meaning
from iso import Dialect, LocalProtocolError, Message, RemoteProtocolError, framing
from iso.elements import HIDDEN_ELEMENTS
from iso.generic import read_with_marks
from iso.masks import masked_window
from iso.subfields import Node, parse_element, shown, walk

CHIP_DATA = 55
_HIDDEN_BYTE = "**"
_SECRET_ELEMENTS = HIDDEN_ELEMENTS | {2, 48}
_UNREAD_SHOWN_BYTES = 8
_FIXED = "16 bytes although bit 1 is clear: read leniently, never written"


class Part(NamedTuple):
    """A part of an element: `depth` 0 is directly inside it; `start` and `end` are None where bytes do not show it."""

    depth: int
    tag: str
    name: str
    value: str
    start: int | None
    end: int | None


class Piece(NamedTuple):
    """A run of bytes with one meaning.

    Attributes
    ----------
    kind
        "framing", "header", "mti", "bitmap", "element" or "rest" (what was not understood).
    start, end
        Offsets in the bytes that were given; `end` is exclusive.
    raw
        The bytes in hexadecimal, `*` for what is hidden.
    element
        Its number; 0 for the MTI, 1 for the bitmaps, else None.
    name, value, meaning
        For people; meaning is "" where there is none.
    parts
        What is inside.
    """

    kind: str
    start: int
    end: int
    raw: str
    element: int | None
    name: str
    value: str
    meaning: str
    parts: tuple[Part, ...] = ()


class Explanation(NamedTuple):
    """A whole message, or as much of it as could be read, and then `error`."""

    dialect: Dialect
    pieces: tuple[Piece, ...]
    error: RemoteProtocolError | None

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        answer: dict[str, Any] = {"dialect": self.dialect.name, "version": self.dialect.version}
        answer["bytes"] = self.pieces[-1].end if self.pieces else 0
        answer["pieces"] = [_piece_json(piece) for piece in self.pieces]
        if self.error is not None:
            answer["error"] = {
                "error": str(self.error),
                "element": self.error.element,
                "offset": self.error.offset,
            }
        return answer


def explain(data: bytes, spoken: Dialect, *, framed: str | None = None, reveal: bool = False) -> Explanation:
    """Explain the bytes of one message.

    Parameters
    ----------
    data
        The message, with what is around it if `framed`.
    spoken
        How it is written.
    framed
        Name of the framing around it, or None.
    reveal
        Show test card numbers and secret elements as they are.

    Returns
    -------
    Explanation
        Its error's offset counts from the first byte of `data`, as all offsets in it do.
    """
    pieces: list[Piece] = []
    base, payload = 0, data
    if framed is not None:
        try:
            base, end = frame_bounds(data, framed)
        except RemoteProtocolError as fault:
            rest = data.hex().upper() if reveal else _unread(data, 0, None)
            return Explanation(spoken, (Piece("rest", 0, len(data), rest, None, "not read", "", ""),), fault)
        payload = data[base:end]
        pieces.append(Piece("framing", 0, base, data[:base].hex().upper(), None, framed, f"{end - base} bytes", ""))
    error = _walk(payload, base, spoken, pieces, reveal=reveal)
    after = base + len(payload)
    if after < len(data):
        rest = data[after:].hex().upper()
        pieces.append(Piece("framing", after, len(data), rest, None, str(framed), "", "end of the frame"))
    return Explanation(spoken, tuple(pieces), error)


def frame_bounds(data: bytes, name: str) -> tuple[int, int]:
    """Say where the message inside a frame begins and ends.

    Raises
    ------
    RemoteProtocolError
        `data` is not exactly one frame.
    """
    decoder = framing(name).decoder(limit_bytes=max(len(data), 1))
    frames = decoder.feed(data)
    if decoder.error is not None:
        raise RemoteProtocolError(str(decoder.error), offset=decoder.error.offset)
    if len(frames) != 1 or decoder.pending_bytes:
        raise RemoteProtocolError(f"one whole {name} frame expected, {len(frames)} found", offset=0)
    # The frame is written again to see what stands before the message; keep-alives may stand before the frame.
    start = data.index(frames[0], framing(name).encode(frames[0]).index(frames[0]))
    return start, start + len(frames[0])


def _walk(data: bytes, base: int, spoken: Dialect, pieces: list[Piece], *, reveal: bool) -> RemoteProtocolError | None:
    marks: list[tuple[int, int]] = []
    error: RemoteProtocolError | None = None
    is_fixed = False
    try:
        _, is_fixed = read_with_marks(data, spoken, marks)
    except RemoteProtocolError as fault:
        error = fault
    at = spoken.header_bytes if marks else 0
    if at:
        pieces.append(_header(data[:at], base, spoken))
    fields = _fields(data, at, marks, spoken)
    masked = dict(fields) if reveal else Message("0000", fields).masked()
    for element, end in marks:
        raw, start = data[at:end], base + at
        if element == 0:
            mti = raw.hex() if spoken.mti_encoding == "b" else raw.decode(spoken.mti_encoding)
            pieces.append(Piece("mti", start, base + end, raw.hex().upper(), 0, "MTI", mti, mti_meaning(mti)))
        elif element not in fields:
            value, odd = _announced(raw, element, spoken), _FIXED if is_fixed else ""
            pieces.append(Piece("bitmap", start, base + end, raw.hex().upper(), element, "Bitmap", value, odd))
        else:
            pieces.append(_element(element, raw, start, fields, masked[element], spoken, reveal=reveal))
        at = end
    if error is not None:
        error.offset = None if error.offset is None else error.offset + base
        if at < len(data):
            rest = data[at:].hex().upper() if reveal else _unread(data, at, error.element)
            pieces.append(Piece("rest", base + at, base + len(data), rest, None, "not read", "", ""))
    return error


def _unread(data: bytes, at: int, element: int | None) -> str:
    """Show the first bytes that were not understood, unless they are secret; nobody knows what follows them."""
    if element in _SECRET_ELEMENTS:
        return _HIDDEN_BYTE * (len(data) - at)
    # Digits are hidden over the whole of the bytes, so that the cut does not make a long run look short.
    window = masked_window(data, 0, radius_bytes=len(data)).partition(": ")[2]
    shown_end = 2 * (at + _UNREAD_SHOWN_BYTES)
    return window[2 * at : shown_end] + "*" * max(0, len(window) - shown_end)


def _fields(data: bytes, at: int, marks: list[tuple[int, int]], spoken: Dialect) -> dict[int, str]:
    """Read again what was read: the walk kept only where each element ends."""
    fields: dict[int, str] = {}
    for element, end in marks:
        if element > 1 and element in spoken.readers:
            fields[element], _ = spoken.readers[element](data, at)
        at = end
    return fields


def _header(header: bytes, base: int, spoken: Dialect) -> Piece:
    parts = tuple(
        Part(0, tag, name, header[start:end].hex().upper(), base + start, base + end)
        for tag, name, start, end in header_parts(header, spoken.header)
    )
    raw = header.hex().upper()
    return Piece("header", base, base + len(header), raw, None, spoken.header.upper(), "", "", parts)


def _announced(raw: bytes, element: int, spoken: Dialect) -> str:
    """List the bits of a bitmap; bit 1 and bit 65 where they announce another one are listed too."""
    packed = raw if spoken.bitmap_encoding == "b" else bytes.fromhex(raw.decode(spoken.bitmap_encoding))
    first = 1 if element == 1 else 129
    bits = "".join(f"{byte:08b}" for byte in packed)
    return " ".join(str(number) for number, bit in enumerate(bits, first) if bit == "1")


def _element(
    element: int, raw: bytes, start: int, fields: dict[int, str], masked: str, spoken: Dialect, *, reveal: bool
) -> Piece:
    value = fields[element]
    meaning = "" if element in HIDDEN_ELEMENTS and not reveal and value else meaning_of(element, fields, spoken)
    parts = _parts(element, value, start, len(raw), spoken, reveal=reveal)
    return Piece(
        "element",
        start,
        start + len(raw),
        raw.hex().upper() if masked == value else _hidden(element, raw, value, masked, spoken),
        element,
        spoken.names.get(element, ""),
        masked,
        meaning,
        parts,
    )


def _hidden(element: int, raw: bytes, value: str, masked: str, spoken: Dialect) -> str:
    """Show the bytes of a masked element: what two different fillings of the mask change is what is hidden."""
    mask = masked if len(masked) == len(value) else "*" * len(value)
    try:
        low, high = (spoken.writers[element](mask.replace("*", filler)).hex().upper() for filler in "09")
    except LocalProtocolError:
        low = high = ""
    if not len(low) == len(high) == 2 * len(raw):
        return _HIDDEN_BYTE * len(raw)
    return "".join(one if one == other else "*" for one, other in zip(low, high, strict=True))


def _parts(element: int, value: str, start: int, length: int, spoken: Dialect, *, reveal: bool) -> tuple[Part, ...]:
    layout = spoken.layout(element)
    if layout is None or not value or (element in HIDDEN_ELEMENTS and element != CHIP_DATA and not reveal):
        return ()
    try:
        nodes = parse_element(value, layout, element)
    except RemoteProtocolError as error:
        return (Part(0, "", str(error), "", None, None),)
    place = _place(value, start + length, is_binary=layout.binary, is_packed=spoken.formats[element].encoding == "b")
    return tuple(_part(depth, node, place, reveal=reveal) for depth, node in walk(nodes))


def _place(value: str, end: int, *, is_binary: bool, is_packed: bool) -> tuple[int, int] | None:
    """Say where the value begins and how many bytes on the wire one byte of it takes; None if parts share bytes."""
    if not is_binary:
        return None if is_packed else (end - len(value), 1)
    return (end - len(value) // 2, 1) if is_packed else (end - len(value), 2)


def _part(depth: int, node: Node, place: tuple[int, int] | None, *, reveal: bool) -> Part:
    value = shown(node) if not reveal else ("" if node.children else node.text)
    if place is None:
        return Part(depth, node.tag, node.name, value, None, None)
    at, scale = place
    return Part(depth, node.tag, node.name, value, at + scale * node.start, at + scale * node.end)


def _piece_json(piece: Piece) -> dict[str, Any]:
    answer = {key: value for key, value in piece._asdict().items() if value not in (None, (), "")}
    if piece.kind == "bitmap":
        answer["value"] = [int(number) for number in piece.value.split()]
    if piece.parts:
        answer["parts"] = [
            {key: value for key, value in part._asdict().items() if value is not None} for part in piece.parts
        ]
    return answer
