"""Rows as the objects that an official SDK reads. Nothing here knows a card number, so nothing here can show one."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.intents import CANCELED
from gateway.core.records import Charge, Customer, Intent, Method
from gateway.core.responses import PROCESSING_ERROR, Decline, address_checks, decline
from gateway.core.terms import Features, capturable_max

Shape = dict[str, Any]

NOT_SENT_TO_NETWORK = "not_sent_to_network"
APPROVED_BY_NETWORK = "approved_by_network"
DECLINED_BY_NETWORK = "declined_by_network"
REVERSED_AFTER_APPROVAL = "reversed_after_approval"
UNDECIDED = ""
"""The network status of a charge whose outcome is unknown: it has no outcome to show."""

_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""One encoder for all: `json.dumps` makes a new one whenever its separators are not the usual ones."""
_ADDRESS_PARTS = ("city", "country", "line1", "line2", "postal_code", "state")


def customer(row: Customer) -> Shape:
    """Return a customer; a deleted one is only its id."""
    if row.deleted:
        return {"id": row.id, "object": "customer", "deleted": True}
    details = json.loads(row.details)
    return {
        "id": row.id,
        "object": "customer",
        "address": _address(details.get("address")),
        "balance": details.get("balance", 0),
        "business_name": details.get("business_name"),
        "created": row.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": details.get("description"),
        "discount": None,
        "email": row.email,
        "individual_name": details.get("individual_name"),
        "invoice_prefix": details.get("invoice_prefix") or row.id[-8:].upper(),
        "invoice_settings": _invoice_settings(details),
        "livemode": False,
        "metadata": json.loads(row.metadata),
        "name": details.get("name"),
        "next_invoice_sequence": details.get("next_invoice_sequence", 1),
        "phone": details.get("phone"),
        "preferred_locales": details.get("preferred_locales") or [],
        "shipping": _shipping(details.get("shipping")),
        "tax_exempt": details.get("tax_exempt") or "none",
        "test_clock": None,
    }


