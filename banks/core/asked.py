"""What a request wants of an issuer, in the words of a decision. No number of a card and no secret is in it."""

from __future__ import annotations

from typing import NamedTuple

from banks.core.billing import billed
from banks.core.kinds import Kind
from banks.core.tracks import read_track
from iso import Message, RemoteProtocolError
from iso.amounts import CASHBACK, parse_amounts
from iso.private import INITIATOR, PARTIAL_APPROVAL

_CHIP = ("05", "06", "07", "95")
_STRIPE = ("02", "80", "90", "91")
_YES, _MERCHANT = "1", "M"


class Asked(NamedTuple):
    """What the request wants.

    Attributes
    ----------
    amount_minor, currency
        As the cardholder is billed.
    expiry
        YYMM of DE 14, else of the stripe, else "".
    mcc
        DE 18, or "".
    entry
        First two digits of DE 22: how the card got in.
    cash_minor
        What is paid out in notes: all of a withdrawal, the cashback of a purchase.
    takes_partial
        Whether less than the amount may be approved (DE 48.08).
    is_merchant_initiated
        Whether no cardholder takes part (DE 48.12 begins with M).
    least_minor
        The least part of the amount that is worth a unit of the merchant's currency.
    """

    kind: Kind
    amount_minor: int
    currency: str
    expiry: str = ""
    mcc: str = ""
    entry: str = ""
    cash_minor: int = 0
    takes_partial: bool = False
    is_merchant_initiated: bool = False
    least_minor: int = 1

    @property
    def is_chip(self) -> bool:
        """Whether a chip was read, by contact or not."""
        return self.entry in _CHIP

    @property
    def is_present(self) -> bool:
        """Whether the card itself was read."""
        return self.entry in _CHIP or self.entry in _STRIPE


def asked_of(request: Message, kind: Kind) -> Asked:
    """Read a 0100 or 0200.

    Raises
    ------
    RemoteProtocolError
        DE 48 is not in the house's layout.
    """
    amount_minor, currency = billed(request) if 4 in request else (0, request.currency)
    tags = request.private
    expiry = request.get(14) or ""
    if not expiry and 35 in request:
        track = read_track(request[35])
        expiry = track.expiry if track is not None else ""
    return Asked(
        kind,
        amount_minor,
        currency,
        expiry,
        request.get(18) or "",
        (request.get(22) or "")[:2],
        _cash(request, kind, amount_minor),
        tags.get(PARTIAL_APPROVAL) == _YES,
        tags.get(INITIATOR, "").startswith(_MERCHANT),
        -(-amount_minor // request.amount_minor) if 4 in request and request.amount_minor else 1,
    )


def _cash(request: Message, kind: Kind, amount_minor: int) -> int:
    if kind is Kind.CASH:
        return amount_minor
    if kind is not Kind.CASHBACK:
        return 0
    try:
        amounts = parse_amounts(request.get(54) or "")
    except RemoteProtocolError:
        return amount_minor
    given = next((amount.amount_minor for amount in amounts if amount.amount_type == CASHBACK), None)
    if given is None or not request.amount_minor:
        # Cashback that does not say how much of it is cash counts as cash alone.
        return amount_minor
    return given * amount_minor // request.amount_minor
