"""What a request wants of a bank: one kind per request, from its MTI, DE 3, DE 4, DE 25 and DE 90."""

from __future__ import annotations

from enum import Enum

from iso import Message


class Kind(Enum):
    """What is wanted. Completions, reversals and stand-in's advices are told by their MTI and are no kinds."""

    __hash__ = object.__hash__  # Each is there once. Enum's own hash is a call of a Python function for every request.

    PURCHASE = "purchase"
    CASH = "cash withdrawal"
    CASHBACK = "purchase with cashback"
    PRE_AUTHORISATION = "pre-authorisation"
    INCREMENT = "incremental authorisation"
    VERIFICATION = "account verification"
    BALANCE = "balance inquiry"
    REFUND = "refund"
    PIN_CHANGE = "PIN change"
    PIN_UNBLOCK = "PIN unblock"
    UNKNOWN = "a processing code that is not served"


_BY_TYPE = {
    "00": Kind.PURCHASE,
    "01": Kind.CASH,
    "09": Kind.CASHBACK,
    "20": Kind.REFUND,
    "31": Kind.BALANCE,
    "38": Kind.VERIFICATION,
    "60": Kind.PRE_AUTHORISATION,
    "92": Kind.PIN_CHANGE,
    "93": Kind.PIN_UNBLOCK,
}
"""First two digits of DE 3. Source: shared facts, iso8583 3.3; 93 is our own reading."""

_PRE_AUTHORISED = "06"


def kind_of(request: Message) -> Kind:
    """Return what a 0100 or 0200 wants.

    Parameters
    ----------
    request
        With DE 3. DE 90 in a request names the authorisation that it adds to.

    Examples
    --------
    >>> kind_of(Message("0100", {3: "000000", 4: "000000004200"}))
    <Kind.PURCHASE: 'purchase'>
    >>> kind_of(Message("0100", {3: "000000", 4: "000000000000"}))
    <Kind.VERIFICATION: 'account verification'>
    >>> kind_of(Message("0100", {3: "000000", 4: "000000004200", 25: "06"}))
    <Kind.PRE_AUTHORISATION: 'pre-authorisation'>

    Source
    ------
    Common practice: shared facts, iso8583 3.3 and 3.13.
    """
    kind = _BY_TYPE.get(request.processing_code[:2], Kind.UNKNOWN)
    if kind in (Kind.PURCHASE, Kind.PRE_AUTHORISATION):
        if 90 in request:
            return Kind.INCREMENT
        if not request.amount_minor:
            return Kind.VERIFICATION
        if request.get(25) == _PRE_AUTHORISED:
            return Kind.PRE_AUTHORISATION
    return kind
