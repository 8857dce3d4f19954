"""What the control port does with the keys of a node's links: list them, and have one changed."""

from __future__ import annotations

from typing import Any

from hsm_sim.zones.keeper import ZoneKeys
from hsm_sim.zones.kinds import KeyKind
from hsm_sim.zones.rules import ExchangeOutcome
from iso import CardrailsError
from node.runtime import Runtime

ASKED = "asked"


class KeyDesk:
    """The keys of a node's links; see `node.controlled.LinkKeys`. Everything happens in a turn of the node."""

    def __init__(self, runtime: Runtime, keys: ZoneKeys) -> None:
        self._runtime = runtime
        self._keys = keys

    async def view(self) -> list[dict[str, Any]]:
        """Return every key as it stands."""

        async def look() -> list[dict[str, Any]]:
            return self._keys.view()

        return await self._runtime.call(look)

    async def exchange(self, link: str, kind: str) -> dict[str, Any]:
        """Change a key, as the owner of a link's keys; as the other side, ask the owner to.

        Raises
        ------
        CardrailsError
            The node has no such key.
        """
        wanted = next((one for one in KeyKind if one.value == kind), None)
        if wanted is None or not self._keys.has(link, wanted):
            raise CardrailsError(f"no {kind} key is shared on {link}")
        if not self._keys.rules.is_owner:
            code: str = await self._runtime.call(lambda: self._keys.request(link, wanted))
            return {"link": link, "kind": kind, "outcome": _asked(code), "code": code, "generation": 0, "kcv": ""}
        result = await self._runtime.call(lambda: self._keys.exchange(link, wanted))
        return {
            "link": link,
            "kind": kind,
            "outcome": result.outcome.value,
            "code": result.code,
            "generation": result.generation,
            "kcv": result.kcv,
        }


def _asked(code: str) -> str:
    if code == "00":
        return ASKED
    return str((ExchangeOutcome.REFUSED if code else ExchangeOutcome.UNANSWERED).value)
