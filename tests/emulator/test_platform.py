"""Which merchant of a topology may make accounts of others."""

from __future__ import annotations

import pytest

from emulator.topology import Topology, default_text, read_topology
from iso.errors import ConfigError
from node.settings import parse


class TestPlatform:
    """A topology names one of its merchants as the platform, or nobody."""

    def test_the_default_house_has_one(self) -> None:
        topology = read_topology(None)

        assert topology.nodes.gateway.platform == topology.merchants[0].id

    def test_nobody_has_to_be_one(self) -> None:
        text = default_text().replace('platform = "acct_cardrails"', "")

        assert parse(Topology, text, "topology.toml").nodes.gateway.platform is None

    def test_a_stranger_cannot_be_one(self) -> None:
        text = default_text().replace('platform = "acct_cardrails"', 'platform = "acct_stranger"')

        with pytest.raises(ConfigError, match="must be the id of a merchant"):
            parse(Topology, text, "topology.toml")
