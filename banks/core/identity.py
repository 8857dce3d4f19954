"""What makes two messages the same, and how a message names the one it is about.

A business key survives a repeat: class, function, DE 11, 12, 13, 32, 37 and 41. The repeat digit and DE 7 are left
out, so that 0421 is 0420; only where neither DE 13 nor DE 37, nor a DE 12 with a date, tells one day from the next,
the date of DE 7 does. A reversal or advice names its original by DE 90 (the original's DE 32, 11 and 7), or else by
what stays the same through the life of a payment (DE 32, 37 and 41).
"""

from __future__ import annotations

from iso import Message
from iso.original import OriginalData

_TIME_UNKNOWN = "0" * 10
_TIME_DIGITS = 6


def business_key(message: Message) -> str:
    """Return the key under which a request is answered once and its repeats get the stored answer.

    Examples
    --------
    >>> first = Message("0420", {7: "0101000000", 11: "000007", 32: "00000000001", 37: "600100000003", 41: "T1"})
    >>> business_key(first)
    '42/000007///1/600100000003/T1'
    >>> business_key(first) == business_key(first.as_repeat().with_fields({7: "0101000030"}))
    True
    """
    get = message.get
    acquirer, day = _without_zeros(message.acquirer_id), get(13) or ""
    if message.mti_class != "4" and 13 not in message and 37 not in message and len(get(12) or "") <= _TIME_DIGITS:
        # DE 11 begins again with the day: without a date, and without DE 37, tomorrow's request would be today's.
        day = message.transmitted[:4]
    return f"{message.mti[1:3]}/{get(11) or ''}/{get(12) or ''}/{day}/{acquirer}/{get(37) or ''}/{message.terminal}"


def trace_name(acquirer: str, stan: str, transmitted: str) -> str:
    """Return the name of a message by DE 32, 11 and 7."""
    return f"trace/{_without_zeros(acquirer)}/{stan}/{transmitted}"


def own_name(message: Message) -> str:
    """Return the name by which a later message may refer to this one with DE 90."""
    return trace_name(message.acquirer_id, message.stan, message.transmitted)


def payment_name(message: Message) -> str:
    """Return the name that all messages of one payment share: DE 32, 37 and 41; "" without DE 37."""
    if not message.rrn:
        return ""
    return payment_of(message.acquirer_id, message.rrn, message.terminal)


def payment_of(acquirer: str, rrn: str, terminal: str) -> str:
    """Return the name of a payment by DE 32, 37 and 41.

    Examples
    --------
    >>> payment_of("00000400001", "607309000001", "TERM0001")
    'payment/400001/607309000001/TERM0001'
    """
    return f"payment/{_without_zeros(acquirer)}/{rrn}/{terminal}"


def original_name(message: Message) -> str:
    """Return the name of the message that a reversal or advice is about; "" if it names none.

    Raises
    ------
    RemoteProtocolError
        DE 90 is not 42 digits.
    """
    value = message.get(90)
    if value is not None:
        original = OriginalData.from_de90(value)
        if original.transmitted != _TIME_UNKNOWN:
            return trace_name(original.acquirer_id or message.acquirer_id, original.stan, original.transmitted)
    return payment_name(message)


def _without_zeros(identifier: str) -> str:
    return identifier.lstrip("0")
