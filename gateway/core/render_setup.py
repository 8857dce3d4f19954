"""Tokens, setup intents and their attempts as the objects that an official SDK reads."""

from __future__ import annotations

import json

from gateway.core.records_setup import SetupAttempt, SetupIntent, Token
from gateway.core.render import Shape
from gateway.core.responses import Decline

_BRANDS = {
    "amex": "American Express",
    "diners": "Diners Club",
    "discover": "Discover",
    "jcb": "JCB",
    "mastercard": "MasterCard",
    "unionpay": "UnionPay",
    "visa": "Visa",
}
"""A brand as the card object of a token spells it."""

_ADDRESS = ("city", "country", "line1", "line2", "state", "zip")
_UNCHECKED = "unchecked"
_ATTEMPTED = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
_BLAMED = {"incorrect_cvc": "cvc", "expired_card": "exp_month", "incorrect_number": "number"}


def token(row: Token) -> Shape:
    """Return a token with the card that it stands for."""
    typed = json.loads(row.details)
    return {
        "id": row.id,
        "object": "token",
        "card": {
            "id": row.card,
            "object": "card",
            **{f"address_{part}": typed.get(f"address_{part}") for part in _ADDRESS},
            "address_line1_check": _UNCHECKED if typed.get("address_line1") else None,
            "address_zip_check": _UNCHECKED if typed.get("address_zip") else None,
            "brand": _BRANDS.get(row.brand, "Unknown"),
            "country": row.country,
            "cvc_check": _UNCHECKED if row.has_cvc else None,
            "dynamic_last4": None,
            "exp_month": row.exp_month,
            "exp_year": row.exp_year,
            "fingerprint": row.fingerprint,
            "funding": row.funding,
            "last4": row.last4,
            "metadata": {},
            "name": typed.get("name"),
            "networks": {"preferred": None},
            "regulated_status": "unregulated",
            "tokenization_method": None,
        },
        "client_ip": None,
        "created": row.created,
        "livemode": False,
        "type": "card",
        "used": bool(row.is_used),
    }


def setup_intent(row: SetupIntent) -> Shape:
    """Return the wish to keep a card."""
    details = json.loads(row.details)
    return {
        "id": row.id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": details.get("automatic_payment_methods"),
        "cancellation_reason": row.cancellation_reason,
        "client_secret": row.client_secret,
        "created": row.created,
        "customer": row.customer,
        "description": details.get("description"),
        "flow_directions": None,
        "last_setup_error": None if row.last_error is None else json.loads(row.last_error),
        "latest_attempt": row.latest_attempt,
        "livemode": False,
        "mandate": None,
        "metadata": json.loads(row.metadata),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": row.method,
        "payment_method_options": {"card": _card_options(details.get("payment_method_options"))},
        "payment_method_types": details["payment_method_types"],
        "single_use_mandate": None,
        "status": row.status,
        "usage": row.usage,
    }


def setup_attempt(row: SetupAttempt) -> Shape:
    """Return one attempt at setting a card up, with what the network said about it."""
    card = json.loads(row.card)
    return {
        "id": row.id,
        "object": "setup_attempt",
        "application": None,
        "created": row.created,
        "customer": row.customer,
        "flow_directions": None,
        "livemode": False,
        "on_behalf_of": None,
        "payment_method": row.method,
        "payment_method_details": {
            "card": {
                **{name: card[name] for name in _ATTEMPTED},
                "checks": card["checks"],
                "network": card["brand"],
                "three_d_secure": None,
                "wallet": None,
            },
            "type": "card",
        },
        "setup_error": None if row.error is None else json.loads(row.error),
        "setup_intent": row.setup,
        "status": row.status,
        "usage": row.usage,
    }


def card_error(told: Decline, attempt: SetupAttempt, advice: str | None, method: Shape) -> Shape:
    """Return why a card was not verified, in the members of `last_setup_error`; those without a value are left out.

    Parameters
    ----------
    told
        What the response code means.
    advice
        The network's advice code.
    method
        The rendered payment method.
    """
    members = {
        "advice_code": told.advice_code,
        "code": told.code,
        "decline_code": told.decline_code,
        "message": told.message,
        "network_advice_code": advice,
        "network_decline_code": attempt.response_code,
        "param": _BLAMED.get(told.code),
        "payment_method": method,
        "type": "card_error",
    }
    return {name: value for name, value in members.items() if value is not None}


def _card_options(given: Shape | None) -> Shape:
    options = {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
    return {**options, **{name: value for name, value in ((given or {}).get("card") or {}).items() if value}}
