"""Which request is carried out by which handler: the whole of `/v1` as one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.core import specs
from gateway.core.claims import Answer
from gateway.core.specs import Spec
from gateway.handlers import cards, customers, intents, payments
from gateway.handlers.context import Call, Ports

Handler = Callable[[Ports, Call], Awaitable[Answer]]


class Endpoint(NamedTuple):
    """One operation. `kind` is Stripe's name of the object, or list item, that it answers.

    `is_public`: a publishable key may call it.
    """

    method: str
    path: str
    handler: Handler
    spec: Spec
    kind: str
    is_list: bool = False
    is_public: bool = False


_CUSTOMER, _METHOD, _INTENT, _CHARGE = "customer", "payment_method", "payment_intent", "charge"

ENDPOINTS = (
    Endpoint("POST", "/v1/customers", customers.create, specs.CUSTOMER_CREATE, _CUSTOMER),
    Endpoint("GET", "/v1/customers", customers.list_all, specs.CUSTOMER_LIST, _CUSTOMER, is_list=True),
    Endpoint("GET", "/v1/customers/{id}", customers.retrieve, specs.GET, _CUSTOMER),
    Endpoint("POST", "/v1/customers/{id}", customers.update, specs.CUSTOMER_UPDATE, _CUSTOMER),
    Endpoint("DELETE", "/v1/customers/{id}", customers.delete, specs.DELETE, _CUSTOMER),
    Endpoint(
        "GET",
        "/v1/customers/{id}/payment_methods",
        customers.list_methods,
        specs.CUSTOMER_METHODS,
        _METHOD,
        is_list=True,
    ),
    Endpoint("GET", "/v1/customers/{id}/payment_methods/{method}", customers.retrieve_method, specs.GET, _METHOD),
    Endpoint("POST", "/v1/payment_methods", cards.create, specs.METHOD_CREATE, _METHOD, is_public=True),
    Endpoint("GET", "/v1/payment_methods", cards.list_all, specs.METHOD_LIST, _METHOD, is_list=True),
    Endpoint("GET", "/v1/payment_methods/{id}", cards.retrieve, specs.GET, _METHOD),
    Endpoint("POST", "/v1/payment_methods/{id}/attach", cards.attach, specs.METHOD_ATTACH, _METHOD),
    Endpoint("POST", "/v1/payment_methods/{id}/detach", cards.detach, specs.METHOD_DETACH, _METHOD),
    Endpoint("POST", "/v1/payment_intents", payments.create, specs.INTENT_CREATE, _INTENT),
    Endpoint("GET", "/v1/payment_intents", intents.list_all, specs.INTENT_LIST, _INTENT, is_list=True),
    Endpoint("GET", "/v1/payment_intents/{id}", intents.retrieve, specs.INTENT_GET, _INTENT, is_public=True),
    Endpoint("POST", "/v1/payment_intents/{id}", intents.update, specs.INTENT_UPDATE, _INTENT),
    Endpoint(
        "POST", "/v1/payment_intents/{id}/confirm", payments.confirm, specs.INTENT_CONFIRM, _INTENT, is_public=True
    ),
    Endpoint("POST", "/v1/payment_intents/{id}/cancel", intents.cancel, specs.INTENT_CANCEL, _INTENT),
    Endpoint("GET", "/v1/charges", intents.list_charges, specs.CHARGE_LIST, _CHARGE, is_list=True),
    Endpoint("GET", "/v1/charges/{id}", intents.retrieve_charge, specs.GET, _CHARGE),
)
