"""What each operation of `/v1` takes. A parameter that is not here is refused as unknown, never ignored."""

from __future__ import annotations

from gateway.core.parameters import Choice, Email, Field, Hash, Integer, Items, Metadata, Period, Text, Truth

Spec = dict[str, Field]

_EXPAND: Spec = {"expand": Items(Text(500), most=20)}
_ID = Text(255, unsettable=False)

_ADDRESS = Hash({part: Text(500) for part in ("city", "country", "line1", "line2", "postal_code", "state")})
_BILLING = Hash(
    {"address": _ADDRESS, "email": Email(), "name": Text(500), "phone": Text(50), "tax_id": Text(50)},
)
_SHIPPING = Hash(
    {
        "address": Hash(_ADDRESS.fields, required=True, unsettable=False),
        "name": Text(500, required=True),
        "carrier": Text(500),
        "phone": Text(50),
        "tracking_number": Text(500),
    }
)
_LIST: Spec = {
    "limit": Integer(1, 100),
    "starting_after": _ID,
    "ending_before": _ID,
    **_EXPAND,
}
SEARCH: Spec = {
    "limit": Integer(1, 100),
    "page": _ID,
    "query": Text(5_000, required=True, unsettable=False),
    **_EXPAND,
}
_LIST_BY_TIME: Spec = {**_LIST, "created": Period()}

_CARD = Hash(
    {
        "number": Text(100, secret=True),
        "exp_month": Integer(secret=True),
        "exp_year": Integer(secret=True),
        "cvc": Text(20, secret=True),
        "token": Text(100),
    },
    required=True,
    unsettable=False,
)
_TOKEN_CARD = Hash(
    {
        **{name: field for name, field in _CARD.fields.items() if name != "token"},
        **{f"address_{part}": Text(500) for part in ("city", "country", "line1", "line2", "state", "zip")},
        "currency": Text(3),
        "name": Text(500),
    },
    required=True,
    unsettable=False,
)
_METHOD: Spec = {
    "type": Choice(("card",), required=True),
    "card": _CARD,
    "billing_details": _BILLING,
    "allow_redisplay": Choice(("always", "limited", "unspecified")),
    "metadata": Metadata(),
}

_INVOICE_SETTINGS = Hash(
    {
        "custom_fields": Items(
            Hash({"name": Text(40, required=True), "value": Text(140, required=True)}, unsettable=False), most=4
        ),
        "default_payment_method": Text(255),
        "footer": Text(5_000),
        "rendering_options": Hash(
            {
                "amount_tax_display": Choice(("exclude_tax", "include_inclusive_tax"), unsettable=True),
                "template": Text(255),
            }
        ),
    }
)
_CUSTOMER: Spec = {
    "address": _ADDRESS,
    "balance": Integer(),
    "business_name": Text(150),
    "description": Text(5_000),
    "email": Email(),
    "individual_name": Text(150),
    "invoice_prefix": Text(12, unsettable=False),
    "invoice_settings": _INVOICE_SETTINGS,
    "metadata": Metadata(),
    "name": Text(256),
    "next_invoice_sequence": Integer(1),
    "phone": Text(50),
    "preferred_locales": Items(Text(50, unsettable=False)),
    "shipping": _SHIPPING,
    "tax_exempt": Choice(("exempt", "none", "reverse"), unsettable=True),
    **_EXPAND,
}

_CONFIRM: Spec = {
    "payment_method": _ID,
    "payment_method_data": Hash(_METHOD, unsettable=False),
    "error_on_requires_action": Truth(),
    "off_session": Choice(("true", "false", "one_off", "recurring")),
    "return_url": Text(5_000),
    "use_stripe_sdk": Truth(),
    **_EXPAND,
}
_IF_AVAILABLE = Choice(("if_available", "never"))
_CARD_OPTIONS: Spec = {
    "capture_method": Choice(("manual",), unsettable=True),
    "request_extended_authorization": _IF_AVAILABLE,
    "request_incremental_authorization": _IF_AVAILABLE,
    "request_multicapture": _IF_AVAILABLE,
    "request_overcapture": _IF_AVAILABLE,
    "request_partial_authorization": _IF_AVAILABLE,
    "request_three_d_secure": Choice(("any", "automatic", "challenge")),
    "setup_future_usage": Choice(("none", "off_session", "on_session"), unsettable=True),
}
_DESCRIBED: Spec = {
    "description": Text(5_000),
    "metadata": Metadata(),
    "receipt_email": Email(),
    "setup_future_usage": Choice(("off_session", "on_session"), unsettable=True),
    "shipping": _SHIPPING,
    "statement_descriptor": Text(22),
    "statement_descriptor_suffix": Text(22),
    "transfer_group": Text(500),
    "payment_method_types": Items(Choice(("card",))),
    "payment_method_options": Hash({"card": Hash(_CARD_OPTIONS)}, unsettable=True),
    "amount_details": Hash(
        {
            "discount_amount": Integer(0),
            "enforce_arithmetic_validation": Truth(),
            "shipping": Hash(
                {"amount": Integer(0), "from_postal_code": Text(20), "to_postal_code": Text(20)}, unsettable=True
            ),
            "tax": Hash({"total_tax_amount": Integer(0)}, unsettable=True),
        },
    ),
}
_CAPTURE = Choice(("automatic", "automatic_async", "manual"))
_AMOUNT = Integer(1, required=True)
_AUTOMATIC = Hash({"enabled": Truth(required=True), "allow_redirects": Choice(("always", "never"))}, unsettable=False)

