"""The issuer's verdict: one pure function over facts that were gathered before.

The causes are tried in the order of `Reason`; the first that applies decides. What a card is, is data in its row: no
card number, and nothing that stands for one, is looked at here.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NamedTuple

from banks.core.cards import ACTIVE, BLOCKED, DECLINE, EXPIRED, LOST, NO_LIMIT, STOLEN, Card

PURCHASE, VERIFICATION = "00", "38"
"""First two digits of DE 3 that an authorisation is decided for."""

MATCH, NO_MATCH, NOT_PROCESSED, UNAVAILABLE = "M", "N", "P", "U"
"""CVV2 results (DE 48.02): the HSM verified it; it did not; there was none or none is needed; the HSM did not say."""


class Reason(Enum):
    """Why a request got its response code: one value per cause, in the order in which they are tried."""

    OVERTAKEN = "its reversal, or the advice of stand-in, has settled it"
    UNSUPPORTED = "this processing code is not authorised here"
    FACTS_MISSING = "the HSM did not answer"
    NO_CARD = "no such card"
    SCRIPTED = "the card's row scripts this answer"
    CARD_LOST = "reported lost"
    CARD_STOLEN = "reported stolen"
    CARD_BLOCKED = "blocked"
    CARD_EXPIRED = "expired in the card file"
    EXPIRY_WRONG = "the expiry is not that of the card"
    EXPIRY_PAST = "the expiry is in the past"
    CVV2_WRONG = "the CVV2 does not match"
    CVV2_ABSENT = "the card wants a CVV2"
    NO_ACCOUNT = "no account in this currency"
    OVER_LIMIT = "above the limit per authorisation"
    OVER_VELOCITY = "too many authorisations today"
    NO_FUNDS = "insufficient funds"
    VERIFIED = "a valid card; nothing was to be held"
    APPROVED = "approved"


CODES: dict[Reason, str] = {
    Reason.OVERTAKEN: "21",
    Reason.UNSUPPORTED: "12",
    Reason.FACTS_MISSING: "96",
    Reason.NO_CARD: "14",
    Reason.CARD_LOST: "41",
    Reason.CARD_STOLEN: "43",
    Reason.CARD_BLOCKED: "62",
    Reason.CARD_EXPIRED: "54",
    Reason.EXPIRY_WRONG: "54",
    Reason.EXPIRY_PAST: "54",
    Reason.CVV2_WRONG: "N7",
    Reason.CVV2_ABSENT: "N7",
    Reason.NO_ACCOUNT: "57",
    Reason.OVER_LIMIT: "61",
    Reason.OVER_VELOCITY: "65",
    Reason.NO_FUNDS: "51",
    Reason.VERIFIED: "00",
    Reason.APPROVED: "00",
}
"""DE 39 per reason; SCRIPTED has the code of its card row. Source: shared facts, iso8583 3.4 and stripe 5."""

_STATUS = {LOST: Reason.CARD_LOST, STOLEN: Reason.CARD_STOLEN, BLOCKED: Reason.CARD_BLOCKED}


class Asked(NamedTuple):
    """What the request wants. `expiry` is DE 14 (YYMM) or ""."""

    processing_code: str
    amount_minor: int
    expiry: str


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
    cvv2
        M, N, P or U.
    available_minor
        Of the card's account in the currency of the request; None if there is no such account.
    """

    at: datetime
    is_overtaken: bool
    is_known: bool
    cvv2: str
    has_cvv2: bool
    available_minor: int | None


class Verdict(NamedTuple):
    """DE 39 and why."""

    code: str
    reason: Reason

    @property
    def approves(self) -> bool:
        """Whether the request is approved, with or without a hold."""
        return self.reason in (Reason.APPROVED, Reason.VERIFIED)


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
    if facts.is_overtaken:
        return _verdict(Reason.OVERTAKEN)
    if asked.processing_code[:2] not in (PURCHASE, VERIFICATION):
        return _verdict(Reason.UNSUPPORTED)
    if not facts.is_known:
        return _verdict(Reason.FACTS_MISSING)
    if card is None:
        return _verdict(Reason.NO_CARD)
    if card.scripted_code:
        return Verdict(card.scripted_code, Reason.SCRIPTED)
    reason = _card_reason(facts, card, asked) or _cvv2_reason(facts, card) or _money_reason(facts, card, asked)
    return _verdict(reason)


def _verdict(reason: Reason) -> Verdict:
    return Verdict(CODES[reason], reason)


def _card_reason(facts: Facts, card: Card, asked: Asked) -> Reason | None:
    this_month = f"{facts.at:%y%m}"
    if card.status not in (ACTIVE, EXPIRED):
        return _STATUS[card.status]
    if card.status == EXPIRED or (card.expiry and card.expiry < this_month):
        return Reason.CARD_EXPIRED
    if asked.expiry and card.expiry and asked.expiry != card.expiry:
        return Reason.EXPIRY_WRONG
    if asked.expiry and asked.expiry < this_month:
        return Reason.EXPIRY_PAST
    return None


def _cvv2_reason(facts: Facts, card: Card) -> Reason | None:
    if facts.cvv2 == NO_MATCH:
        return Reason.CVV2_WRONG
    if facts.cvv2 == UNAVAILABLE:
        return Reason.FACTS_MISSING
    if not facts.has_cvv2 and card.cvc_absent == DECLINE:
        return Reason.CVV2_ABSENT
    return None


def _money_reason(facts: Facts, card: Card, asked: Asked) -> Reason:
    if facts.available_minor is None:
        return Reason.NO_ACCOUNT
    if card.limit_minor != NO_LIMIT and asked.amount_minor > card.limit_minor:
        return Reason.OVER_LIMIT
    if card.velocity_max != NO_LIMIT and card.used_today(facts.at) >= card.velocity_max:
        return Reason.OVER_VELOCITY
    if asked.amount_minor > facts.available_minor:
        return Reason.NO_FUNDS
    return Reason.APPROVED if asked.amount_minor else Reason.VERIFIED
