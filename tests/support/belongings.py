"""One object of each kind that a shop can own, for tests that go through every route of the table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.api.routes import Endpoint
from tests.support import duties
from tests.support.gateway import CARD, SECRET_KEY, Shop, payment

ABSENT: Mapping[str, str] = {
    "account": "acct_0",
    "balance_transaction": "txn_0",
    "charge": "ch_0",
    "customer": "cus_0",
    "event": "evt_0",
    "payment_intent": "pi_0",
    "payment_method": "pm_0",
    "refund": "re_0",
    "setup_attempt": "setatt_0",
    "setup_intent": "seti_0",
    "token": "tok_0",
}
"""Kind to an id that never was."""

_PLACE = re.compile(r"\{(\w+)\}")


def belongings(shop: Shop, account: str, key: str = SECRET_KEY) -> dict[str, str]:
    """Let a shop do business, and return the ids of what it then owns: kind to id, for every kind of `ABSENT`."""
    named = {"authorization": f"Bearer {key}"}

    def made(path: str, form: Mapping[str, object]) -> dict[str, str]:
        answer = shop.post(path, form, **named)
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()
        return found

    token = made("/v1/tokens", {"card": CARD})["id"]
    customer = made("/v1/customers", {"email": "ada@example.com", "payment_method": "pm_card_visa"})["id"]
    method = made("/v1/payment_methods/pm_card_mastercard/attach", {"customer": customer})["id"]
    setup = made("/v1/setup_intents", {"customer": customer, "payment_method": method, "confirm": True})
    paid = made("/v1/payment_intents", payment(customer=customer, payment_method=method))
    held = made("/v1/payment_intents", payment(customer=customer, payment_method=method, capture_method="manual"))
    refund = made("/v1/refunds", {"charge": paid["latest_charge"], "amount": 500})
    work_off(shop)
    charge = shop.get(f"/v1/charges/{paid['latest_charge']}", **named).json()
    events = shop.get("/v1/events?limit=1", **named).json()["data"]
    return {
        "account": account,
        "balance_transaction": charge["balance_transaction"],
        "charge": paid["latest_charge"],
        "customer": customer,
        "event": events[0]["id"],
        "payment_intent": held["id"],
        "payment_method": method,
        "refund": refund["id"],
        "setup_attempt": setup["latest_attempt"],
        "setup_intent": setup["id"],
        "token": token,
    }


def work_off(shop: Shop) -> None:
    """Bring everything that the gateway owes to the acquirer."""
    while shop.portal.call(duties.work_one, shop.gateway.ports, "belongings") is not None:
        continue


def places(endpoint: Endpoint) -> dict[str, str]:
    """Return which kind of object each place in an operation's path names."""
    collection = endpoint.path.split("/")[2].removesuffix("s")
    inner = {"method": "payment_method", "refund": "refund"}
    return {name: inner.get(name, collection) for name in _PLACE.findall(endpoint.path)}


def path_of(endpoint: Endpoint, owned: Mapping[str, str]) -> str:
    """Return an operation's path with ids in its places."""
    kinds = places(endpoint)
    return _PLACE.sub(lambda found: owned[kinds[found[1]]], endpoint.path)
