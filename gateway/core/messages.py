"""Every message that the gateway sends, from its committed send record.

Source: the house's own contract between gateway and acquirer (1987 form, token lane). A follow-up names what it follows
in DE 90 and carries no cryptogram; a repeat has the same elements under the repeat's MTI.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.core.records import SendRecord
from gateway.core.sends import CAPTURE, MTIS, REFUND, VOID
from iso import Message
from iso.private import TOKEN_CRYPTOGRAM, build_private
from iso.replacement import ReplacementAmounts

PURCHASE, CREDIT = "000000", "200000"
ECOMMERCE_ENTRY = "810"
ECOMMERCE_CONDITION = "59"
APPROVED = "00"
_POSTCODE_LENGTH, _LINE1_LENGTH = 9, 40

ACKNOWLEDGED_CODES = {VOID: frozenset({"00", "25", "94"}), CAPTURE: frozenset({"00", "94"})}
"""DE 39 that takes an advice. 25 of a void: there never was anything to undo; 94: it has been taken already.

Of any other kind every answer is the end. Of an advice, what is neither here nor in `DutyRules.retry_codes` refuses it
for good.
"""


class Cryptogram(NamedTuple):
    """A one-time token cryptogram: str[16] hex, ATC str[4] hex, unpredictable number str[8] hex."""

    value: str
    atc: str
    un: str

    def __repr__(self) -> str:
        return f"Cryptogram(atc={self.atc!r})"


def authorisation_request(record: SendRecord, cryptogram: Cryptogram | None = None) -> Message:
    """Build the 0100 of an authorisation, a verification or an increment.

    Parameters
    ----------
    record
        The committed send record; DE 41 and 42 are padded to 8 and 15 characters.
    cryptogram
        Goes into DE 48.05 and nowhere else; None for an increment, which follows what had one.

    Returns
    -------
    Message
    """
    fields = _common(record)
    fields |= {14: record.expiry, 22: ECOMMERCE_ENTRY, 25: ECOMMERCE_CONDITION}
    if cryptogram is not None:
        secret = build_private({TOKEN_CRYPTOGRAM: cryptogram.value + cryptogram.atc + cryptogram.un})
        fields[48] = secret + record.private
    return Message("0100", fields)


def owed_message(record: SendRecord, attempts: int) -> Message:
    """Build a capture (0220), a void (0420) or a refund (0200); after the first attempt its repeat.

    Parameters
    ----------
    record
        What is owed; its own STAN and DE 7 stay the same at every attempt.
    attempts
        Counts this one.

    Returns
    -------
    Message
    """
    fields = _common(record)
    if record.kind == CAPTURE:
        fields[39] = APPROVED
        if record.authorisation_code:
            fields[38] = record.authorisation_code
    elif record.kind == REFUND:
        fields |= {3: CREDIT, 22: ECOMMERCE_ENTRY, 25: ECOMMERCE_CONDITION}
    elif record.remains is not None:
        fields[95] = ReplacementAmounts(record.remains).to_de95()
    message = Message(MTIS[record.kind], fields)
    return message.as_repeat() if attempts > 1 else message


def address_field(billing: dict[str, Any] | None) -> str:
    """Return DE 48.03 of billing details: a postcode of nine characters, filled with spaces, then the address line.

    Letters that an `an` element cannot carry are left out; "" if nothing is left to compare.

    Examples
    --------
    >>> address_field({"address": {"line1": "510 Townsend St", "postal_code": "94107"}})
    '94107    510 Townsend St'
    """
    address = (billing or {}).get("address") or {}
    postcode = _plain(address.get("postal_code"))[:_POSTCODE_LENGTH]
    line1 = _plain(address.get("line1"))[:_LINE1_LENGTH]
    return f"{postcode:<{_POSTCODE_LENGTH}}{line1}" if postcode or line1 else ""


def _plain(text: str | None) -> str:
    return " ".join("".join(char for char in text or "" if char.isascii() and char.isprintable()).split())


def _common(record: SendRecord) -> dict[int, str]:
    fields = {
        2: record.token,
        3: PURCHASE,
        4: f"{record.amount:012d}",
        7: record.transmitted,
        11: record.stan,
        12: record.local_time,
        13: record.local_date,
        41: record.terminal.ljust(8),
        42: record.merchant.ljust(15),
        49: record.currency,
    }
    if record.private:
        fields[48] = record.private
    if record.original is not None:
        fields[90] = record.original_data
        if record.rrn:
            fields[37] = record.rrn
    return fields
