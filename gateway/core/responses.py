"""What DE 39 means to a merchant: a table from response code to Stripe's error code, decline code and words.

The gateway decides nothing about a card; it only translates the issuer's verdict. A verdict it cannot use (an approval
for less than was asked, where nobody said that this would do) is an Unknown: something may be held at the issuer, so it
must be reversed.

Source: shared facts, stripe 5 (codes of the test cards); the remaining rows follow the published list of decline codes.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from iso import Message
from iso.errors import RemoteProtocolError
from iso.private import ADVICE_CODE, AVS_RESULT, CVV2_RESULT, NETWORK_TRANSACTION_ID, parse_private
from node.core.steps import NOT_SENT, Silence

APPROVED_CODES = frozenset({"00", "08", "11"})
NOTHING_AGAINST_IT = "85"
"""Approves where nothing was asked for but a verification."""
PARTIAL_APPROVAL_CODE = "10"

TRY_AGAIN, CONFIRM_DATA, NEVER = "try_again_later", "confirm_card_data", "do_not_try_again"


class Kind(Enum):
    """What became of an authorisation request."""

    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    NOT_SENT = "not sent"


class Decline(NamedTuple):
    """How a decline is told to the merchant."""

    code: str
    decline_code: str
    message: str
    advice_code: str | None = None


class Outcome(NamedTuple):
    """The outcome of one message, as the network told it.

    `approved` is the approved amount in minor units where it is less than what was asked. `avs` is the letter of
    DE 48.04.
    """

    kind: Kind
    response_code: str | None = None
    authorisation_code: str | None = None
    rrn: str | None = None
    network_transaction_id: str | None = None
    network_advice_code: str | None = None
    cvc_check: str | None = None
    approved: int | None = None
    avs: str | None = None


def _declined(decline_code: str, advice_code: str | None = None) -> Decline:
    return Decline("card_declined", decline_code, "Your card was declined.", advice_code)


GENERIC = _declined("generic_decline")
PROCESSING_ERROR = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    TRY_AGAIN,
)
INCORRECT_NUMBER = Decline("incorrect_number", "incorrect_number", "Your card number is incorrect.", CONFIRM_DATA)
_EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.", CONFIRM_DATA)
_WRONG_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", CONFIRM_DATA)
_NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.", TRY_AGAIN)
_VELOCITY = Decline(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    TRY_AGAIN,
)
_UNSUPPORTED = Decline(
    "card_declined", "card_not_supported", "Your card does not support this type of purchase.", CONFIRM_DATA
)
_AUTHENTICATION = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
_CURRENCY = Decline("card_declined", "currency_not_supported", "Your card does not support this currency.")

DECLINES: dict[str, Decline] = {
    "01": _declined("call_issuer"),
    "02": _declined("call_issuer"),
    "03": _declined("service_not_allowed"),
    "04": _declined("pickup_card", NEVER),
    "05": GENERIC,
    "06": PROCESSING_ERROR,
    "07": _declined("pickup_card", NEVER),
    "12": _declined("transaction_not_allowed"),
    "13": _declined("invalid_amount"),
    "14": INCORRECT_NUMBER,
    "15": _declined("invalid_account", CONFIRM_DATA),
    "19": _declined("reenter_transaction", TRY_AGAIN),
    "30": PROCESSING_ERROR,
    "33": _EXPIRED,
    "34": _declined("fraudulent", NEVER),
    "36": _declined("restricted_card", NEVER),
    "38": _declined("pin_try_exceeded"),
    "39": _declined("invalid_account", CONFIRM_DATA),
    "41": _declined("lost_card", NEVER),
    "43": _declined("stolen_card", NEVER),
    "46": _declined("invalid_account", NEVER),
    "51": _NO_FUNDS,
    "54": _EXPIRED,
    "55": _declined("incorrect_pin"),
    "57": _UNSUPPORTED,
    "58": _declined("transaction_not_allowed"),
    "59": _declined("fraudulent", NEVER),
    "61": _declined("withdrawal_count_limit_exceeded", TRY_AGAIN),
    "62": _declined("restricted_card", NEVER),
    "63": _declined("security_violation"),
    "64": _CURRENCY,
    "65": _VELOCITY,
    "75": _declined("pin_try_exceeded"),
    "78": _declined("invalid_account"),
    "82": _WRONG_CVC,
    "91": _declined("issuer_not_available", TRY_AGAIN),
    "92": _declined("issuer_not_available", TRY_AGAIN),
    "93": _declined("transaction_not_allowed"),
    "94": _declined("duplicate_transaction"),
    "96": PROCESSING_ERROR,
    "1A": _AUTHENTICATION,
    "N7": _WRONG_CVC,
    "R0": _declined("revocation_of_authorization", NEVER),
    "R1": _declined("revocation_of_all_authorizations", NEVER),
}

CVC_CHECKS = {"M": "pass", "N": "fail", "P": "unchecked", "S": "unavailable", "U": "unavailable"}
"""CVV2 result (DE 48.02) to Stripe's word."""


