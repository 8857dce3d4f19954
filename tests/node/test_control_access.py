"""Who may call a control port: every route of it, by every kind of caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest

from node.clock import BusinessClock, wall_clock
from node.control import Controlled, control_app
from node.control_access import CLOCKS_APART_S, SCOPES, Scope, allows
from node.runtime import StoppedError
from tests.support.http import SECRET, AppClient, bearer

OPEN = {
    ("GET", "/nodes"),
    ("GET", "/nodes/{name}/health"),
    ("GET", "/nodes/{name}/ready"),
    ("GET", "/nodes/{name}/metrics"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
}
SCOPE_OF: dict[tuple[str, str], Scope] = {
    ("GET", "state"): "read",
    ("GET", "messages"): "read",
    ("GET", "payments/{payment}/traces"): "read",
    ("POST", "verify"): "read",
    ("GET", "clock"): "read",
    ("POST", "clock"): "operate",
    ("GET", "saf"): "read",
    ("POST", "saf/resend"): "operate",
    ("GET", "totals"): "read",
    ("POST", "cut-over"): "operate",
    ("GET", "vault"): "read",
    ("POST", "vault/rotate"): "operate",
    ("GET", "keys"): "read",
    ("POST", "keys/exchange"): "operate",
    ("GET", "routes"): "read",
    ("PUT", "routes"): "operate",
    ("POST", "route"): "read",
    ("GET", "faults"): "read",
    ("POST", "faults"): "operate",
    ("DELETE", "faults"): "operate",
    ("POST", "reset"): "operate",
    ("GET", "bank/ledger"): "bank:read",
    ("GET", "bank/accounts"): "bank:read",
    ("GET", "bank/statement"): "bank:read",
    ("GET", "bank/payment"): "bank:read",
    ("POST", "bank/adjustments"): "bank:write",
    ("GET", "bank/cards"): "bank:read",
    ("POST", "bank/cards"): "cards:write",
    ("PATCH", "bank/cards/{card}"): "cards:write",
    ("GET", "bank/scripts"): "bank:read",
    ("POST", "bank/scripts"): "cards:write",
    ("DELETE", "bank/scripts"): "cards:write",
    ("POST", "bank/present"): "bank:write",
    ("GET", "bank/merchants"): "bank:read",
    ("POST", "bank/merchants"): "merchants:write",
    ("GET", "bank/merchants/{merchant}"): "bank:read",
    ("GET", "commands"): "read",
    ("GET", "requests/{what}"): "read",
    ("PATCH", "bank/merchants/{merchant}"): "merchants:write",
    ("POST", "bank/merchants/{merchant}/terminals"): "merchants:write",
    ("GET", "bank/unpresented"): "bank:read",
    ("POST", "bank/presented"): "bank:write",
}
"""Every route that is not open, and what it needs. A new route needs a line here."""
ROUTES = [(method, path, scope) for (method, path), scope in SCOPE_OF.items()]


@pytest.fixture(scope="module")
def client() -> AppClient:
    node = Controlled("switch", BusinessClock(), is_ready=lambda: True, view=dict)
    return AppClient(control_app({"switch": node}, SECRET))


def signed(algorithm: str = "HS256", lasts_s: float = 60, without: str = "", **changes: Any) -> dict[str, str]:
    """Return a header with a token that is right but for what is said."""
    now = wall_clock()
    scopes = " ".join(SCOPES)
    claims = {"iss": "cardrails", "sub": "x", "aud": "switch", "scope": scopes, "iat": now}
    claims |= {"exp": now + timedelta(seconds=lasts_s), **changes}
    claims.pop(without, None)
    return {"authorization": f"Bearer {jwt.encode(claims, SECRET if algorithm != 'none' else '', algorithm)}"}


STRANGERS = {
    "no token": dict[str, str](),
    "no bearer": {"authorization": "Basic b3BlcmF0b3I6b3BlcmF0b3I="},
    "nonsense": {"authorization": "Bearer nonsense"},
    "for another node": bearer("issuer-a", " ".join(SCOPES)),
    "of another house": bearer("switch", " ".join(SCOPES), secret="1" * 64),
    "expired": bearer("switch", " ".join(SCOPES), age_s=61),
    "from the future": bearer("switch", " ".join(SCOPES), age_s=-3600),
    "unsigned": signed("none"),
    "signed in another way": signed("HS512"),
    "for several nodes": signed(aud=["switch", "issuer-a"]),
    "of another issuer": signed(iss="somebody"),
    "for too long": signed(lasts_s=3600),
    **{f"without {claim}": signed(without=claim) for claim in ("exp", "iat", "aud", "iss", "sub", "scope")},
}


class TestDefaultDeny:
    """A call without the right token for the node is refused, whatever the route."""

    def test_every_route_is_open_or_has_a_scope(self, client: AppClient) -> None:
        paths = {
            (method, route.path)  # type: ignore[attr-defined]
            for route in client.app.routes
            for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
        }

        assert paths == OPEN | {(method, f"/nodes/{{name}}/{path}") for method, path, _ in ROUTES}

    @pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
    def test_a_stranger_is_refused(self, client: AppClient, method: str, path: str, scope: str) -> None:
        answers = {
            who: client.request(method, f"/nodes/switch/{path}", headers=headers) for who, headers in STRANGERS.items()
        }

        assert {who: answer.status_code for who, answer in answers.items()} == dict.fromkeys(STRANGERS, 401)
        for answer in answers.values():
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
    def test_only_its_scopes_open_a_route(self, client: AppClient, method: str, path: str, scope: str) -> None:
        statuses = {
            granted: client.request(method, f"/nodes/switch/{path}", headers=bearer("switch", granted)).status_code
            for granted in (*SCOPES, "", "*", "admin", scope.upper(), f"{scope}s")
        }

        assert {granted for granted, status in statuses.items() if status not in (401, 403)} == {
            granted for granted in SCOPES if allows(granted, scope)
        }

    def test_a_token_that_was_right_is_not_for_ever(self, client: AppClient) -> None:
        fresh, old = bearer("switch", "read", age_s=30), bearer("switch", "read", age_s=61)

        assert client.request("GET", "/nodes/switch/state", headers=fresh).status_code == 200
        assert client.request("GET", "/nodes/switch/state", headers=old).status_code == 401

    def test_whoever_checks_it_may_have_a_clock_a_little_behind(self, client: AppClient) -> None:
        ahead, far_ahead = (bearer("switch", "read", age_s=-seconds) for seconds in (2, 2 * CLOCKS_APART_S))

        assert client.request("GET", "/nodes/switch/state", headers=ahead).status_code == 200
        assert client.request("GET", "/nodes/switch/state", headers=far_ahead).status_code == 401


class TestScopes:
    """Whoever may write may look; nothing else follows from anything."""

    def test_what_follows(self) -> None:
        follows = {(granted, wanted) for granted in SCOPES for wanted in SCOPES if allows(granted, wanted)}

        assert follows == {(scope, scope) for scope in SCOPES} | {
            ("operate", "read"),
            ("bank:write", "bank:read"),
            ("cards:write", "bank:read"),
            ("merchants:write", "bank:read"),
        }

    def test_a_token_may_have_several(self, client: AppClient) -> None:
        both = bearer("switch", "read bank:read")

        assert client.request("GET", "/nodes/switch/state", headers=both).status_code == 200
        assert client.request("GET", "/nodes/switch/bank/ledger", headers=both).status_code == 404


class TestProblems:
    """What is refused is a problem with a sentence, whoever refuses it."""

    @pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("PATCH", "/nodes"), ("GET", "/nodes/x/health")])
    def test_of_the_application(self, client: AppClient, method: str, path: str) -> None:
        answer = client.request(method, path)

        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
        assert answer.json()["detail"]

    def test_a_body_has_a_limit(self, client: AppClient) -> None:
        answer = client.request(
            "POST", "/nodes/switch/clock", headers=bearer("switch", "operate"), content=b" " * 2_000_000
        )

        assert answer.status_code == 413

    def test_a_node_that_has_stopped(self) -> None:
        class Stopped:
            async def totals(self, *_: object) -> dict[str, Any]:
                raise StoppedError("switch has stopped")

        node = Controlled("switch", BusinessClock(), is_ready=lambda: True, view=dict, settlement=Stopped())  # type: ignore[arg-type]
        client = AppClient(control_app({"switch": node}, SECRET))

        answer = client.request("GET", "/nodes/switch/totals", headers=bearer("switch", "read"))

        assert (answer.status_code, answer.json()["detail"]) == (503, "switch has stopped")
