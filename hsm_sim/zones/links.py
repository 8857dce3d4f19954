"""From the settings of a link to its keys: which MAC it has, what seals it, and who changes its keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from hsm_sim.client import HsmClient
from hsm_sim.protect import MAC_METHODS, HsmProtector, MacKeys
from hsm_sim.zones.keeper import ZoneKeys
from hsm_sim.zones.kinds import KeyKind, mac_place, zones_of
from hsm_sim.zones.rules import ZoneRules
from hsm_sim.zones.settings import Mac
from iso import Dialect
from node.core.host import Host


class Neighbour(NamedTuple):
    """Who is at the other end of a link: its role, and the how-manieth of that role it is."""

    link: str
    role: str
    ordinal: int
    mac: KeyKind | None


def mac_kind(spoken: Dialect, mac: Mac) -> KeyKind | None:
    """Return which MAC a link has; None for none."""
    if mac == "dialect":
        return KeyKind.MAC if spoken.mac else None
    return {"none": None, "cmac": KeyKind.MAC, "retail": KeyKind.MAC_RETAIL}[mac]


def spoken_on(spoken: Dialect, mac: Mac) -> Dialect:
    """Return a dialect as it is spoken on a link with such a MAC: every message ends in DE 64 or 128, or none does."""
    return _with_mac(spoken, has_mac=mac_kind(spoken, mac) is not None)


@cache
def _with_mac(spoken: Dialect, *, has_mac: bool) -> Dialect:
    return spoken if spoken.mac == has_mac else replace(spoken, mac=has_mac)


def join_keys(
    host: Host, hsm: HsmClient, neighbours: Iterable[Neighbour], rules: ZoneRules
) -> tuple[ZoneKeys, dict[str, HsmProtector]]:
    """Let a host keep the keys of its links.

    Parameters
    ----------
    hsm
        The node's party at its HSM; it is also the host's port "hsm".

    Returns
    -------
    tuple[ZoneKeys, dict[str, HsmProtector]]
        The keeper, and what seals and checks each link that has a MAC.
    """
    zones, macs, protectors = [], dict[str, MacKeys](), dict[str, HsmProtector]()
    for link, role, ordinal, mac in neighbours:
        zones += zones_of(link, role, ordinal, mac=mac)
        if mac is not None:
            macs[link] = MacKeys(mac_place(mac, role, ordinal))
            algorithm, padding = MAC_METHODS["retail" if mac is KeyKind.MAC_RETAIL else "cmac"]
            protectors[link] = HsmProtector(
                hsm, macs[link], algorithm=algorithm, padding=padding, timeout_s=rules.hsm_timeout_s
            )
    return ZoneKeys(host, zones, rules, macs), protectors