def decline(response_code: str | None) -> Decline:
    """Return how a response code is told; a code that is not in the table is a generic decline."""
    return DECLINES.get(response_code or "", GENERIC)


AVS_CHECKS = {
    "Y": ("pass", "pass"),
    "A": ("pass", "fail"),
    "Z": ("fail", "pass"),
    "N": ("fail", "fail"),
    "U": ("unavailable", "unavailable"),
}
"""AVS result (DE 48.04) to Stripe's words for the address line and the postcode."""


def address_checks(avs: str | None, billing: dict[str, Any] | None) -> dict[str, str | None]:
    """Return Stripe's two address checks.

    Parameters
    ----------
    avs
        The letter; None if the network said nothing, which leaves what was given unchecked.
    billing
        Billing details: what was not given has no check.

    Examples
    --------
    >>> address_checks("A", {"address": {"line1": "510 Townsend St", "postal_code": "94108"}})
    {'address_line1_check': 'pass', 'address_postal_code_check': 'fail'}
    """
    address = (billing or {}).get("address") or {}
    line1, postcode = AVS_CHECKS.get(avs or "", ("unchecked", "unchecked"))
    return {
        "address_line1_check": line1 if address.get("line1") else None,
        "address_postal_code_check": postcode if address.get("postal_code") else None,
    }


def outcome_of(answer: Message | Silence, *, takes_partial: bool = False, is_verification: bool = False) -> Outcome:
    """Judge an answer.

    Parameters
    ----------
    answer
        The response in its 1987 form, or the kind of silence.
    takes_partial
        Whether an approval of less than was asked is one; else it is an Unknown.
    is_verification
        Whether no amount was asked for.

    Returns
    -------
    Outcome
        `UNKNOWN` also for an answer without DE 39.
    """
    if isinstance(answer, Silence):
        return Outcome(Kind.NOT_SENT if answer is NOT_SENT else Kind.UNKNOWN)
    code = answer.response_code
    private = _private(answer)
    told = Outcome(
        Kind.DECLINED,
        response_code=code or None,
        rrn=answer.rrn.strip() or None,
        network_transaction_id=private.get(NETWORK_TRANSACTION_ID),
        network_advice_code=private.get(ADVICE_CODE),
        cvc_check=CVC_CHECKS.get(private.get(CVV2_RESULT, "")),
        avs=private.get(AVS_RESULT),
    )
    is_partial = code == PARTIAL_APPROVAL_CODE
    if not code or (is_partial and not (takes_partial and answer.amount_minor)):
        return told._replace(kind=Kind.UNKNOWN)
    if is_partial or code in APPROVED_CODES or (is_verification and code == NOTHING_AGAINST_IT):
        approved = answer.amount_minor if is_partial else None
        return told._replace(
            kind=Kind.APPROVED, authorisation_code=answer.authorisation_code.strip() or None, approved=approved
        )
    return told


def _private(answer: Message) -> dict[str, str]:
    """Read DE 48; a foreign layout tells nothing, and must not cost an approval."""
    try:
        return parse_private(answer.get(48) or "")
    except RemoteProtocolError:
        return {}
