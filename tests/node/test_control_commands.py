"""The control port's HSM commands and HTTP requests: asked of a node that has them, by whoever may."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from node.clock import BusinessClock
from node.control import Controlled, control_app
from tests.support.http import SECRET, AppClient, bearer

SPAN = {"party": "switch", "since": "2026-03-14T09:26:53Z", "until": "2026-03-14T09:26:54+00:00"}


class Commands:
    def find(self, party: str, since: datetime, until: datetime, limit: int) -> list[dict[str, Any]]:
        return [{"party": party, "s": (until - since).total_seconds(), "limit": limit}]


async def requests_of(name: str) -> dict[str, Any]:
    return {"traces": [name], "requests": []}


@pytest.fixture
def client() -> AppClient:
    def node(name: str, **parts: Any) -> Controlled:
        return Controlled(name, BusinessClock(), is_ready=lambda: True, view=dict, **parts)

    nodes = {"hsm": node("hsm", commands=Commands()), "gateway": node("gateway", requests_of=requests_of)}
    return AppClient(control_app(nodes, SECRET))


class TestCommands:
    """What a party asked of an HSM between two instants."""

    def test_they_are_answered(self, client: AppClient) -> None:
        answer = client.request("GET", "/nodes/hsm/commands", params=SPAN, headers=bearer("hsm", "read"))

        assert answer.json() == {"commands": [{"party": "switch", "s": 1.0, "limit": 100}]}

    @pytest.mark.parametrize(
        "wrong", [{"since": "yesterday"}, {"until": "2026-03-14T09:26:54"}, {"limit": "0"}, {"nonsense": "1"}]
    )
    def test_a_query_that_breaks_a_rule(self, client: AppClient, wrong: dict[str, str]) -> None:
        answer = client.request("GET", "/nodes/hsm/commands", params={**SPAN, **wrong}, headers=bearer("hsm", "read"))

        assert answer.status_code == 422

    def test_only_an_hsm_and_only_with_a_token(self, client: AppClient) -> None:
        other = client.request("GET", "/nodes/gateway/commands", params=SPAN, headers=bearer("gateway", "read"))

        assert other.status_code == 404
        assert client.request("GET", "/nodes/hsm/commands", params=SPAN).status_code == 401


class TestRequests:
    """What a gateway was asked over HTTP, by any name."""

    def test_they_are_answered(self, client: AppClient) -> None:
        answer = client.request("GET", "/nodes/gateway/requests/pi_1", headers=bearer("gateway", "read"))

        assert answer.json() == {"traces": ["pi_1"], "requests": []}

    def test_only_a_gateway_and_only_with_a_token(self, client: AppClient) -> None:
        assert client.request("GET", "/nodes/hsm/requests/pi_1", headers=bearer("hsm", "read")).status_code == 404
        assert client.request("GET", "/nodes/gateway/requests/pi_1").status_code == 401
