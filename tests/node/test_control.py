"""The control port: default deny, tokens with audience and scope, masked messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iso import dialect, encode
from node.clock import BusinessClock
from node.control import Controlled, control_app, service_token
from node.core.faults import Faults
from tests.support.http import AppClient
from tests.support.nodes import authorisation

SECRET = "0" * 64
PROTECTED = [
    ("GET", "/nodes/switch/state", "read"),
    ("GET", "/nodes/switch/messages", "read"),
    ("GET", "/nodes/switch/payments/{payment}/traces", "read"),
    ("POST", "/nodes/switch/verify", "read"),
    ("GET", "/nodes/switch/clock", "read"),
    ("POST", "/nodes/switch/clock", "operate"),
    ("GET", "/nodes/switch/saf", "read"),
    ("POST", "/nodes/switch/saf/resend", "operate"),
    ("GET", "/nodes/switch/totals", "read"),
    ("POST", "/nodes/switch/cut-over", "operate"),
    ("GET", "/nodes/switch/vault", "read"),
    ("POST", "/nodes/switch/vault/rotate", "operate"),
    ("GET", "/nodes/switch/keys", "read"),
    ("POST", "/nodes/switch/keys/exchange", "operate"),
    ("GET", "/nodes/switch/routes", "read"),
    ("PUT", "/nodes/switch/routes", "operate"),
    ("POST", "/nodes/switch/route", "read"),
    ("GET", "/nodes/switch/faults", "read"),
    ("POST", "/nodes/switch/faults", "operate"),
    ("DELETE", "/nodes/switch/faults", "operate"),
]
OPEN = {
    "/nodes",
    "/nodes/{name}/health",
    "/nodes/{name}/ready",
    "/nodes/{name}/metrics",
    "/metrics",
    "/openapi.json",
}


@pytest.fixture
def node() -> Controlled:
    clock = BusinessClock(wall=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    return Controlled("switch", clock, is_ready=lambda: True, view=lambda: {"links": []}, faults=Faults())


@pytest.fixture
def client(node: Controlled) -> AppClient:
    return AppClient(control_app({"switch": node}, SECRET))


def bearer(node: str = "switch", scope: str = "operate", secret: str = SECRET, age_s: float = 0) -> dict[str, str]:
    def wall() -> datetime:
        from node.clock import wall_clock

        return wall_clock() - timedelta(seconds=age_s)

    return {"authorization": f"Bearer {service_token(secret, node, scope, wall)}"}  # type: ignore[arg-type]


class TestDefaultDeny:
    """A call without the right token for the node and the scope is refused."""

    def test_every_route_is_either_open_or_in_the_table(self, client: AppClient) -> None:
        paths = {
            (method, route.path.replace("{name}", "switch"))  # type: ignore[attr-defined]
            for route in client.app.routes
            if route.path not in OPEN  # type: ignore[attr-defined]
            for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
        }

        assert paths == {(method, path) for method, path, _ in PROTECTED}

    @pytest.mark.parametrize(("method", "path", "scope"), PROTECTED)
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer nonsense"},
            bearer(node="issuer-a"),
            bearer(secret="1" * 64),
            bearer(age_s=3600),
        ],
    )
    def test_a_wrong_token_is_refused(
        self, client: AppClient, method: str, path: str, scope: str, headers: dict[str, str]
    ) -> None:
        answer = client.request(method, path, headers=headers)

        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(("method", "path", "scope"), [row for row in PROTECTED if row[2] == "operate"])
    def test_a_reader_may_not_operate(self, client: AppClient, method: str, path: str, scope: str) -> None:
        assert client.request(method, path, headers=bearer(scope="read")).status_code == 401


class TestOperating:
    """The clock moves forward only, and bad bodies are named."""

    def test_business_time_advances(self, client: AppClient, node: Controlled) -> None:
        answer = client.request("POST", "/nodes/switch/clock", headers=bearer(), json={"advance_s": 86_400})

        assert answer.json() == {"now": "2026-01-02T00:00:00+00:00", "offset_s": 86400.0, "version": 1}

    @pytest.mark.parametrize(
        "body", ["", "[]", "{}", '{"advance_s": -1}', '{"advance_s": 1, "x": 2}', '{"advance_s": 1e300}']
    )
    def test_a_bad_body_is_a_problem(self, client: AppClient, body: str) -> None:
        answer = client.request("POST", "/nodes/switch/clock", headers=bearer(), content=body)

        assert answer.status_code == 422

    def test_a_fault_is_armed_and_cleared(self, client: AppClient, node: Controlled) -> None:
        fault = {"link": "acquirer", "direction": "in", "mti": "0100", "action": "close", "times": 1}

        created = client.request("POST", "/nodes/switch/faults", headers=bearer(), json=fault)
        armed = node.faults.armed
        client.request("DELETE", "/nodes/switch/faults", headers=bearer())

        assert created.status_code == 201
        assert armed
        assert not node.faults.armed


class TestFaults:
    """Faults are armed, listed and cleared; one that cannot happen is refused, and no card number is said back."""

    def add(self, client: AppClient, **changes: object) -> Any:
        fault = {"link": "acquirer", "direction": "in", "action": "drop"} | changes
        return client.request("POST", "/nodes/switch/faults", headers=bearer(), json=fault)

    def test_what_is_armed_and_what_struck_is_listed(self, client: AppClient, node: Controlled) -> None:
        self.add(client, action="delay", delay_s=0.5, times=2)
        spoken = dialect("ascii87")
        node.faults.strike("acquirer", "in", encode(authorisation(), spoken), spoken)

        listed = client.request("GET", "/nodes/switch/faults", headers=bearer(scope="read")).json()

        (armed,), (fired,) = listed["armed"], listed["fired"]
        assert (armed["action"], armed["times"], armed["delay_s"]) == ("delay", 1, 0.5)
        assert fired == {"link": "acquirer", "direction": "in", "mti": "0100", "action": "delay", "stan": "000001"}

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"action": "explode"}, "action"),
            ({"action": "delay"}, "a delay needs delay_s"),
            ({"probability": 2}, "probability"),
            ({"match": "amount >="}, "match: at character"),
            ({"mti": "01"}, "mti"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_one_that_cannot_happen_is_refused(
        self, client: AppClient, node: Controlled, changes: dict[str, object], rule: str
    ) -> None:
        answer = self.add(client, **changes)

        assert answer.status_code == 422
        assert rule in answer.json()["detail"]
        assert not node.faults.armed

    def test_no_card_number_is_said_back(self, client: AppClient) -> None:
        number = "4242424242424242"

        armed = self.add(client, match=f'de2 == "{number}"')
        listed = client.request("GET", "/nodes/switch/faults", headers=bearer())
        refused = self.add(client, match=f'de4 == "{number}"', link="x")

        assert armed.status_code == 201
        assert refused.status_code == 422
        assert number not in str(armed.json()) + str(listed.json()) + str(refused.json())
