"""`/emu/v1` of a house whose nodes are processes of their own: the same API, and it says who is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import process_house
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
                    found: list[dict[str, Any]] = operator.get(f"/traces/{intent.id}").json()["steps"]
                    return found

                is_whole = eventually(
                    lambda: any(step["step"] == "ledger" and step["node"] == "acquirer" for step in steps())
                )
                nodes = {step["node"] for step in steps()}
                house.kill("issuer-b")
                hosts = {host["node"]: host["is_up"] for host in operator.get("/hosts").json()["data"]}
                clock = operator.post("/clock/advance", json={"by": "1h"}).json()

        assert is_whole
        assert nodes == {"gateway", "acquirer", "switch", "issuer-a"}
        assert hosts == {
            "hsm": True, "issuer-a": True, "issuer-b": False, "switch": True, "acquirer": True, "gateway": True,
        }  # fmt: skip
        assert ([one["node"] for one in clock["silent"]], clock["agree"]) == (["issuer-b"], False)
