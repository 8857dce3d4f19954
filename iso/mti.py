"""The message type identifier: four digits that say version, class, function and origin.

The response rule is common practice (shared by the open packagers): the function digit goes up by one, and the origin
digit loses its repeat flag, so a repeat (0421) is answered exactly like its first copy (0430). It is one table here
because getting it wrong (0421 -> 0431) is the most copied defect of the field.
"""

from __future__ import annotations

from functools import lru_cache

from iso.errors import LocalProtocolError

__all__ = [
    "VERSION_DIGITS",
    "describe_mti",
    "first_mti",
    "is_advice",
    "is_answered_by",
    "is_repeat",
    "is_request",
    "is_response",
    "is_valid",
    "repeat_mti",
    "response_mti",
]

VERSION_DIGITS = {"1987": "0", "1993": "1", "2003": "2", "national": "8", "private": "9"}
"""First digit of the MTI by the name of the version."""

_VERSIONS = {digit: name for name, digit in VERSION_DIGITS.items()}
_CLASSES = {
    "1": "authorisation",
    "2": "financial",
    "3": "file action",
    "4": "reversal",
    "5": "reconciliation",
    "6": "administrative",
    "7": "fee collection",
    "8": "network management",
}
_FUNCTIONS = {
    "0": "request",
    "1": "response",
    "2": "advice",
    "3": "advice response",
    "4": "notification",
    "5": "notification acknowledgement",
    "6": "instruction",
    "7": "instruction acknowledgement",
}
_ORIGINS = {"0": "acquirer", "2": "issuer", "4": "other"}
# 0 request, 2 advice, 4 notification, 6 instruction: each is answered by the odd number above it.
_ASKING = frozenset("0246")
_ANSWERING = frozenset("1357")
# Acquirer, issuer, other; the odd digit is the repeat of the even one below it.
_RESPONSE_ORIGIN = {"0": "0", "1": "0", "2": "2", "3": "2", "4": "4", "5": "4"}
_REPEAT_ORIGIN = {"0": "1", "1": "1", "2": "3", "3": "3", "4": "5", "5": "5"}


@lru_cache(maxsize=1024)
def is_valid(mti: str) -> bool:
    """Say whether `mti` is one that can exist.

    Parameters
    ----------
    mti
        Any text.

    Returns
    -------
    bool
        True for four digits with a known version, a class 1..8, a function 0..7 and an origin 0..5.

    Examples
    --------
    >>> is_valid("0100"), is_valid("1804"), is_valid("0000"), is_valid("01OO")
    (True, True, False, False)

    Source
    ------
    Common practice: public MTI tables of open implementations; the standard itself was not read.
    """
    return (
        len(mti) == 4
        and mti[0] in "01289"
        and mti[1] in _CLASSES
        and (mti[2] in _ASKING or mti[2] in _ANSWERING)
        and mti[3] in _RESPONSE_ORIGIN
    )


@lru_cache(maxsize=1024)
def is_request(mti: str) -> bool:
    """Say whether `mti` expects an answer: a request, advice, notification or instruction."""
    return is_valid(mti) and mti[2] in _ASKING


@lru_cache(maxsize=1024)
def is_response(mti: str) -> bool:
    """Say whether `mti` answers another message."""
    return is_valid(mti) and mti[2] in _ANSWERING


def is_repeat(mti: str) -> bool:
    """Say whether `mti` carries the repeat flag (0401, 0421, 1421)."""
    return is_valid(mti) and mti[3] in "135"


@lru_cache(maxsize=1024)
def response_mti(mti: str) -> str:
    """Give the MTI that answers `mti`.

    Parameters
    ----------
    mti
        str[4] decimal, a request, advice, notification or instruction, first copy or repeat.

    Returns
    -------
    str
        str[4] decimal.

    Raises
    ------
    LocalProtocolError
        `mti` is unknown or is itself a response; nothing answers an answer.

    Examples
    --------
    >>> [response_mti(mti) for mti in ("0100", "0121", "0401", "0421", "1421", "1804")]
    ['0110', '0130', '0410', '0430', '1430', '1814']

    Source
    ------
    Common practice; jPOS `ISOMsg.setResponseMTI` follows the same rule.
    """
    if not is_request(mti):
        raise LocalProtocolError("no response exists for this MTI", element=0)
    return f"{mti[:2]}{int(mti[2]) + 1}{_RESPONSE_ORIGIN[mti[3]]}"


def repeat_mti(mti: str) -> str:
    """Give the MTI of a repeat of `mti`; a repeat is its own repeat.

    Parameters
    ----------
    mti
        str[4] decimal, anything that expects an answer.

    Returns
    -------
    str
        str[4] decimal.

    Raises
    ------
    LocalProtocolError
        `mti` is unknown or is a response; answers are not repeated.

    Examples
    --------
    >>> repeat_mti("0420"), repeat_mti("0421"), repeat_mti("0100")
    ('0421', '0421', '0101')
    """
    if not is_request(mti):
        raise LocalProtocolError("only a message that expects an answer can be repeated", element=0)
    return mti[:3] + _REPEAT_ORIGIN[mti[3]]


def first_mti(mti: str) -> str:
    """Give the MTI that a repeat repeats; anything else is its own first copy.

    Examples
    --------
    >>> first_mti("0421"), first_mti("0420")
    ('0420', '0420')
    """
    return mti[:3] + str(int(mti[3]) - 1) if is_repeat(mti) else mti


def is_advice(mti: str) -> bool:
    """Say whether `mti` tells of something done (advice or notification): it cannot be declined, only taken over."""
    return is_valid(mti) and mti[2] in "24"


def is_answered_by(mti: str, response: str) -> bool:
    """Say whether a message with `response` can be the answer to one with `mti`.

    Examples
    --------
    >>> is_answered_by("0401", "0410"), is_answered_by("0400", "0110"), is_answered_by("0110", "0120")
    (True, False, False)
    """
    return is_request(mti) and response_mti(mti) == response


def describe_mti(mti: str) -> str:
    """Say what an MTI means, for people.

    Parameters
    ----------
    mti
        Any text.

    Returns
    -------
    str
        Version, class, function and origin; "unknown" if it is no MTI.

    Examples
    --------
    >>> describe_mti("0421")
    '1987 reversal advice, repeat, from the acquirer'
    >>> describe_mti("1814"), describe_mti("0999")
    ('1993 network management response, from other', 'unknown')
    """
    if not is_valid(mti):
        return "unknown"
    again = ", repeat" if is_repeat(mti) else ""
    origin = _ORIGINS[first_mti(mti)[3]]
    where = origin if origin == "other" else f"the {origin}"
    return f"{_VERSIONS[mti[0]]} {_CLASSES[mti[1]]} {_FUNCTIONS[mti[2]]}{again}, from {where}"
