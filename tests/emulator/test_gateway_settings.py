"""What a topology says of its gateway is what the gateway does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import stripe

from emulator.topology import read_topology
from gateway.settings import GatewaySettings
from iso import ConfigError
from tests.support.house import running_house
from tests.support.processes import topology_on_free_ports

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "gateway-settings.md"
STRICT = """
[nodes.gateway.rules]
verify_attached_cards = true

[nodes.gateway.rules.limits]
search = { per_s = 0.001 }
"""


def test_the_page_shows_every_setting_with_its_default() -> None:
    shown = PAGE.read_text().split("```toml\n")[1].split("```")[0]

    rules = tomllib.loads(shown)["nodes"]["gateway"]["rules"]

    assert set(rules) == set(GatewaySettings.model_fields)
    assert GatewaySettings(**rules) == GatewaySettings()


@pytest.mark.parametrize("line", ["authorised_days = 0", "duty_retry_codes = ['9']", "colour = 'red'"])
def test_what_cannot_be_is_refused_by_its_name(tmp_path: Path, line: str) -> None:
    topology = topology_on_free_ports(tmp_path, f"[nodes.gateway.rules]\n{line}\n")

    with pytest.raises(ConfigError, match=f"nodes.gateway.rules.{line.split()[0]}"):
        read_topology(topology)


@pytest.mark.house
def test_a_running_gateway_keeps_its_rules(tmp_path: Path) -> None:
    topology = read_topology(topology_on_free_ports(tmp_path, STRICT))

    with running_house(tmp_path, topology) as house:
        client = house.stripe()
        buyer = client.v1.customers.create().id
        declined = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_chargeDeclined"}}).id
        client.v1.customers.search({"query": "email:'a@example.com'"})

        with pytest.raises(stripe.CardError):
            client.v1.payment_methods.attach(declined, {"customer": buyer})
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.search({"query": "email:'a@example.com'"})
