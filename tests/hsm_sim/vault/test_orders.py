"""The operator's orders to a running HSM: carried out among its commands, answered when they are durable."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from hsm_sim.client import LocalClient
from hsm_sim.core.audit import AUDIT_TABLE
from hsm_sim.core.errors import HsmError
from hsm_sim.core.slots import KEYS_TABLE, VAULT_PARTY
from hsm_sim.requests import StoreCard
from node.journal import MemoryJournal
from node.pipes import Pipes
from tests.hsm_sim.nodes import hsm_node, serving
from tests.support.hsm import CVC, PAN
from tests.support.time import let_pass


@pytest.fixture
def mock_clock() -> MockClock:
    return MockClock(autojump_threshold=0)


@pytest.mark.trio
class TestRotation:
    """A key of the vault changes while commands are served, and the audit log says who did it."""

    async def test_cards_come_over_while_the_node_idles(self, mock_clock: MockClock) -> None:
        node = hsm_node(Pipes())

        async with serving(node):
            gateway = LocalClient(node, "gateway")
            before = await gateway.call(StoreCard(PAN, "3012", CVC, "m"), 2.0)
            begun = await node.vault_keys.rotate("card")
            await let_pass(1.0)
            done = node.engine.upkeep.rotation()
            after = await gateway.call(StoreCard(PAN, "3012", CVC, "m"), 2.0)

        assert (begun.card_version, begun.is_resealing) == (2, True)
        assert not done.is_resealing
        assert before is not None
        assert after == before
        assert isinstance(node.journal, MemoryJournal)
        assert node.journal.rows[KEYS_TABLE][VAULT_PARTY, "KF03"][-1] == ""
        assert any("rotate card" in row for row in node.journal.rows[AUDIT_TABLE].values())

    async def test_a_refusal_reaches_the_operator(self, mock_clock: MockClock) -> None:
        node = hsm_node(Pipes())

        async with serving(node):
            await node.vault_keys.rotate("fingerprint")
            with pytest.raises(HsmError) as refused:
                await node.vault_keys.rotate("fingerprint")
            await let_pass(1.0)
            ended = await node.vault_keys.retire_fingerprints()

        assert refused.value.code == "VI"
        assert not ended.has_former_fingerprints
