"""Which request is carried out by which handler: the whole of `/v1` as one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.core import specs
from gateway.core.access import READ, WRITE
from gateway.core.claims import Answer
from gateway.core.specs import Spec
from gateway.handlers import (
    accounts,
    attaching,
    balance,
    cancelling,
    capturing,
    cards,
    charges,
    customers,
    events,
    incrementing,
    intents,
    payments,
    refunds,
    searching,
    setups,
    tokens,
)
from gateway.handlers.context import Call, Ports

Handler = Callable[[Ports, Call], Awaitable[Answer]]


class Endpoint(NamedTuple):
    """One operation. `kind` is Stripe's name of the object, or list item, that it answers.

    What a restricted key needs for it follows: `access` ("read" or "write") of `kind`. `is_public`: a publishable key
    may call it.
    """

    method: str
    path: str
    handler: Handler
    spec: Spec
    kind: str
    is_list: bool = False
    is_public: bool = False

    @property
    def access(self) -> str:
        """Whether it reads or writes."""
        return READ if self.method == "GET" else WRITE


_CUSTOMER, _METHOD, _INTENT, _CHARGE = "customer", "payment_method", "payment_intent", "charge"
_ACCOUNT, _EVENT, _REFUND, _BALANCE = "account", "event", "refund", "balance"
_SETUP, _ATTEMPT, _TOKEN = "setup_intent", "setup_attempt", "token"

ENDPOINTS = (
    Endpoint("POST", "/v1/customers", customers.create, specs.CUSTOMER_CREATE, _CUSTOMER),
    Endpoint("GET", "/v1/customers", customers.list_all, specs.CUSTOMER_LIST, _CUSTOMER, is_list=True),
    Endpoint("GET", "/v1/customers/search", searching.customers, specs.SEARCH, _CUSTOMER, is_list=True),
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
    Endpoint("POST", "/v1/payment_methods/{id}", cards.update, specs.METHOD_UPDATE, _METHOD),
    Endpoint("POST", "/v1/payment_methods/{id}/attach", attaching.attach, specs.METHOD_ATTACH, _METHOD),
    Endpoint("POST", "/v1/payment_methods/{id}/detach", attaching.detach, specs.METHOD_DETACH, _METHOD),
    Endpoint("POST", "/v1/tokens", tokens.create, specs.TOKEN_CREATE, _TOKEN, is_public=True),
    Endpoint("GET", "/v1/tokens/{id}", tokens.retrieve, specs.GET, _TOKEN),
    Endpoint("POST", "/v1/setup_intents", setups.create, specs.SETUP_CREATE, _SETUP),
    Endpoint("GET", "/v1/setup_intents", setups.list_all, specs.SETUP_LIST, _SETUP, is_list=True),
    Endpoint("GET", "/v1/setup_intents/{id}", setups.retrieve, specs.SETUP_GET, _SETUP, is_public=True),
    Endpoint("POST", "/v1/setup_intents/{id}", setups.update, specs.SETUP_UPDATE, _SETUP),
    Endpoint("POST", "/v1/setup_intents/{id}/confirm", setups.confirm, specs.SETUP_CONFIRM, _SETUP, is_public=True),
    Endpoint("POST", "/v1/setup_intents/{id}/cancel", setups.cancel, specs.SETUP_CANCEL, _SETUP),
    Endpoint("GET", "/v1/setup_attempts", setups.list_attempts, specs.ATTEMPT_LIST, _ATTEMPT, is_list=True),
    Endpoint("POST", "/v1/payment_intents", payments.create, specs.INTENT_CREATE, _INTENT),
    Endpoint("GET", "/v1/payment_intents", intents.list_all, specs.INTENT_LIST, _INTENT, is_list=True),
    Endpoint("GET", "/v1/payment_intents/search", searching.payment_intents, specs.SEARCH, _INTENT, is_list=True),
    Endpoint("GET", "/v1/payment_intents/{id}", intents.retrieve, specs.INTENT_GET, _INTENT, is_public=True),
    Endpoint("POST", "/v1/payment_intents/{id}", intents.update, specs.INTENT_UPDATE, _INTENT),
    Endpoint(
        "POST", "/v1/payment_intents/{id}/confirm", payments.confirm, specs.INTENT_CONFIRM, _INTENT, is_public=True
    ),
    Endpoint("POST", "/v1/payment_intents/{id}/cancel", cancelling.cancel, specs.INTENT_CANCEL, _INTENT),
    Endpoint("POST", "/v1/payment_intents/{id}/capture", capturing.capture, specs.INTENT_CAPTURE, _INTENT),
    Endpoint(
        "POST",
        "/v1/payment_intents/{id}/increment_authorization",
        incrementing.increment,
        specs.INTENT_INCREMENT,
        _INTENT,
    ),
    Endpoint("GET", "/v1/charges", charges.list_all, specs.CHARGE_LIST, _CHARGE, is_list=True),
    Endpoint("GET", "/v1/charges/search", searching.charges, specs.SEARCH, _CHARGE, is_list=True),
    Endpoint("GET", "/v1/charges/{id}", charges.retrieve, specs.GET, _CHARGE),
    Endpoint("POST", "/v1/charges/{id}", charges.update, specs.CHARGE_UPDATE, _CHARGE),
    Endpoint("POST", "/v1/charges/{id}/capture", charges.capture, specs.CHARGE_CAPTURE, _CHARGE),
    Endpoint("POST", "/v1/charges/{id}/refund", refunds.refund_charge, specs.REFUND_OF_CHARGE, _CHARGE),
    Endpoint("POST", "/v1/charges/{id}/refunds", refunds.create_of_charge, specs.REFUND_OF_CHARGE, _REFUND),
    Endpoint("GET", "/v1/charges/{id}/refunds", refunds.list_of_charge, specs.REFUNDS_OF_CHARGE, _REFUND, is_list=True),
    Endpoint("GET", "/v1/charges/{id}/refunds/{refund}", refunds.retrieve_of_charge, specs.GET, _REFUND),
    Endpoint("POST", "/v1/charges/{id}/refunds/{refund}", refunds.update_of_charge, specs.REFUND_UPDATE, _REFUND),
    Endpoint("POST", "/v1/refunds", refunds.create, specs.REFUND_CREATE, _REFUND),
    Endpoint("GET", "/v1/refunds", refunds.list_all, specs.REFUND_LIST, _REFUND, is_list=True),
    Endpoint("GET", "/v1/refunds/{id}", refunds.retrieve, specs.GET, _REFUND),
    Endpoint("POST", "/v1/refunds/{id}", refunds.update, specs.REFUND_UPDATE, _REFUND),
    Endpoint("POST", "/v1/refunds/{id}/cancel", refunds.cancel, specs.GET, _REFUND),
    Endpoint("GET", "/v1/balance", balance.retrieve, specs.GET, _BALANCE),
    Endpoint(
        "GET",
        "/v1/balance_transactions",
        balance.list_transactions,
        specs.BALANCE_TRANSACTION_LIST,
        balance.KIND,
        is_list=True,
    ),
    Endpoint("GET", "/v1/balance_transactions/{id}", balance.retrieve_transaction, specs.GET, balance.KIND),
    Endpoint("GET", "/v1/events", events.list_all, specs.EVENT_LIST, _EVENT, is_list=True),
    Endpoint("GET", "/v1/events/{id}", events.retrieve, specs.GET, _EVENT),
    Endpoint("GET", "/v1/account", accounts.retrieve_own, specs.GET, _ACCOUNT),
    Endpoint("POST", "/v1/accounts", accounts.create, specs.ACCOUNT_CREATE, _ACCOUNT),
    Endpoint("GET", "/v1/accounts", accounts.list_all, specs.ACCOUNT_LIST, _ACCOUNT, is_list=True),
    Endpoint("GET", "/v1/accounts/{id}", accounts.retrieve, specs.GET, _ACCOUNT),
    Endpoint("POST", "/v1/accounts/{id}", accounts.update, specs.ACCOUNT_UPDATE, _ACCOUNT),
)
