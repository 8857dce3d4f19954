"""A gateway finds the acquirer's control port wherever the acquirer runs: alone, or in a process with others."""

from __future__ import annotations

from pathlib import Path

import pytest
import stripe

from emulator.topology import NODE_NAMES
from tests.support.processes import NodeProcess, topology_on_free_ports
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

OTHERS = tuple(name for name in NODE_NAMES if name != "gateway")


@pytest.mark.parametrize("groups", [(OTHERS,), (OTHERS[:-1], OTHERS[-1:])], ids=["with others", "alone"])
def test_the_balance_comes_from_the_acquirers_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: tuple[tuple[str, ...], ...]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    topology = topology_on_free_ports(tmp_path)
    processes = [NodeProcess(topology, tmp_path / "data", names) for names in (*groups, ("gateway",))]
    try:
        for process in processes:
            process.wait_ready()
        ready = processes[-1].ready
        client = stripe.StripeClient(ready["secret_key"], base_addresses={"api": ready["gateway_url"]})
        client.v1.payment_intents.create(
            {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        )

        def pending() -> int:
            try:
                return client.v1.balance.retrieve().pending[0].amount
            except stripe.APIError:
                return 0

        assert eventually(lambda: pending() > 0)
    finally:
        for process in processes:
            process.kill()
            process.close()
