"""Why a request got its response code: one value per cause, in the order in which they are tried."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """One value per cause; where several apply, the one that stands first here decides."""

    __hash__ = object.__hash__  # Each is there once. Enum's own hash is a call of a Python function for every decision.

    OVERTAKEN = "its reversal, or the advice of stand-in, has settled it"
    UNSUPPORTED = "this processing code is not authorised here"
    FACTS_MISSING = "the HSM did not answer, or could not"
    NO_CARD = "no such card"
    SCRIPTED = "a script of the card or of the issuer answers this"
    CARD_CLOSED = "the card is gone for good"
    CARD_LOST = "reported lost"
    CARD_STOLEN = "reported stolen"
    CARD_WANTED = "the issuer wants the card back"
    CARD_BLOCKED = "blocked"
    CARD_NEW = "not set free for its first use"
    CARD_EXPIRED = "expired in the card file"
    EXPIRY_WRONG = "the expiry is not that of the card"
    EXPIRY_PAST = "the expiry is in the past"
    CVV_WRONG = "the CVV of the stripe, or the chip's for it, does not match"
    CVV2_WRONG = "the CVV2 does not match"
    CVV2_ABSENT = "the card wants a CVV2, and nothing else proves it"
    PIN_TRIES_EXCEEDED = "too many wrong PINs"
    PIN_NOT_ON_FILE = "a PIN came, and the card has none"
    PIN_WRONG = "the PIN does not match"
    PIN_ABSENT = "this needs a PIN"
    ARQC_WRONG = "the chip's cryptogram does not match, or is not about this amount"
    ARQC_ABSENT = "the chip was read, and its cryptogram is missing"
    ATC_REPLAYED = "the chip's counter did not advance, or too far"
    TOKEN_WRONG = "the network's token service did not accept the cryptogram of the token"
    CAVV_WRONG = "the proof of authentication does not match"
    AVS_WRONG = "the card wants its address, and it does not fit"
    NOT_PROVEN = "neither chip nor stripe proves that the card is there"
    AUTHENTICATION_WANTED = "the cardholder must be authenticated first"
    KIND_REFUSED = "the card is not for this"
    CATEGORY_REFUSED = "the card is not for this kind of merchant"
    NO_ACCOUNT = "no account in this currency"
    OVER_LIMIT = "above the limit per authorisation"
    OVER_CASH_LIMIT = "above the limit for cash"
    OVER_VELOCITY = "too many authorisations today"
    OVER_DAY_LIMIT = "above the limit per day"
    PARTLY_APPROVED = "approved as far as the funds go"
    NO_FUNDS = "insufficient funds"
    BALANCE_TOLD = "the balance was told"
    PIN_CHANGED = "the card has a new PIN"
    PIN_UNBLOCKED = "the card has all its PIN tries again"
    CREDITED = "credited"
    VERIFIED = "a valid card; nothing was to be held"
    APPROVED = "approved"


CODES: dict[Reason, str] = {
    Reason.OVERTAKEN: "21",
    Reason.UNSUPPORTED: "12",
    Reason.FACTS_MISSING: "96",
    Reason.NO_CARD: "14",
    Reason.CARD_CLOSED: "14",
    Reason.CARD_LOST: "41",
    Reason.CARD_STOLEN: "43",
    Reason.CARD_WANTED: "04",
    Reason.CARD_BLOCKED: "62",
    Reason.CARD_NEW: "78",
    Reason.CARD_EXPIRED: "54",
    Reason.EXPIRY_WRONG: "54",
    Reason.EXPIRY_PAST: "54",
    Reason.CVV_WRONG: "82",
    Reason.CVV2_WRONG: "N7",
    Reason.CVV2_ABSENT: "N7",
    Reason.PIN_TRIES_EXCEEDED: "75",
    Reason.PIN_NOT_ON_FILE: "55",
    Reason.PIN_WRONG: "55",
    Reason.PIN_ABSENT: "55",
    Reason.ARQC_WRONG: "82",
    Reason.ARQC_ABSENT: "82",
    Reason.ATC_REPLAYED: "82",
    Reason.TOKEN_WRONG: "63",
    Reason.CAVV_WRONG: "63",
    Reason.AVS_WRONG: "59",
    Reason.NOT_PROVEN: "63",
    Reason.AUTHENTICATION_WANTED: "1A",
    Reason.KIND_REFUSED: "57",
    Reason.CATEGORY_REFUSED: "58",
    Reason.NO_ACCOUNT: "57",
    Reason.OVER_LIMIT: "61",
    Reason.OVER_CASH_LIMIT: "61",
    Reason.OVER_VELOCITY: "65",
    Reason.OVER_DAY_LIMIT: "61",
    Reason.PARTLY_APPROVED: "10",
    Reason.NO_FUNDS: "51",
    Reason.BALANCE_TOLD: "00",
    Reason.PIN_CHANGED: "00",
    Reason.PIN_UNBLOCKED: "00",
    Reason.CREDITED: "00",
    Reason.VERIFIED: "00",
    Reason.APPROVED: "00",
}
"""DE 39 per reason. SCRIPTED has the code of its script; VERIFIED is "85" at an issuer that is set so.

Source: common practice: shared facts, iso8583 3.4 and stripe 5. What networks say differently is our choice: 82 for
everything that a chip or stripe gets wrong, 63 for proofs from afar, 59 for an address.
"""

APPROVING = frozenset(
    {
        Reason.PARTLY_APPROVED,
        Reason.BALANCE_TOLD,
        Reason.PIN_CHANGED,
        Reason.PIN_UNBLOCKED,
        Reason.CREDITED,
        Reason.VERIFIED,
        Reason.APPROVED,
    }
)
"""Reasons to say yes."""
