"""What the banks' books say, read through the control port: the other half of every end-to-end test."""

from __future__ import annotations

from typing import Any

from node.control import ControlClient

ISSUERS = ("issuer-a", "issuer-b")


def held_minor(control: ControlClient) -> int:
    """Return the sum of all holds of cardholders at both issuers, in minor units."""
    return sum(account["held_minor"] for issuer in ISSUERS for account in control.state(issuer)["accounts"])


def totals(control: ControlClient) -> dict[str, int]:
    """Return the sum of all accounts per issuer and currency; every one must be zero."""
    sums: dict[str, int] = {}
    for issuer in ISSUERS:
        for account in control.state(issuer)["accounts"]:
            key = f"{issuer}/{account['currency']}"
            sums[key] = sums.get(key, 0) + account["posted_minor"]
    return sums


def waiting_reversals(control: ControlClient) -> dict[str, list[Any]]:
    """Return what waits in the store-and-forward of acquirer and switch."""
    return {node: list(control.state(node)["saf"]) for node in ("acquirer", "switch")}
