"""What a message should hold, beyond being decodable: presence by kind, times that exist, codes where they belong.

This is the generic 1987 profile, compiled from public tables where they agree and in the stricter reading where they do
not: a starting point for a report, never a reason to reject a peer's message.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from iso.dialect import APPROVED_CODES
from iso.errors import RemoteProtocolError
from iso.message import Message
from iso.mti import first_mti, is_request, is_valid
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts

__all__ = ["PRESENCE", "Finding", "check", "kind_of"]


class Finding(NamedTuple):
    """One thing that is unusual: `element`, and `rule` in words that are safe to show."""

    element: int
    rule: str


KINDS = (
    "request",
    "response",
    "advice",
    "advice response",
    "reversal",
    "reversal response",
    "network request",
    "network response",
)
# One column per kind: M mandatory, . optional, - not expected.
_ROWS = """
2 . . . . . . - -
3 M M M M M M - -
4 M M M M M M - -
7 M M M M M M M M
11 M M M M M M M M
12 M M M . M . . .
13 M M M . M . . .
14 . - . - . - - -
18 M - M - M - - -
22 M - M - M - - -
25 M . M - M - - -
32 M M M M M M . .
35 . - . - - - - -
36 . - . - - - - -
37 M M M M M M . .
38 . . . - . - - -
39 - M . M . M - M
41 M M M . M . - -
42 M M M . M . - -
43 M - M - . - - -
45 . - . - - - - -
49 M M M M M M - -
52 . - - - - - - -
70 - - - - - - M M
90 - - . - M M - -
95 - - - - . . - -
"""
PRESENCE: dict[str, dict[int, str]] = {
    kind: {int(row.split()[0]): row.split()[column] for row in _ROWS.strip().split("\n")}
    for column, kind in enumerate(KINDS, 1)
}
"""Kind of message to element to M (mandatory), . (optional) or - (not expected); without a row it is optional."""

_DATE = ("%m%d", "MMDD")
_MOMENTS = {7: ("%m%d%H%M%S", "MMDDhhmmss"), 12: ("%H%M%S", "hhmmss"), 13: _DATE, 15: _DATE}
_LEAP_YEAR = "2000"


def kind_of(mti: str) -> str | None:
    """Name the row of presence rules for an MTI; None where there is none.

    Examples
    --------
    >>> kind_of("0101"), kind_of("0430"), kind_of("0800"), kind_of("0500")
    ('request', 'reversal response', 'network request', None)
    """
    if not is_valid(mti) or mti[0] != "0" or mti[2] not in "0123":
        return None
    if mti[1] in "12":
        return ("request", "response", "advice", "advice response")[int(mti[2])]
    if mti[1] == "4":
        return "reversal" if is_request(mti) else "reversal response"
    if mti[1] == "8":
        return "network request" if is_request(mti) else "network response"
    return None


def check(message: Message) -> tuple[Finding, ...]:
    """Say what is unusual in a message.

    Parameters
    ----------
    message
        In its 1987 form; other versions have no findings.

    Returns
    -------
    tuple[Finding, ...]
        By element; empty if there is nothing to say. Never contains content.

    Examples
    --------
    >>> check(Message("0800", {7: "1332131155", 11: "000000"}))[1:]
    (Finding(element=11, rule='a STAN is 000001 to 999999'), Finding(element=70, rule='missing in a network request'))

    Source
    ------
    Common practice: shared facts, iso8583 3.2, 3.10, 3.11.
    """
    kind = kind_of(message.mti)
    if kind is None:
        return ()
    found: list[Finding] = []
    for element, rule in PRESENCE[kind].items():
        if rule == "M" and element not in message:
            found.append(Finding(element, f"missing in a {kind}"))
        elif rule == "-" and element in message:
            found.append(Finding(element, f"not expected in a {kind}"))
    if kind in ("request", "advice", "reversal") and not {2, 34, 35} & set(message.fields):
        found.append(Finding(2, "no card number, and no track that holds one"))
    found += [Finding(element, "present but empty") for element, value in message.fields.items() if not value]
    found += _times(message)
    found += _codes(message)
    found += _original(message)
    return tuple(sorted(found))


def _exists(text: str, form: str) -> bool:
    """Say whether a moment can exist in some year."""
    if not (text.isascii() and text.isdigit()):
        return False
    try:
        datetime.strptime(_LEAP_YEAR + text, f"%Y{form}")  # noqa: DTZ007
    except ValueError:
        return False
    return True


def _times(message: Message) -> list[Finding]:
    found: list[Finding] = []
    for element, (form, shape) in _MOMENTS.items():
        value = message.get(element)
        if value and (len(value) != len(shape) or not _exists(value, form)):
            found.append(Finding(element, f"not a {shape} that exists"))
    return found


def _codes(message: Message) -> list[Finding]:
    found: list[Finding] = []
    if message.stan == "000000":
        found.append(Finding(11, "a STAN is 000001 to 999999"))
    if 37 in message and not message.rrn.strip():
        found.append(Finding(37, "a reference number of spaces"))
    approved = message.response_code in APPROVED_CODES["1987"]
    if message.is_response and message.mti_class in "12" and message.response_code:
        if 38 in message and not approved:
            found.append(Finding(38, "an authorisation code beside a decline"))
        if message.mti[2] == "1" and approved and 38 not in message:
            found.append(Finding(38, "an approval without an authorisation code"))
    return found


def _original(message: Message) -> list[Finding]:
    found: list[Finding] = []
    if message.get(90):
        try:
            original = OriginalData.from_de90(message[90])
        except RemoteProtocolError:
            found.append(Finding(90, "42 digits expected"))
        else:
            if not is_request(original.mti):
                found.append(Finding(90, "its first part is no request's MTI"))
            elif first_mti(original.mti) != original.mti:
                found.append(Finding(90, "names a repeat: the original is its first copy"))
            if original.stan == "000000":
                found.append(Finding(90, "names no STAN"))
            if original.transmitted.strip("0") and not _exists(original.transmitted, "%m%d%H%M%S"):
                found.append(Finding(90, "its third part is no MMDDhhmmss that exists"))
    if message.get(95):
        try:
            remains = ReplacementAmounts.from_de95(message[95]).transaction_minor
        except RemoteProtocolError:
            found.append(Finding(95, "not two amounts and two fees"))
        else:
            if (message.get(4) or "").isdigit() and remains > message.amount_minor:
                found.append(Finding(95, "more remains than there was"))
    return found
