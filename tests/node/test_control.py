"""The control port: clock and faults; who may call it is in `test_control_access`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from iso import dialect, encode
from node.clock import BusinessClock
from node.control import Controlled, control_app
from node.core.faults import Faults
from tests.support.http import SECRET, AppClient, bearer
from tests.support.nodes import authorisation


@pytest.fixture
def node() -> Controlled:
    clock = BusinessClock(wall=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    return Controlled("switch", clock, is_ready=lambda: True, view=lambda: {"links": []}, faults=Faults())


@pytest.fixture
def client(node: Controlled) -> AppClient:
    return AppClient(control_app({"switch": node}, SECRET))


class TestOperating:
    """The clock moves forward only, and bad bodies are named."""

    def test_business_time_advances(self, client: AppClient, node: Controlled) -> None:
        answer = client.request(
            "POST", "/nodes/switch/clock", headers=bearer("switch", "operate"), json={"advance_s": 86_400}
        )

        assert answer.json() == {"now": "2026-01-02T00:00:00+00:00", "offset_s": 86400.0, "version": 1}

    @pytest.mark.parametrize(
        "body", ["", "[]", "{}", '{"advance_s": -1}', '{"advance_s": 1, "x": 2}', '{"advance_s": 1e300}']
    )
    def test_a_bad_body_is_a_problem(self, client: AppClient, body: str) -> None:
        answer = client.request("POST", "/nodes/switch/clock", headers=bearer("switch", "operate"), content=body)

        assert answer.status_code == 422

    def test_a_fault_is_armed_and_cleared(self, client: AppClient, node: Controlled) -> None:
        fault = {"link": "acquirer", "direction": "in", "mti": "0100", "action": "close", "times": 1}

        created = client.request("POST", "/nodes/switch/faults", headers=bearer("switch", "operate"), json=fault)
        armed = node.faults.armed
        client.request("DELETE", "/nodes/switch/faults", headers=bearer("switch", "operate"))

        assert created.status_code == 201
        assert armed
        assert not node.faults.armed


class TestFaults:
    """Faults are armed, listed and cleared; one that cannot happen is refused, and no card number is said back."""

    def add(self, client: AppClient, **changes: object) -> Any:
        fault = {"link": "acquirer", "direction": "in", "action": "drop"} | changes
        return client.request("POST", "/nodes/switch/faults", headers=bearer("switch", "operate"), json=fault)

    def test_what_is_armed_and_what_struck_is_listed(self, client: AppClient, node: Controlled) -> None:
        self.add(client, action="delay", delay_s=0.5, times=2)
        spoken = dialect("ascii87")
        node.faults.strike("acquirer", "in", encode(authorisation(), spoken), spoken)

        listed = client.request("GET", "/nodes/switch/faults", headers=bearer("switch", "read")).json()

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
        listed = client.request("GET", "/nodes/switch/faults", headers=bearer("switch", "operate"))
        refused = self.add(client, match=f'de4 == "{number}"', link="x")

        assert armed.status_code == 201
        assert refused.status_code == 422
        assert number not in str(armed.json()) + str(listed.json()) + str(refused.json())
