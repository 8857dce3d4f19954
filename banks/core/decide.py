"""The issuer's verdict: one pure function over facts that were gathered before.

The causes are tried in the order of `Reason`; the first that applies decides. What a card is, is data in its row: no
card number, and nothing that stands for one, is looked at here.

Money that comes back is taken whatever happened to the plastic: a refund looks only at whether card and account are
there. A PIN is checked if one came; cash and a change of PIN need one. Used-up PIN tries decline everything but a
refund and the unblocking, which must be proven by the chip or the stripe.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from banks.core.asked import Asked
from banks.core.cards import (
    ACTIVE,
    BLOCKED,
    CLOSED,
    DECLINE,
    EXPIRED,
    LOST,
    NEW,
    NO_LIMIT,
    STOLEN,
    UNLESS_ARRANGED,
    WANTED,
    Card,
)
from banks.core.kinds import Kind
from banks.core.reasons import APPROVING, CODES, Reason

__all__ = [
    "CODES",
    "EXCEEDED",
    "MATCH",
    "NOT_ON_FILE",
    "NOT_PROCESSED",
    "NO_MATCH",
    "UNAVAILABLE",
    "Asked",
    "Facts",
    "Reason",
    "Verdict",
    "decide",
]

MATCH, NO_MATCH, NOT_PROCESSED, UNAVAILABLE = "M", "N", "P", "U"
"""Results: the HSM verified it; it did not; there was none or none is needed; the HSM did not say. As in DE 48.02."""
NOT_ON_FILE, EXCEEDED = "0", "X"
"""More results of a PIN: the card has none; the HSM counted too many wrong ones for this account."""

_SPENDING = frozenset({Kind.PURCHASE, Kind.CASH, Kind.CASHBACK, Kind.PRE_AUTHORISATION, Kind.INCREMENT})
_FIRST = frozenset({Kind.PURCHASE, Kind.CASH, Kind.CASHBACK, Kind.PRE_AUTHORISATION, Kind.VERIFICATION})
"""What the card itself has to prove: an increment rests on its original."""
_AUTHENTICATED = frozenset({Kind.PURCHASE, Kind.PRE_AUTHORISATION})
_PIN_NEEDED = frozenset({Kind.CASH, Kind.PIN_CHANGE})
_PARTIAL = frozenset({Kind.PURCHASE, Kind.PRE_AUTHORISATION})
_PIN_WORK = frozenset({Kind.PIN_CHANGE, Kind.PIN_UNBLOCK})
_DONE = {
    Kind.BALANCE: Reason.BALANCE_TOLD,
    Kind.PIN_CHANGE: Reason.PIN_CHANGED,
    Kind.PIN_UNBLOCK: Reason.PIN_UNBLOCKED,
    Kind.VERIFICATION: Reason.VERIFIED,
}
_STATUS = {
    CLOSED: Reason.CARD_CLOSED,
    LOST: Reason.CARD_LOST,
    STOLEN: Reason.CARD_STOLEN,
    WANTED: Reason.CARD_WANTED,
    BLOCKED: Reason.CARD_BLOCKED,
    NEW: Reason.CARD_NEW,
    EXPIRED: Reason.CARD_EXPIRED,
}
_TOKEN_FINE = ("", "V", "N")
_ATC_MAX = 0xFFFF


class Facts(NamedTuple):
    """What was found out before deciding.

    Attributes
    ----------
    at
        Business time, aware UTC.
    is_overtaken
        A reversal of this request, or an advice about it, has been taken already.
    is_known
        False: the HSM did not say whose card it is.
    available_minor
        Of the card's account in the currency of the request; None if there is no such account.
    cvv2, cvv, arqc, cavv
        M, N, P or U.
    pin
        The same, or `NOT_ON_FILE` or `EXCEEDED`.
    atc
        The chip's counter; 0 without one.
    atc_gap_max
        How far the counter may be ahead of the last one; 0 = any distance.
    token
        DE 48.17: what the network's token service found.
    avs
        Letter of `banks.core.avs`; "" if no address came.
    scripted
        DE 39 of the script that is about this request, or "".
    """

    at: datetime
    is_overtaken: bool = False
    is_known: bool = True
    available_minor: int | None = None
    cvv2: str = NOT_PROCESSED
    cvv: str = NOT_PROCESSED
    pin: str = NOT_PROCESSED
    arqc: str = NOT_PROCESSED
    cavv: str = NOT_PROCESSED
    atc: int = 0
    atc_gap_max: int = 0
    token: str = ""
    avs: str = ""
    scripted: str = ""


class Verdict(NamedTuple):
    """DE 39, why, and the amount that is approved (0 for a decline, and where nothing moves)."""

    code: str
    reason: Reason
    amount_minor: int = 0

    @property
    def approves(self) -> bool:
        """Whether the request is approved, with or without a hold."""
        return self.reason in APPROVING


def decide(facts: Facts, card: Card | None, asked: Asked) -> Verdict:
    """Decide an authorisation.

    Parameters
    ----------
    facts
        From the HSM, the ledger and the clock.
    card
        The row of the card; None if there is none.
    asked
        From the request.

    Returns
    -------
    Verdict
        The first reason of `Reason` that applies, with its DE 39.
    """
    reason = _first_reason(facts, card, asked)
    if reason is Reason.APPROVED or reason is Reason.CREDITED:
        return Verdict(CODES[reason], reason, asked.amount_minor)
    if reason is Reason.SCRIPTED:
        return Verdict(facts.scripted, reason)
    if reason is Reason.PARTLY_APPROVED:
        return Verdict(CODES[reason], reason, facts.available_minor or 0)
    return Verdict(CODES[reason], reason)


def _first_reason(facts: Facts, card: Card | None, asked: Asked) -> Reason:
    if facts.is_overtaken:
        return Reason.OVERTAKEN
    if asked.kind is Kind.UNKNOWN:
        return Reason.UNSUPPORTED
    if not facts.is_known or UNAVAILABLE in (facts.cvv2, facts.cvv, facts.pin, facts.arqc, facts.cavv):
        return Reason.FACTS_MISSING
    if card is None:
        return Reason.NO_CARD
    if facts.scripted:
        return Reason.SCRIPTED
    if asked.kind is Kind.REFUND:
        return _refund_reason(facts, card, asked)
    return (
        _card_reason(facts, card, asked)
        or _value_reason(facts, card, asked)
        or _pin_reason(facts, card, asked)
        or _chip_reason(facts, card, asked)
        or _remote_reason(facts, card, asked)
        or _use_reason(card, asked)
        or _money_reason(facts, card, asked)
    )


def _refund_reason(facts: Facts, card: Card, asked: Asked) -> Reason:
    if card.status == CLOSED:
        return Reason.CARD_CLOSED
    if not card.allows(asked.kind):
        return Reason.KIND_REFUSED
    return Reason.NO_ACCOUNT if facts.available_minor is None else Reason.CREDITED


@lru_cache(maxsize=16)
def _yymm(year: int, month: int) -> str:
    return f"{year % 100:02d}{month:02d}"


def _card_reason(facts: Facts, card: Card, asked: Asked) -> Reason | None:
    if card.status != ACTIVE:
        return _STATUS[card.status]
    this_month = _yymm(facts.at.year, facts.at.month)
    if card.expiry and card.expiry < this_month:
        return Reason.CARD_EXPIRED
    if asked.expiry and card.expiry and asked.expiry != card.expiry:
        return Reason.EXPIRY_WRONG
    if asked.expiry and asked.expiry < this_month:
        return Reason.EXPIRY_PAST
    return None


def _value_reason(facts: Facts, card: Card, asked: Asked) -> Reason | None:
    if facts.cvv == NO_MATCH:
        return Reason.CVV_WRONG
    if facts.cvv2 == NO_MATCH and not card.cvc_forgiven:
        return Reason.CVV2_WRONG
    if facts.cvv2 == NOT_PROCESSED and card.cvc_absent == DECLINE and asked.kind in _FIRST:
        is_proven = MATCH in (facts.cvv, facts.arqc) or asked.is_merchant_initiated
        return None if is_proven else Reason.CVV2_ABSENT
    return None


def _pin_reason(facts: Facts, card: Card, asked: Asked) -> Reason | None:
    if asked.kind is Kind.PIN_UNBLOCK:
        return None
    if facts.pin == EXCEEDED or (card.pin_method and card.pin_tries >= card.pin_tries_max):
        return Reason.PIN_TRIES_EXCEEDED
    if facts.pin == NOT_ON_FILE:
        return Reason.PIN_NOT_ON_FILE
    if facts.pin == NO_MATCH:
        return Reason.PIN_WRONG
    if facts.pin == NOT_PROCESSED and asked.kind in _PIN_NEEDED:
        return Reason.PIN_ABSENT
    return None


def _chip_reason(facts: Facts, card: Card, asked: Asked) -> Reason | None:
    if facts.arqc == NO_MATCH:
        return Reason.ARQC_WRONG
    if facts.arqc == NOT_PROCESSED:
        return Reason.ARQC_ABSENT if card.scheme and asked.is_chip and asked.kind is not Kind.INCREMENT else None
    gap = facts.atc - card.atc
    if not card.atc < facts.atc <= _ATC_MAX or (facts.atc_gap_max and card.atc and gap > facts.atc_gap_max):
        return Reason.ATC_REPLAYED
    return None


def _remote_reason(facts: Facts, card: Card, asked: Asked) -> Reason | None:
    if facts.token not in _TOKEN_FINE:
        return Reason.TOKEN_WRONG
    if facts.cavv == NO_MATCH:
        return Reason.CAVV_WRONG
    is_proven = MATCH in (facts.arqc, facts.cvv)
    # That the card was there is what DE 22 says; that it was this card, its cryptogram or its stripe.
    is_there = asked.is_present and is_proven
    if card.avs_required and facts.avs != "Y" and not is_there and asked.kind in _FIRST:
        return Reason.AVS_WRONG
    if asked.kind is Kind.PIN_UNBLOCK and not is_proven:
        return Reason.NOT_PROVEN
    if card.authentication and facts.cavv != MATCH and not is_there and asked.kind in _AUTHENTICATED:
        is_arranged = card.authentication == UNLESS_ARRANGED and asked.is_merchant_initiated
        return None if is_arranged else Reason.AUTHENTICATION_WANTED
    return None


def _use_reason(card: Card, asked: Asked) -> Reason | None:
    if not card.allows(asked.kind):
        return Reason.KIND_REFUSED
    return Reason.CATEGORY_REFUSED if card.refuses_category(asked.mcc) else None


def _money_reason(facts: Facts, card: Card, asked: Asked) -> Reason:
    if asked.kind in _PIN_WORK:
        return _DONE[asked.kind]
    available = facts.available_minor
    if available is None:
        return Reason.NO_ACCOUNT
    if asked.kind not in _SPENDING:
        return _DONE[asked.kind]
    amount = asked.amount_minor
    if amount > card.limit_minor != NO_LIMIT:
        return Reason.OVER_LIMIT
    if asked.cash_minor > card.cash_limit_minor != NO_LIMIT:
        return Reason.OVER_CASH_LIMIT
    is_more = asked.kind is Kind.INCREMENT
    if card.velocity_max != NO_LIMIT and not is_more and card.used_today(facts.at) >= card.velocity_max:
        return Reason.OVER_VELOCITY
    if card.day_limit_minor != NO_LIMIT and card.used_today_minor(facts.at) + amount > card.day_limit_minor:
        return Reason.OVER_DAY_LIMIT
    if amount <= available:
        return Reason.APPROVED
    if asked.takes_partial and available >= asked.least_minor and asked.kind in _PARTIAL:
        return Reason.PARTLY_APPROVED
    return Reason.NO_FUNDS