CUSTOMER_CREATE: Spec = {**_CUSTOMER, "payment_method": _ID, "test_clock": _ID}
CUSTOMER_UPDATE: Spec = _CUSTOMER
CUSTOMER_LIST: Spec = {**_LIST_BY_TIME, "email": Text(512, unsettable=False), "test_clock": _ID}

METHOD_CREATE: Spec = {**_METHOD, **_EXPAND}
METHOD_UPDATE: Spec = {
    "allow_redisplay": _METHOD["allow_redisplay"],
    "billing_details": _BILLING,
    "card": Hash({"exp_month": Integer(secret=True), "exp_year": Integer(secret=True)}, unsettable=False),
    "metadata": Metadata(),
    **_EXPAND,
}
METHOD_ATTACH: Spec = {"customer": Text(255, required=True, unsettable=False), **_EXPAND}
METHOD_DETACH: Spec = _EXPAND
METHOD_LIST: Spec = {**_LIST, "customer": _ID, "type": Choice(("card",))}
CUSTOMER_METHODS: Spec = {**_LIST, "type": Choice(("card",))}

TOKEN_CREATE: Spec = {"card": _TOKEN_CARD, **_EXPAND}

_SETUP: Spec = {
    "customer": _ID,
    "description": Text(1_000),
    "metadata": Metadata(),
    "payment_method": Text(255),
    "payment_method_data": Hash(_METHOD, unsettable=False),
    "payment_method_options": Hash(
        {"card": Hash({"request_three_d_secure": Choice(("any", "automatic", "challenge"))})}, unsettable=True
    ),
    "payment_method_types": Items(Choice(("card",))),
    **_EXPAND,
}
SETUP_UPDATE: Spec = _SETUP
SETUP_CREATE: Spec = {
    **_SETUP,
    "automatic_payment_methods": _AUTOMATIC,
    "confirm": Truth(),
    "return_url": Text(5_000),
    "usage": Choice(("off_session", "on_session")),
    "use_stripe_sdk": Truth(),
}
SETUP_CONFIRM: Spec = {
    "client_secret": _ID,
    "payment_method": _ID,
    "payment_method_data": Hash(_METHOD, unsettable=False),
    "payment_method_options": _SETUP["payment_method_options"],
    "return_url": Text(5_000),
    "use_stripe_sdk": Truth(),
    **_EXPAND,
}
SETUP_CANCEL: Spec = {
    "cancellation_reason": Choice(("abandoned", "duplicate", "requested_by_customer")),
    **_EXPAND,
}
SETUP_GET: Spec = {"client_secret": _ID, **_EXPAND}
SETUP_LIST: Spec = {**_LIST_BY_TIME, "customer": _ID, "payment_method": _ID}
ATTEMPT_LIST: Spec = {**_LIST_BY_TIME, "setup_intent": Text(255, required=True, unsettable=False)}

