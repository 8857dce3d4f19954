"""Whatever is sent to the banks' routes is answered, never with a 500, and no card number comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.bank_client import BankClient
from node.control_access import SCOPES, service_token
from tests.house.test_banks import card_number
from tests.node.test_control_access import ROUTES
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house
PAN = card_number("424242555550000")
BANK_ROUTES = [(method, path) for method, path, _ in ROUTES if path.startswith("bank/") or path == "clock"]
NODES = ("acquirer", "issuer-a", "issuer-b", "switch")
RECORD = {"arn": "7" * 23, "acquirer": "400001", "rrn": "607309000001", "amount_minor": 100, "currency": "840"}
FORMS: dict[str, dict[str, Any]] = {
    "bank/adjustments": {"account": "equity/978", "amount_minor": 5, "reference": "r1"},
    "bank/cards": {"pan": PAN, "balance_minor": 100, "columns": {"cvc_rule": "any", "limit_minor": 5}},
    "bank/cards/{card}": {"changes": {"status": "lost", "kinds": "purchase", "cvc_forgiven": True}},
    "bank/scripts": {"card": "", "when": f"de2 == '{PAN}' and (amount > 5)", "code": "05", "times": 1},
    "bank/present": {"presentments": [RECORD]},
    "bank/presented": {"arns": ["7" * 23]},
    "bank/merchants": {
        "merchant": "SHOP",
        "columns": {"name": "Shop", "mcc": "5999", "country": "US", "city": "Reno", "reserve_bp": 10},
    },
    "bank/merchants/{merchant}": {"changes": {"status": "closed", "amount_max_minor": -1}},
    "bank/merchants/{merchant}/terminals": {"terminal": "T1", "columns": {"pin_key": "tpk"}},
    "clock": {"offset_s": 0, "version": 1},
}
QUERY = {
    "after": ["0", "3", "7" * 23],
    "limit": ["1", "1000"],
    "last4": ["4242"],
    "prefix": ["card/"],
    "currency": ["840"],
    "account": ["equity/840", "card/nobody/840"],
    "before": ["1.0", "5.-7", "999999999999999999.0"],
    "reference": ["payment/400001/607309000001/T1", "capture/" + "7" * 23, "607309000001", "payment/x"],
    "card": [""],
    "number": ["1"],
}
ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["٣" * 4, "\x00", "-1", "1e9", "9" * 400, "(" * 900, "~" * 20, "null", PAN, "../..", "%00", "'; --"]
    ),
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 5),
    st.floats(),
    ODD_TEXT,
    st.lists(st.integers(), max_size=3),
)


def owner(path: str) -> str:
    """Return a node that has a route."""
    return "acquirer" if path.startswith(("bank/merchants", "bank/unpresented", "bank/presented")) else "issuer-a"


@st.composite
def bodies(draw: st.DrawFn, path: str) -> bytes:
    """Return a right body, with something changed in it, or none at all."""
    form: Any = json.loads(json.dumps(FORMS.get(path, {})))
    for _ in range(draw(st.integers(0, 2))):
        place = form
        while isinstance(place, dict) and place:
            key = draw(st.one_of(st.sampled_from(sorted(place)), st.sampled_from(["colour", "mcc", "status", "pan"])))
            if not isinstance(place.get(key), dict | list) or draw(st.booleans()):
                place[key] = draw(ODD)
                break
            place = place[key][0] if isinstance(place[key], list) and place[key] else place[key]
    text = json.dumps(form)
    return draw(st.sampled_from([text, text, text, text[:-1], f"[{text}]", "[" * 3000])).encode(
        "utf-8", "surrogatepass"
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("any-input")) as handle:
        yield handle


class TestAnyInput:
    """Every call gets an answer below 500, and the books stay whole."""

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_no_call_breaks_anything(self, running: HouseHandle, data: st.DataObject) -> None:
        method, path = data.draw(st.sampled_from(BANK_ROUTES))
        node = data.draw(st.sampled_from([owner(path)] * 9 + [*NODES]))
        name = data.draw(st.one_of(st.sampled_from(["RAILSCOFFEE0001", "fp_x"]), ODD_TEXT))
        wanted = data.draw(st.lists(st.sampled_from(sorted(QUERY)), max_size=4, unique=True))
        query = {key: data.draw(st.one_of(st.sampled_from(QUERY[key]), ODD_TEXT)) for key in wanted}
        body = b"" if method == "GET" else data.draw(bodies(path))
        named = path.replace("{card}", quote(name, safe="")).replace("{merchant}", quote(name, safe=""))
        url = f"{running.house.control_urls()[node]}/nodes/{node}/{named}?{urlencode(query)}"
        token = service_token(running.house.secret, node, " ".join(SCOPES))

        answer = httpx.request(
            method, url, content=body, headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=20
        )

        assert answer.status_code < 500
        assert PAN not in answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"

    def test_and_afterwards_the_banks_are_whole(self, running: HouseHandle) -> None:
        banks = BankClient(running.control)

        found = banks.banks(["acquirer", "issuer-a", "issuer-b"])

        assert len(found) == 3
        assert {total for ledger in found.values() for total in ledger["totals"].values()} <= {0}
