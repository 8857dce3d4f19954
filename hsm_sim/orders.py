"""What the operator does to the vault's keys while the HSM serves: no host command can, whoever sends it.

An order waits for the node's next turn, is carried out among its commands, and is answered when the turn is durable.
"""

from collections.abc import Callable
from typing import Any, Literal

import anyio

from hsm_sim.core.audit import OPERATOR
from hsm_sim.core.engine import Engine
from hsm_sim.core.errors import OK, HsmError
from hsm_sim.core.vault import Rotation, Upkeep
from node.core.turn import Turn


class Order:
    """One order. `done` is set once what came of it is durable."""

    __slots__ = ("about", "done", "perform", "refusal", "result")

    def __init__(self, about: str, perform: Callable[[Upkeep, Turn], object]) -> None:
        self.about = about
        self.perform = perform
        self.refusal: str | None = None
        self.result: Rotation | None = None
        self.done = anyio.Event()


class VaultKeys:
    """The operator's hand on the vault's keys.

    Parameters
    ----------
    wake
        Makes the node take a turn.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: list[Order] = []

    async def rotate(self, kind: Literal["card", "fingerprint"]) -> Rotation:
        """Begin to change a key, without downtime; the audit log says so.

        Parameters
        ----------
        kind
            "card", which seals card numbers, or "fingerprint".

        Returns
        -------
        Rotation
            The new versions; old rows come over in the background, and `Engine.upkeep.rotation()` tells how far it is.

        Raises
        ------
        HsmError
            "VI": the last change of this key is not finished.
        """
        return await self._order(f"rotate {kind}", lambda upkeep, turn: upkeep.rotate(kind, turn))

    async def retire_fingerprints(self) -> Rotation:
        """Destroy the former fingerprint key, once everybody outside knows the new ones; the audit log says so.

        Raises
        ------
        HsmError
            "VJ": there is none. "VI": stored cards still have fingerprints of it.
        """
        return await self._order("retire fingerprint", lambda upkeep, turn: upkeep.retire_fingerprints(turn))

    def carry_out(self, engine: Engine, turn: Turn) -> list[Order]:
        """Carry out what waits, in the turn; return it, to be answered after the commit."""
        orders, self._waiting = self._waiting, []
        for order in orders:
            try:
                order.perform(engine.upkeep, turn)
            except HsmError as error:
                order.refusal = error.code
            order.result = engine.upkeep.rotation()
            engine.audit.record(turn, OPERATOR, "vault key", order.refusal or OK, order.about)
        return orders

    def __len__(self) -> int:
        return len(self._waiting)

    async def _order(self, about: str, perform: Callable[[Upkeep, Turn], object]) -> Rotation:
        order = Order(about, perform)
        self._waiting.append(order)
        self._wake()
        await order.done.wait()
        if order.refusal is not None:
            raise HsmError(order.refusal)
        assert order.result is not None
        return order.result


class VaultDesk:
    """The same at the control port; see `node.controlled.VaultPort`.

    Parameters
    ----------
    keys
        The operator's hand.
    rotation
        How far the changes are.
    """

    def __init__(self, keys: VaultKeys, rotation: Callable[[], Rotation]) -> None:
        self._keys = keys
        self._rotation = rotation

    def rotation(self) -> dict[str, Any]:
        """Return how far the changes are."""
        return self._rotation()._asdict()

    async def rotate(self, kind: str) -> dict[str, Any]:
        """Begin a change ("card", "fingerprint") or end one ("retire-fingerprint"); `HsmError` as `VaultKeys`."""
        if kind == "retire-fingerprint":
            return (await self._keys.retire_fingerprints())._asdict()
        return (await self._keys.rotate("card" if kind == "card" else "fingerprint"))._asdict()