def payment_method(row: Method) -> Shape:
    """Return a payment method."""
    details = json.loads(row.details)
    return {
        "id": row.id,
        "object": "payment_method",
        "allow_redisplay": details.get("allow_redisplay") or "unspecified",
        "billing_details": _billing(details.get("billing_details")),
        "card": {
            **_face(row),
            "checks": {
                **address_checks(details.get("avs"), details.get("billing_details")),
                "cvc_check": row.cvc_check,
            },
            "display_brand": row.brand,
            "generated_from": None,
            "networks": {"available": [row.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
        },
        "created": row.created,
        "customer": row.customer,
        "livemode": False,
        "metadata": json.loads(row.metadata),
        "type": "card",
    }


def payment_intent(row: Intent) -> Shape:
    """Return a payment."""
    details = json.loads(row.details)
    return {
        "id": row.id,
        "object": "payment_intent",
        "amount": row.amount,
        "amount_capturable": row.amount_capturable,
        "amount_details": {"tip": {}, **(details.get("amount_details") or {})},
        "amount_received": row.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": details.get("automatic_payment_methods"),
        "canceled_at": row.canceled_at,
        "cancellation_reason": row.cancellation_reason if row.status == CANCELED else None,
        "capture_method": details["capture_method"],
        "client_secret": row.client_secret,
        "confirmation_method": details["confirmation_method"],
        "created": row.created,
        "currency": row.currency,
        "customer": row.customer,
        "description": details.get("description"),
        "last_payment_error": None if row.last_error is None else json.loads(row.last_error),
        "latest_charge": row.latest_charge,
        "livemode": False,
        "metadata": json.loads(row.metadata),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": row.method,
        "payment_method_options": {"card": _card_options(details.get("payment_method_options"))},
        "payment_method_types": details["payment_method_types"],
        "processing": None,
        "receipt_email": details.get("receipt_email"),
        "review": None,
        "setup_future_usage": details.get("setup_future_usage"),
        "shipping": _shipping(details.get("shipping")),
        "source": None,
        "statement_descriptor": details.get("statement_descriptor"),
        "statement_descriptor_suffix": details.get("statement_descriptor_suffix"),
        "status": row.status,
        "transfer_data": None,
        "transfer_group": details.get("transfer_group"),
    }


def charge(row: Charge) -> Shape:
    """Return one attempt at a payment, with what the network said about it."""
    details, is_paid = json.loads(row.details), row.status == "succeeded"
    # What was let go counts as refunded: the shop reads what it keeps as amount - amount_refunded.
    returned = row.amount_refunded + row.amount_released
    return {
        "id": row.id,
        "object": "charge",
        "amount": row.amount,
        "amount_captured": row.amount_captured,
        "amount_refunded": returned,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "authorization_code": row.authorisation_code,
        "balance_transaction": row.balance_transaction,
        "billing_details": _billing(details.get("billing_details")),
        "calculated_statement_descriptor": details.get("statement_descriptor"),
        "captured": bool(row.captured),
        "created": row.created,
        "currency": row.currency,
        "customer": row.customer,
        "description": details.get("description"),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": row.failure_code,
        "failure_message": row.failure_message,
        "fraud_details": details.get("fraud_details") or {},
        "livemode": False,
        "metadata": json.loads(row.metadata),
        "on_behalf_of": None,
        "outcome": _outcome(row),
        "paid": is_paid,
        "payment_intent": row.intent,
        "payment_method": row.method,
        "payment_method_details": {"card": _charged_card(row), "type": "card"},
        "receipt_email": details.get("receipt_email"),
        "receipt_number": None,
        "receipt_url": None,
        "refunded": is_paid and returned >= row.amount,
        "review": None,
        "shipping": _shipping(details.get("shipping")),
        "source_transfer": None,
        "statement_descriptor": details.get("statement_descriptor"),
        "statement_descriptor_suffix": details.get("statement_descriptor_suffix"),
        "status": row.status,
        "transfer_data": None,
        "transfer_group": details.get("transfer_group"),
    }


def decline_of(row: Charge) -> Decline:
    """Return how a failed charge is told."""
    return decline(row.response_code) if row.network_status == DECLINED_BY_NETWORK else PROCESSING_ERROR


def payment_error(row: Charge, method: Method) -> Shape:
    """Return the `last_payment_error` of a payment after a failed charge; members without a value are left out."""
    told = decline_of(row)
    members = {
        "advice_code": told.advice_code,
        "charge": row.id,
        "code": told.code,
        "decline_code": told.decline_code,
        "message": told.message,
        "network_advice_code": row.network_advice_code,
        "network_decline_code": row.response_code,
        "param": {"incorrect_cvc": "cvc", "expired_card": "exp_month", "incorrect_number": "number"}.get(told.code),
        "payment_method": payment_method(method),
        "type": "card_error",
    }
    return {name: value for name, value in members.items() if value is not None}


def card_snapshot(method: Method, checks: Shape) -> str:
    """Return what a charge remembers of its method, as JSON; `checks` as the network answered them."""
    return dumps({**_face(method), "checks": checks})


def page(url: str, data: list[Shape], *, has_more: bool) -> Shape:
    """Return one page of a list."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def dumps(value: object) -> str:
    """Return compact JSON."""
    return _ENCODE(value)


def _face(row: Method) -> Shape:
    return {
        "brand": row.brand,
        "country": row.country,
        "exp_month": row.exp_month,
        "exp_year": row.exp_year,
        "fingerprint": row.fingerprint,
        "funding": row.funding,
        "last4": row.last4,
        "regulated_status": "unregulated",
        "wallet": None,
    }


def _card_options(given: Shape | None) -> Shape:
    """Return the card's options of a payment: those that were given, and Stripe's defaults."""
    options = {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    }
    return {**options, **{name: value for name, value in ((given or {}).get("card") or {}).items() if value}}


def _charged_card(row: Charge) -> Shape:
    card, details = json.loads(row.card), json.loads(row.details)
    features = Features(*details.get("features", ()))
    is_held = row.expires_at is not None
    most = row.amount
    if is_held:
        most = capturable_max(row.amount, 0, features)
    shape = {
        **card,
        "amount_authorized": row.amount if row.status == "succeeded" else None,
        "authorization_code": row.authorisation_code,
        "extended_authorization": {"status": "enabled" if features.is_extended else "disabled"},
        "incremental_authorization": _feature(features.has_increments),
        "installments": None,
        "mandate": None,
        "multicapture": _feature(features.has_multicapture),
        "network": card["brand"],
        "network_token": {"used": True},
        "network_transaction_id": row.network_transaction_id,
        "overcapture": {"maximum_amount_capturable": most, **_feature(is_held and features.over_capture_percent > 0)},
        "three_d_secure": None,
    }
    if is_held:
        shape["capture_before"] = row.expires_at
    if "asked" in details:
        is_whole = row.amount == details["asked"]
        granted = "fully_authorized" if is_whole else "partially_authorized"
        shape["partial_authorization"] = {"status": granted if row.status == "succeeded" else "declined"}
    return shape


def _feature(is_available: bool) -> Shape:
    return {"status": "available" if is_available else "unavailable"}


def _outcome(row: Charge) -> Shape | None:
    if row.network_status == UNDECIDED:
        return None
    is_paid, told = row.status == "succeeded", decline_of(row)
    is_declined = row.network_status == DECLINED_BY_NETWORK
    return {
        "advice_code": None if is_paid else told.advice_code,
        "network_advice_code": row.network_advice_code,
        "network_decline_code": row.response_code if is_declined else None,
        "network_status": row.network_status,
        "reason": None if is_paid else told.decline_code,
        "risk_level": "not_assessed",
        "seller_message": "Payment complete." if is_paid else told.message,
        "type": "authorized" if is_paid else "issuer_declined" if is_declined else "invalid",
    }


def _billing(given: Shape | None) -> Shape:
    given = given or {}
    address = given.get("address") or {}
    return {
        "address": {part: address.get(part) for part in _ADDRESS_PARTS},
        **{part: given.get(part) for part in ("email", "name", "phone", "tax_id")},
    }


def _invoice_settings(details: Shape) -> Shape:
    given = details.get("invoice_settings") or {}
    rendering = given.get("rendering_options")
    return {
        "custom_fields": given.get("custom_fields") or None,
        "default_payment_method": details.get("default_payment_method"),
        "footer": given.get("footer"),
        "rendering_options": rendering and {part: rendering.get(part) for part in ("amount_tax_display", "template")},
    }


def _address(given: Shape | None) -> Shape | None:
    return None if given is None else {part: given.get(part) for part in _ADDRESS_PARTS}


def _shipping(given: Shape | None) -> Shape | None:
    if given is None:
        return None
    return {
        "address": _address(given.get("address")),
        **{part: given.get(part) for part in ("carrier", "name", "phone", "tracking_number")},
    }
