"""The switch as a topology describes it: for the node that runs it, and for commands that ask where a card goes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from emulator.topology import Topology
from node.settings import first_problem
from switch.config import IssuerLink, SwitchConfig


def switch_config(
    topology: Topology, addresses: Mapping[str, str] | None = None, file: str = "topology"
) -> SwitchConfig:
    """Return the configuration of the house's switch.

    Parameters
    ----------
    addresses
        Where nodes really listen; what the topology says, for those that are not in it.
    file
        What errors call it.

    Raises
    ------
    ConfigError
        Routes, rates or stand-in make no sense together; one line.
    """
    nodes, deadlines, own = topology.nodes, topology.deadlines, topology.nodes.switch
    at = {"issuer-a": nodes.issuer_a.iso, "issuer-b": nodes.issuer_b.iso, **(addresses or {})}
    issuers = [
        IssuerLink(
            name=name,
            address=at[name],
            dialect=section.dialect,
            bins=section.bins,
            mac=section.mac,
            pin_format=section.pin_format,
            rewrite_stan=section.rewrite_stan,
            billing_currency=section.billing_currency,
            settlement_currency=section.settlement_currency,
            institution=section.institution,
        )
        for name, section in (("issuer-a", nodes.issuer_a), ("issuer-b", nodes.issuer_b))
    ]
    try:
        return SwitchConfig(
            name="switch",
            address=own.iso,
            dialect=own.dialect,
            issuers=(*issuers, *own.issuers),
            hsm_timeout_s=deadlines.hsm_s,
            leg_timeout_s=deadlines.switch_leg_s,
            links=topology.links,
            keys=topology.keys,
            mac=own.mac,
            pin_format=own.pin_format,
            settlement_currency=nodes.acquirer.settlement_currency,
            institution=nodes.acquirer.institution,
            members=own.members,
            groups=own.groups,
            routes=own.routes,
            rates=own.rates,
            stand_in=own.stand_in,
            breaker=own.breaker,
            settlement=own.settlement,
            saf=topology.saf,
        )
    except ValidationError as error:
        problem = first_problem(error, file)
    raise problem
