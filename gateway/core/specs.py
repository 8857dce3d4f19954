"""What each operation of `/v1` takes. A parameter that is not here is refused as unknown, never ignored."""

from __future__ import annotations

from gateway.core.parameters import Choice, Field, Hash, Integer, Items, Metadata, Period, Text, Truth

Spec = dict[str, Field]

_EXPAND: Spec = {"expand": Items(Text(500), most=20)}
_ID = Text(255, unsettable=False)

_ADDRESS = Hash({part: Text(500) for part in ("city", "country", "line1", "line2", "postal_code", "state")})
_BILLING = Hash(
    {"address": _ADDRESS, "email": Text(512), "name": Text(500), "phone": Text(50), "tax_id": Text(50)},
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
_METHOD: Spec = {
    "type": Choice(("card",), required=True),
    "card": _CARD,
    "billing_details": _BILLING,
    "allow_redisplay": Choice(("always", "limited", "unspecified")),
    "metadata": Metadata(),
}

_CUSTOMER: Spec = {
    "address": _ADDRESS,
    "description": Text(5_000),
    "email": Text(512),
    "invoice_settings": Hash({"default_payment_method": Text(255)}),
    "metadata": Metadata(),
    "name": Text(256),
    "phone": Text(50),
    "preferred_locales": Items(Text(50)),
    "shipping": _SHIPPING,
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
_DESCRIBED: Spec = {
    "description": Text(5_000),
    "metadata": Metadata(),
    "receipt_email": Text(512),
    "setup_future_usage": Choice(("off_session", "on_session"), unsettable=True),
    "shipping": _SHIPPING,
    "statement_descriptor": Text(22),
    "statement_descriptor_suffix": Text(22),
    "transfer_group": Text(500),
    "payment_method_types": Items(Choice(("card",))),
    "payment_method_options": Hash(
        {"card": Hash({"request_three_d_secure": Choice(("any", "automatic", "challenge"))})}, unsettable=True
    ),
}
_CAPTURE = Choice(("automatic", "automatic_async"))
_AMOUNT = Integer(1, required=True)

CUSTOMER_CREATE: Spec = {**_CUSTOMER, "payment_method": _ID}
CUSTOMER_UPDATE: Spec = _CUSTOMER
CUSTOMER_LIST: Spec = {**_LIST_BY_TIME, "email": Text(512, unsettable=False)}

METHOD_CREATE: Spec = {**_METHOD, **_EXPAND}
METHOD_ATTACH: Spec = {"customer": Text(255, required=True, unsettable=False), **_EXPAND}
METHOD_DETACH: Spec = _EXPAND
METHOD_LIST: Spec = {**_LIST, "customer": _ID, "type": Choice(("card",))}
CUSTOMER_METHODS: Spec = {**_LIST, "type": Choice(("card",))}

INTENT_CREATE: Spec = {
    "amount": _AMOUNT,
    "currency": Text(20, required=True, unsettable=False),
    "automatic_payment_methods": Hash(
        {"enabled": Truth(required=True), "allow_redirects": Choice(("always", "never"))}, unsettable=False
    ),
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
    "receipt_email": Text(512),
    "setup_future_usage": Choice(("off_session", "on_session"), unsettable=True),
    "shipping": _SHIPPING,
    "payment_method_types": Items(Choice(("card",))),
    "payment_method_options": _DESCRIBED["payment_method_options"],
}
INTENT_CANCEL: Spec = {
    "cancellation_reason": Choice(("abandoned", "duplicate", "fraudulent", "requested_by_customer")),
    **_EXPAND,
}
INTENT_GET: Spec = {"client_secret": _ID, **_EXPAND}
INTENT_LIST: Spec = {**_LIST_BY_TIME, "customer": _ID}

CHARGE_LIST: Spec = {**_LIST_BY_TIME, "customer": _ID, "payment_intent": _ID}

GET: Spec = _EXPAND
DELETE: Spec = {}