INTENT_CREATE: Spec = {
    "amount": _AMOUNT,
    "currency": Text(20, required=True, unsettable=False),
    "automatic_payment_methods": _AUTOMATIC,
    "capture_method": _CAPTURE,
    "confirm": Truth(),
    "confirmation_method": Choice(("automatic", "manual")),
    "customer": _ID,
    **_DESCRIBED,
    **_CONFIRM,
}
INTENT_UPDATE: Spec = {
    "amount": Integer(1),
    "currency": Text(20, unsettable=False),
    "capture_method": _CAPTURE,
    "customer": _ID,
    "payment_method": Text(255),
    "payment_method_data": Hash(_METHOD, unsettable=False),
    **_DESCRIBED,
    **_EXPAND,
}
INTENT_CONFIRM: Spec = {
    **_CONFIRM,
    "capture_method": _CAPTURE,
    "client_secret": _ID,
    "receipt_email": Email(),
    "setup_future_usage": Choice(("off_session", "on_session"), unsettable=True),
    "shipping": _SHIPPING,
    "payment_method_types": Items(Choice(("card",))),
    "payment_method_options": _DESCRIBED["payment_method_options"],
}
INTENT_CANCEL: Spec = {
    "cancellation_reason": Choice(("abandoned", "duplicate", "fraudulent", "requested_by_customer")),
    **_EXPAND,
}
_SAID: Spec = {
    "metadata": Metadata(),
    "statement_descriptor": Text(22),
    **_EXPAND,
}
INTENT_CAPTURE: Spec = {
    "amount_to_capture": Integer(0),
    "final_capture": Truth(),
    "statement_descriptor_suffix": Text(22),
    **_SAID,
}
INTENT_INCREMENT: Spec = {"amount": Integer(1, required=True), "description": Text(5_000), **_SAID}
INTENT_GET: Spec = {"client_secret": _ID, **_EXPAND}
INTENT_LIST: Spec = {**_LIST_BY_TIME, "customer": _ID}

EVENT_LIST: Spec = {
    **_LIST_BY_TIME,
    "delivery_success": Truth(),
    "type": Text(100, unsettable=False),
    "types": Items(Text(100, unsettable=False), most=20),
}

_CAPABILITY = Hash({"requested": Truth()}, unsettable=False)
_ACCOUNT: Spec = {
    "business_profile": Hash(
        {
            "mcc": Text(10),
            "name": Text(100),
            "product_description": Text(40_000),
            "support_address": _ADDRESS,
            "support_email": Email(),
            "support_phone": Text(50),
            "support_url": Text(2_000),
            "url": Text(2_000),
        },
        unsettable=False,
    ),
    "business_type": Choice(("company", "government_entity", "individual", "non_profit"), unsettable=True),
    "capabilities": Hash(dict.fromkeys(("card_payments", "transfers"), _CAPABILITY), unsettable=False),
    "default_currency": Text(20, unsettable=False),
    "email": Email(),
    "metadata": Metadata(),
    "settings": Hash(
        {
            "card_payments": Hash({"statement_descriptor_prefix": Text(10)}, unsettable=False),
            "payments": Hash({"statement_descriptor": Text(22)}, unsettable=False),
        },
        unsettable=False,
    ),
    "tos_acceptance": Hash(
        {"date": Integer(0), "ip": Text(45), "service_agreement": Text(50), "user_agent": Text(500)}, unsettable=False
    ),
    **_EXPAND,
}
ACCOUNT_CREATE: Spec = {
    **_ACCOUNT,
    "country": Text(20, unsettable=False),
    "type": Choice(("custom", "express", "standard")),
}
ACCOUNT_UPDATE: Spec = _ACCOUNT
ACCOUNT_LIST: Spec = _LIST_BY_TIME

CHARGE_LIST: Spec = {**_LIST_BY_TIME, "customer": _ID, "payment_intent": _ID}
CHARGE_UPDATE: Spec = {
    "customer": _ID,
    "description": Text(5_000),
    "fraud_details": Hash({"user_report": Choice(("fraudulent", "safe"), unsettable=True)}, unsettable=False),
    "metadata": Metadata(),
    "receipt_email": Email(),
    "shipping": _SHIPPING,
    "transfer_group": Text(500, unsettable=False),
    **_EXPAND,
}
CHARGE_CAPTURE: Spec = {
    "amount": Integer(1),
    "receipt_email": Email(),
    "statement_descriptor": Text(22),
    "statement_descriptor_suffix": Text(22),
    "transfer_group": Text(500, unsettable=False),
    **_EXPAND,
}

_REFUND: Spec = {
    "amount": Integer(1),
    "instructions_email": Email(),
    "metadata": Metadata(),
    "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
    **_EXPAND,
}
REFUND_CREATE: Spec = {**_REFUND, "charge": _ID, "payment_intent": _ID}
REFUND_OF_CHARGE: Spec = _REFUND
REFUND_UPDATE: Spec = {"metadata": Metadata(), **_EXPAND}
REFUND_LIST: Spec = {**_LIST_BY_TIME, "charge": _ID, "payment_intent": _ID}
REFUNDS_OF_CHARGE: Spec = _LIST_BY_TIME
BALANCE_TRANSACTION_LIST: Spec = {
    **_LIST_BY_TIME,
    "currency": Text(20, unsettable=False),
    "source": _ID,
    "type": Text(100, unsettable=False),
}

GET: Spec = _EXPAND
DELETE: Spec = {}
