"""`/emu/v1` of a house whose nodes are processes of their own: the same API, and it says who is gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from emulator.topology import NODE_NAMES
from tests.support.processes import ProcessHouse, process_house
from tests.support.waiting import eventually

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK writes its telemetry id below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))


class TestSixProcesses:
    """One address looks at all of them; a node that was killed is named, and what the others know is shown."""

    def test_a_payment_is_told_and_a_dead_node_is_named(self, tmp_path: Path) -> None:
        with process_house(tmp_path, one_process=False) as house:
            ready = house.processes["gateway"].ready
            headers = {"authorization": f"Bearer {ready['operator_key']}"}
            intent = house.stripe().v1.payment_intents.create(
                {"amount": 1999, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
            )
            with httpx.Client(
                base_url=ready["gateway_url"] + "/emu/v1", headers=headers, trust_env=False, timeout=30
            ) as operator:

                def steps() -> list[dict[str, Any]]:
                    told = operator.get(f"/traces/{intent.id}")
                    assert told.status_code == 200, told.text
                    found: list[dict[str, Any]] = told.json()["steps"]
                    return found

                is_whole = eventually(
                    lambda: any(step["step"] == "ledger" and step["node"] == "acquirer" for step in steps())
                )
                nodes = {step["node"] for step in steps()}
                latencies_ms = [step["latency_ms"] for step in steps() if step["step"] in ("http", "hsm")]
                house.kill("issuer-b")
                hosts = {host["node"]: host["is_up"] for host in operator.get("/hosts").json()["data"]}
                clock = operator.post("/clock/advance", json={"by": "1h"}).json()

        assert is_whole
        assert any(latency_ms % 1 for latency_ms in latencies_ms), (
            "the loop counts milliseconds; the stopwatch does not"
        )
        assert nodes == {"gateway", "acquirer", "switch", "issuer-a"}
        assert hosts == {
            "hsm": True, "issuer-a": True, "issuer-b": False, "switch": True, "acquirer": True, "gateway": True,
        }  # fmt: skip
        assert ([one["node"] for one in clock["silent"]], clock["agree"]) == (["issuer-b"], False)


class TestReset:
    """Everything begins again: as after the first start, at the same addresses, with the same keys; or nothing does."""

    def test_while_payments_run(self, tmp_path: Path) -> None:
        with process_house(tmp_path) as house, operator_of(house, "house") as operator:
            shop, told = house.stripe(), set[str]()
            before = shop.v1.payment_intents.create(PAYMENT).id
            operator.post("/clock/advance", json={"by": "36h"}).raise_for_status()
            with ThreadPoolExecutor(4) as buyers:
                running = [buyers.submit(buy_until_refused, house) for _ in range(4)]
                answer = operator.post("/reset", json={"what": ["everything"]})
                told = {name for one in running for name in one.result(60)}
            assert eventually(lambda: is_ready(operator))
            left = [name for name in {before, *told} if operator.get(f"/traces/{name}").status_code != 404]
            clock = operator.get("/clock").json()["data"]
            with closing(house.control()) as control:
                held = control.state("issuer-a")
            after = shop.v1.payment_intents.create(PAYMENT)

        assert answer.json()["reset"] == {"everything": list(NODE_NAMES)}
        assert left == []
        assert {one["offset_s"] for one in clock} == {0.0}
        assert held["holds"] == []
        assert after.status == "succeeded"

    @pytest.mark.parametrize("moment", ["answered", "stopped", "emptied"])
    def test_killed_on_the_way(self, tmp_path: Path, moment: str) -> None:
        with process_house(tmp_path) as house:
            ready, mark = house.processes["house"].ready_file, house.data_dir / "gateway.reset"
            has_come = {
                "answered": lambda: True,
                "stopped": lambda: not ready.exists(),
                "emptied": lambda: not mark.exists(),
            }
            before = house.stripe().v1.payment_intents.create(PAYMENT).id
            with operator_of(house, "house") as operator:
                assert operator.post("/reset", json={"what": ["everything"]}).status_code == 200
                assert eventually(has_come[moment])
            house.kill()
            house.start()
            with operator_of(house, "house") as operator:
                status = operator.get(f"/traces/{before}").status_code
                after = house.stripe().v1.payment_intents.create(PAYMENT)

        assert status == 404
        assert after.status == "succeeded"

    def test_of_six_processes(self, tmp_path: Path) -> None:
        with process_house(tmp_path, one_process=False) as house, operator_of(house, "gateway") as operator:
            before = house.stripe().v1.payment_intents.create(PAYMENT).id

            answer = operator.post("/reset", json={"what": ["everything"]}).raise_for_status()

            assert eventually(lambda: is_ready(operator))
            status = operator.get(f"/traces/{before}").status_code
            after = house.stripe().v1.payment_intents.create(PAYMENT)
            assert all(process.is_alive for process in house.processes.values())

        assert sorted(answer.json()["reset"]["everything"]) == sorted(NODE_NAMES)
        assert status == 404
        assert after.status == "succeeded"


PAYMENT: Any = {"amount": 1999, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}


def operator_of(house: ProcessHouse, process: str) -> httpx.Client:
    ready = house.processes[process].ready
    headers = {"authorization": f"Bearer {ready['operator_key']}"}
    return httpx.Client(base_url=ready["gateway_url"] + "/emu/v1", headers=headers, trust_env=False, timeout=30)


def is_ready(operator: httpx.Client) -> bool:
    try:
        return all(host["is_ready"] for host in operator.get("/hosts").json()["data"])
    except httpx.TransportError:
        return False


def buy_until_refused(house: ProcessHouse) -> list[str]:
    """Pay until the gateway is gone; return what was paid."""
    shop, told = house.stripe(max_network_retries=0), list[str]()
    try:
        for _ in range(10_000):
            told.append(shop.v1.payment_intents.create(PAYMENT).id)
    except (stripe.APIConnectionError, stripe.APIError, stripe.CardError):
        return told
    raise AssertionError("the gateway never stopped")
