"""Builders for tests of the HSM: an engine with a memory journal under it, and seeded entropy."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from hsm_sim.core.engine import Engine, build_engine
from hsm_sim.core.policy import Policy
from hsm_sim.core.slots import KEYS_TABLE, Party
from hsm_sim.requests import CardStored, Detokenise, MakeCryptogram, Request, StoreCard, TokenCryptogram
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import metadata
from node.core.turn import Turn
from node.journal import MemoryJournal
from tests.support.vectors import vectors as vectors

T = TypeVar("T")

EPOCH = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
MASTER = bytes(range(32))
PARTIES = (
    Party("gateway", "gateway"),
    Party("acquirer", "acquirer"),
    Party("switch", "switch"),
    Party("issuer-a", "issuer"),
    Party("issuer-b", "issuer"),
)
OF_ROLE = {party.role: party.name for party in PARTIES}
PAN = "4242424242424242"
OTHER_PAN = "5555555555554444"
CVC = "737"


def seeded(seed: str = "seed") -> Callable[[int], bytes]:
    """Return entropy that is the same in every run."""

    def stream() -> Iterator[bytes]:
        number = 0
        while True:
            yield hashlib.sha256(f"{seed}/{number}".encode()).digest()
            number += 1

    blocks = stream()

    def draw(length: int) -> bytes:
        drawn = b""
        while len(drawn) < length:
            drawn += next(blocks)
        return drawn[:length]

    return draw


class Hsm:
    """An engine whose turns are committed to a memory journal, and that can be restarted from it."""

    def __init__(
        self,
        parties: tuple[Party, ...] = PARTIES,
        seed: str = "seed",
        policies: Mapping[str, Policy] = MappingProxyType({}),
    ) -> None:
        self.parties = parties
        self.policies = policies
        self.journal = MemoryJournal(metadata)
        self.entropy = seeded(seed)
        self.now = 0.0
        self.at = EPOCH
        self.engine: Engine
        self.restart()

    def restart(self, master: bytes = MASTER) -> None:
        """Begin again from what was committed."""
        self.engine, rows = build_engine(
            self.parties,
            master,
            self.entropy,
            self.journal.read(),
            JournalShelf(self.journal),
            policies=self.policies,
        )
        self.journal.write({KEYS_TABLE: rows})

    def pass_time(self, seconds: float) -> None:
        """Let both clocks go on."""
        self.now += seconds
        self.at += timedelta(seconds=seconds)

    def frame(self, party: str, frame: bytes) -> bytes:
        """Send one frame with a header; return the answer without it."""
        turn = Turn(self.at)
        answer = self.engine.handle(party, b"HEAD" + frame, self.now, turn)
        self.journal.write(turn.stores)
        assert answer[:4] == b"HEAD"
        return answer[4:]

    def ask(self, party: str, request: Request[T]) -> T:
        """Send one typed request."""
        return request.parse(self.frame(party, request.encode()))

    def rows(self) -> list[tuple[Any, ...]]:
        """Return every committed row."""
        return [row for table in self.journal.rows.values() for row in table.values()]

    def stored(self, pan: str = PAN, expiry: str = "3012", cvc: str = CVC, requestor: str = "acct_1") -> CardStored:
        """Store a card as the gateway."""
        return self.ask("gateway", StoreCard(pan, expiry, cvc, requestor))

    def paid(self, token: str, amount_minor: int = 4200, merchant: str = "MERCHANT") -> TokenCryptogram:
        """Make a cryptogram as the gateway."""
        return self.ask("gateway", MakeCryptogram(token, amount_minor, "840", merchant))


def first_use(
    token: str, made: TokenCryptogram, reference: str = "607309000001", amount_minor: int = 4200, **changes: str
) -> Detokenise:
    """Build the switch's first detokenise of a payment."""
    proof = {"cryptogram": made.cryptogram, "atc": made.atc, "un": made.un, "merchant": "MERCHANT", "currency": "840"}
    return Detokenise(token, reference, amount_minor=amount_minor, **{**proof, **changes})  # type: ignore[arg-type]
