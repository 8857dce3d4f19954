"""The house's private element: DE 48 as repeated tag (2 AN), length (3 N), value.

Networks lay DE 48 out in their own ways; this one is ours, and foreign layouts are mapped to it at the edge of the
house. Tags 01 (CVV2), 05 (token cryptogram), 18 (a new PIN) and 20 (half of a PIN block) live for one authorisation
only: they are never stored, shown or sent in advices.
"""

from __future__ import annotations

from collections.abc import Mapping

from iso.errors import LocalProtocolError, RemoteProtocolError
from iso.masks import mask_text

__all__ = [
    "ADDRESS",
    "ADVICE_CODE",
    "ASSIGNED_TAGS",
    "AVS_RESULT",
    "CAPTURE",
    "CAVV",
    "CRYPTOGRAM_RESULT",
    "CVV2",
    "CVV2_RESULT",
    "ECI",
    "INITIATOR",
    "KEY_SERIAL",
    "NETWORK_TRANSACTION_ID",
    "NEW_PIN",
    "ORIGINAL_TIME",
    "PARTIAL_APPROVAL",
    "PIN_REST",
    "RESPONSE_CODE_1987",
    "SECRET_TAGS",
    "STAND_IN",
    "TOKEN_CRYPTOGRAM",
    "TRACE_ID",
    "build_private",
    "mask_private",
    "parse_private",
    "without_secrets",
]

CVV2 = "01"
CVV2_RESULT = "02"
ADDRESS = "03"
"""Address and postcode."""
AVS_RESULT = "04"
TOKEN_CRYPTOGRAM = "05"
"""Token cryptogram (hex) + ATC + unpredictable number."""
ECI = "06"
CAVV = "07"
PARTIAL_APPROVAL = "08"
"""Partial approval supported."""
STAND_IN = "09"
"""Stand-in: reason, and who stood in."""
NETWORK_TRANSACTION_ID = "10"
ADVICE_CODE = "11"
INITIATOR = "12"
"""Cardholder or merchant."""
TRACE_ID = "13"
RESPONSE_CODE_1987 = "14"
"""On 1993 legs only: DE 39 as its 1987 leg said it, where the three digits alone would not lead back to it."""
ORIGINAL_TIME = "15"
"""On 1993 legs only: DE 7 and DE 33 of the original, which DE 90 has and DE 56 has no place for; n21."""
CAPTURE = "16"
"""Which completion of its payment a 0220 is: two digits from 01 on, then F (the final one) or P (others may follow)."""
CRYPTOGRAM_RESULT = "17"
"""What the network's token service found: V the cryptogram was right, N there was none. Set by the switch alone."""
NEW_PIN = "18"
"""The PIN block (hex) with the PIN that a cardholder chooses; under the same key and in the same format as DE 52."""
KEY_SERIAL = "19"
"""Serial number (hex) of the DUKPT key of a terminal's PIN block: 20 digits, or 24 with AES. Terminal to acquirer."""
PIN_REST = "20"
"""What DE 52 has no room for of a PIN block of sixteen bytes (ISO 4): its second half, hex. Terminal to acquirer."""

_LONGEST_PAN = 19
_SHORTEST_PAN = 12
ASSIGNED_TAGS = frozenset(f"{number:02d}" for number in range(1, 21))
"""Tags that mean something here."""

SECRET_TAGS = frozenset({CVV2, TOKEN_CRYPTOGRAM, NEW_PIN, PIN_REST})
"""Never stored, traced or sent in advices."""

_HEAD = 5
_LONGEST = 999
_heads: dict[str, tuple[str, int]] = {}
"""Tags and lengths that were read before; only of assigned tags, so that a peer cannot fill it."""


def parse_private(text: str) -> dict[str, str]:
    """Read DE 48.

    Parameters
    ----------
    text
        DE 48; "" has no tags.

    Returns
    -------
    dict[str, str]
        Value by tag, in order; unknown tags are kept.

    Raises
    ------
    RemoteProtocolError
        Not this layout, or a tag comes twice. The offset counts from the beginning of the value.

    Examples
    --------
    >>> parse_private("0100312306002" + "05")
    {'01': '123', '06': '05'}
    """
    tags: dict[str, str] = {}
    end, size = 0, len(text)
    while end < size:
        at, start = end, end + _HEAD
        head = text[at:start]
        tag, length = _heads.get(head) or _read_head(head, at)
        end = start + length
        if end > size or tag in tags:
            raise RemoteProtocolError("DE 48: a value is cut off or comes twice", element=48, offset=at)
        tags[tag] = text[start:end]
    return tags


