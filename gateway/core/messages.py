"""The two messages that the gateway sends: the authorisation request and its reversal.

Source: the house's own contract between gateway and acquirer (1987 form, token lane).
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.records import Obligation, SendRecord
from iso import Message
from iso.original import OriginalData
from iso.private import ECI, TOKEN_CRYPTOGRAM, TRACE_ID, build_private

PURCHASE = "000000"
ECOMMERCE_ENTRY = "810"
ECOMMERCE_CONDITION = "59"
ECI_CHANNEL_ENCRYPTED = "07"

ACKNOWLEDGED_CODES = frozenset({"00", "25"})
"""DE 39 of an 0430 that ends a duty: it is being reversed, or there never was anything to reverse."""


class Cryptogram(NamedTuple):
    """A one-time token cryptogram: str[16] hex, ATC str[4] hex, unpredictable number str[8] hex."""

    value: str
    atc: str
    un: str

    def __repr__(self) -> str:
        return f"Cryptogram(atc={self.atc!r})"


def authorisation_request(record: SendRecord, cryptogram: Cryptogram) -> Message:
    """Build the 0100.

    Parameters
    ----------
    record
        The committed send record; DE 41 and 42 are padded to 8 and 15 characters.
    cryptogram
        Goes into DE 48.05 and nowhere else.

    Returns
    -------
    Message
    """
    private = {
        TOKEN_CRYPTOGRAM: cryptogram.value + cryptogram.atc + cryptogram.un,
        ECI: ECI_CHANNEL_ENCRYPTED,
        TRACE_ID: record.trace,
    }
    return Message(
        "0100",
        {
            2: record.token,
            3: PURCHASE,
            4: f"{record.amount:012d}",
            7: record.transmitted,
            11: record.stan,
            12: record.local_time,
            13: record.local_date,
            14: record.expiry,
            22: ECOMMERCE_ENTRY,
            25: ECOMMERCE_CONDITION,
            41: record.terminal.ljust(8),
            42: record.merchant.ljust(15),
            48: build_private(private),
            49: record.currency,
        },
    )


def reversal_advice(record: SendRecord, duty: Obligation) -> Message:
    """Build the 0420 for a payment whose outcome is unknown; after the first attempt its repeat, 0421.

    Parameters
    ----------
    record
        What was, or may have been, sent.
    duty
        Carries the reversal's own STAN and DE 7.

    Returns
    -------
    Message
    """
    fields = {
        2: record.token,
        3: PURCHASE,
        4: f"{record.amount:012d}",
        7: duty.transmitted,
        11: duty.stan,
        12: record.local_time,
        13: record.local_date,
        41: record.terminal.ljust(8),
        42: record.merchant.ljust(15),
        49: record.currency,
        90: OriginalData("0100", record.stan, record.transmitted).to_de90(),
    }
    if record.rrn:
        fields[37] = record.rrn
    message = Message("0420", fields)
    return message.as_repeat() if duty.attempts > 1 else message
