"""What are these bytes? Every framing, header and dialect is tried on a captured beginning of a stream.

The answer is a ranked list of candidates, not a guess: each says how far it got, and the place and the rule that
stopped it. A candidate that reads everything comes first; between those that do, what they read must also make sense
(dates that exist, card numbers with a right check digit).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from iso.codec import decode
from iso.dialect import Dialect
from iso.dialects import DIALECT_NAMES, dialect
from iso.errors import RemoteProtocolError
from iso.framing import LIMIT_BYTES, FrameDecoder, framing
from iso.masks import luhn_valid
from iso.message import Message
from iso.prefixes import PREFIXES
from iso.semantics import check

__all__ = ["Candidate", "candidates"]

NO_FRAMING = "none"
"""The bytes are one message, without a length."""

_TRIED = (*PREFIXES, *(f"{name}+etx" for name in PREFIXES), "stx-etx", "stx-etx-lrc")
_HEADERS = {"none": 0, "tpdu": 5, "base1": 22}
_TPDU_FIRST, _BASE1_FIRST = 0x60, 22
_MESSAGES_MAX = 8
_BYTES_MAX = 4 * LIMIT_BYTES
_TIMES = frozenset({7, 12, 13, 15})


class Candidate(NamedTuple):
    """One reading of the bytes.

    Attributes
    ----------
    framing
        Name for `iso.framing.framing`, or "none".
    header
        "none", "tpdu" or "base1": what stands before the MTI.
    dialect
        The dialect's name.
    messages
        What was read, in order.
    fits
        All bytes were read.
    remarks
        How many things in the messages are odd (a month 13, a card number with a wrong check digit).
    reached
        How many bytes made sense.
    element, offset, rule
        What stopped it, where in the given bytes, and why; None, None and "" if it fits. Never contains content.
    """

    framing: str
    header: str
    dialect: str
    messages: tuple[Message, ...]
    fits: bool
    remarks: int
    reached: int
    element: int | None
    offset: int | None
    rule: str


class _Frames(NamedTuple):
    """The beginning of a stream, cut by one framing: payloads with their places, and what stopped it."""

    name: str
    payloads: tuple[tuple[int, bytes], ...]
    rule: str
    offset: int


def candidates(data: bytes, dialects: Iterable[Dialect] | None = None) -> list[Candidate]:
    """Say how bytes can be read.

    Parameters
    ----------
    data
        The first bytes of one direction of a stream, or one message. At most 32 KiB of them are looked at, and at most
        eight messages.
    dialects
        Which to try; None = all that come with the house.

    Returns
    -------
    list[Candidate]
        Best first; one for every framing that cuts at least one payload, and dialect. Empty if `data` is.

    Examples
    --------
    >>> from iso.codec import encode
    >>> echo = Message("0800", {7: "1122131155", 11: "000007", 70: "301"})
    >>> best = candidates(framing("len4-ascii").encode(encode(echo, dialect("ascii87"))))[0]
    >>> best.framing, best.header, best.dialect, best.fits, best.messages
    ('len4-ascii', 'none', 'ascii87', True, (Message('0800', {7: '1122131155', 11: '000007', 70: '301'}),))
    """
    data = bytes(data[:_BYTES_MAX])
    if not data:
        return []
    known = [dialect(name) for name in DIALECT_NAMES] if dialects is None else list(dialects)
    found = [
        _read(frames, one, header, len(data))
        for frames in _cuts(data)
        for one in known
        for header in _headers(frames.payloads[0][1])
    ]
    return sorted(_best_header(found), key=_rank)


def _rank(candidate: Candidate) -> tuple[object, ...]:
    # A reading that stops early is worth less than any that goes on; simpler explanations win ties.
    plain = candidate.framing != NO_FRAMING and "inclusive" not in candidate.framing and "+" not in candidate.framing
    return (
        not candidate.fits,
        -len(candidate.messages),
        -candidate.reached,
        candidate.remarks,
        not plain,
        # A keep-alive of two bytes before each frame is more likely a prefix of four.
        -PREFIXES[base].width if (base := candidate.framing.partition("+")[0]) in PREFIXES else 0,
        candidate.header != "none",
    )


def _best_header(found: list[Candidate]) -> Iterator[Candidate]:
    """Keep the best header for each framing and dialect."""
    kept: dict[tuple[str, str], Candidate] = {}
    for candidate in found:
        key = (candidate.framing, candidate.dialect)
        if key not in kept or _rank(candidate) < _rank(kept[key]):
            kept[key] = candidate
    yield from kept.values()


def _headers(payload: bytes) -> Iterator[str]:
    yield "none"
    if payload[0] == _TPDU_FIRST and len(payload) > _HEADERS["tpdu"]:
        yield "tpdu"
    if payload[0] == _BASE1_FIRST and len(payload) > _HEADERS["base1"]:
        yield "base1"


def _cuts(data: bytes) -> Iterator[_Frames]:
    """Cut `data` by every framing; those that cut nothing are left out."""
    yield _Frames(NO_FRAMING, ((0, data),), "", len(data))
    for name in _TRIED:
        frames = _cut(data, name)
        if frames.payloads:
            yield frames


def _cut(data: bytes, name: str) -> _Frames:
    way = framing(name)
    decoder: FrameDecoder = way.decoder()
    try:
        payloads = decoder.feed(data)
    except RemoteProtocolError as error:
        return _Frames(name, (), str(error), error.offset or 0)
    placed: list[tuple[int, bytes]] = []
    at = 0
    for payload in payloads[:_MESSAGES_MAX]:
        # Keep-alives may stand between frames: a payload is looked for from where the last one ended.
        at = data.index(payload, at + len(way.encode(payload)) - len(payload) - _behind(name))
        placed.append((at, payload))
        at += len(payload) + _behind(name)
    if decoder.error is not None:
        return _Frames(name, tuple(placed), str(decoder.error), decoder.error.offset or 0)
    if decoder.pending_bytes:
        return _Frames(name, tuple(placed), "the last frame is not whole", len(data) - decoder.pending_bytes)
    return _Frames(name, tuple(placed), "", len(data))


def _behind(name: str) -> int:
    """How many bytes follow a payload."""
    return 2 if name == "stx-etx-lrc" else int(name.endswith("etx"))


def _read(frames: _Frames, one: Dialect, header: str, size: int) -> Candidate:
    skipped = _HEADERS[header]
    own = bytes.fromhex(one.default_header)
    messages: list[Message] = []
    remarks = 0
    for place, payload in frames.payloads:
        body = own + payload[skipped:]
        # Where in `data` a byte of `body` stands.
        shift = place + skipped - len(own)
        try:
            message = decode(body, one)
        except RemoteProtocolError as error:
            offset = shift + (error.offset or 0)
            return _candidate(frames, one, header, messages, remarks, max(place, offset), error)
        messages.append(message.with_header(payload[:skipped].hex().upper()))
        remarks += _oddities(message)
    if frames.rule and frames.offset < size:
        # What was read is sound; what follows is not, or is not there yet.
        where, rule = frames.offset, frames.rule
        return Candidate(frames.name, header, one.name, tuple(messages), False, remarks, where, None, where, rule)
    return Candidate(frames.name, header, one.name, tuple(messages), True, remarks, size, None, None, "")


def _candidate(
    frames: _Frames,
    one: Dialect,
    header: str,
    messages: list[Message],
    remarks: int,
    offset: int,
    error: RemoteProtocolError,
) -> Candidate:
    return Candidate(
        frames.name, header, one.name, tuple(messages), False, remarks, offset, error.element, offset, str(error)
    )


def _oddities(message: Message) -> int:
    """Count what a message of a real system would not hold."""
    times = sum(finding.element in _TIMES for finding in check(message))
    empty = sum(not value for value in message.fields.values())
    return times + empty + bool(message.pan and not luhn_valid(message.pan))