def _read_head(head: str, at: int) -> tuple[str, int]:
    """Return the tag and the length that stand at an offset."""
    tag, length = head[:2], head[2:]
    if not (len(length) == 3 and length.isascii() and length.isdigit() and tag.isascii() and tag.isalnum()):
        raise RemoteProtocolError("DE 48: a tag and three digits expected", element=48, offset=at)
    found = tag, int(length)
    if tag in ASSIGNED_TAGS:
        _heads[head] = found
    return found


def build_private(tags: Mapping[str, str]) -> str:
    """Write DE 48.

    Parameters
    ----------
    tags
        Value by tag, in the order in which to write them.

    Returns
    -------
    str
        DE 48, at most 999 characters.

    Raises
    ------
    LocalProtocolError
        A tag is not two letters or digits, or the whole is too long.

    Examples
    --------
    >>> build_private({"06": "05", "13": "trace"})
    '060020513005trace'
    """
    pieces: list[str] = []
    for tag, value in tags.items():
        if tag not in ASSIGNED_TAGS and (len(tag) != 2 or not (tag.isascii() and tag.isalnum())):
            raise LocalProtocolError("DE 48: a tag is two letters or digits", element=48)
        pieces.append(f"{tag}{len(value):03d}{value}")
    text = "".join(pieces)
    if len(text) > _LONGEST:
        raise LocalProtocolError(f"DE 48: at most {_LONGEST} characters, {len(text)} given", element=48)
    return text


def without_secrets(text: str) -> str:
    """Drop tags 01 and 05: what remains may be stored and sent in advices; raises as `parse_private`."""
    tags = parse_private(text)
    if SECRET_TAGS.isdisjoint(tags):
        return text
    return build_private({tag: value for tag, value in tags.items() if tag not in SECRET_TAGS})


def mask_private(text: str, filler: str = "*") -> str:
    """Hide what must not be shown, keeping the length and the layout.

    Parameters
    ----------
    text
        DE 48 in any layout; never raises.
    filler
        The character that replaces a hidden one.

    Returns
    -------
    str
        Same length. Tags 01 and 05 are hidden, other values have card numbers masked; a foreign layout is hidden whole.

    Examples
    --------
    >>> mask_private("01003123" + "0600205")
    '01003***0600205'
    """
    quick = _mask_quickly(text, filler)
    if quick is not None:
        return quick
    try:
        tags = parse_private(text)
    except RemoteProtocolError:
        return filler * len(text)
    pieces = []
    for tag, value in tags.items():
        size = len(value)
        if tag in SECRET_TAGS:
            value = filler * size
        elif size >= _SHORTEST_PAN:
            value = mask_text(value)
        pieces.append(f"{tag}{size:03d}{value}")
    masked = "".join(pieces)
    is_ours = ASSIGNED_TAGS.issuperset(tags) and len(text) > _LONGEST_PAN
    if is_ours or mask_text(masked) == masked:
        return masked
    # A number that runs across tags and lengths: a foreign value that looks like ours by chance. No value is shown.
    # Where every tag is one of ours, and it is longer than a number, the chance is in the digits and the layout real.
    return "".join(f"{tag}{len(value):03d}{filler * len(value)}" for tag, value in tags.items())


def _mask_quickly(text: str, filler: str) -> str | None:
    """Mask in one walk what is ours beyond doubt; None where `parse_private` has to look."""
    size = len(text)
    if _SHORTEST_PAN <= size <= _LONGEST_PAN:
        return None
    masked, end, seen = text, 0, ""
    while end < size:
        start = end + _HEAD
        known = _heads.get(text[end:start])
        # Nothing but assigned tags is known, and tags that rise cannot come twice.
        if known is None or known[0] <= seen:
            return None
        seen, length = known
        end = start + length
        if end > size:
            return None
        if seen in SECRET_TAGS:
            masked = f"{masked[:start]}{filler * length}{masked[end:]}"
        elif length >= _SHORTEST_PAN:
            value = text[start:end]
            hidden = mask_text(value)
            if hidden != value:
                masked = f"{masked[:start]}{hidden}{masked[end:]}"
    return masked
