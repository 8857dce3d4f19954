"""Builders for tests of the vault: an HSM that takes turns in the background, on either journal."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hsm_sim.core.engine import build_engine
from hsm_sim.core.slots import KEYS_TABLE
from hsm_sim.core.vault import UNRESTRICTED, Domain, VaultSettings
from hsm_sim.requests import CardOpened, CardStored, Detokenise, Request, StoreCard, TokenCryptogram
from hsm_sim.shelf import JournalShelf
from hsm_sim.store import metadata
from node.core.turn import Turn
from node.journal import MemoryJournal, Rows, SqliteJournal, Stores
from tests.support.hsm import MASTER, PAN, PARTIES, Hsm, first_use, seeded

T = TypeVar("T")

REQUESTOR = "acct_1"
MERCHANT = "MERCHANT"
REFERENCE = "607309000001"
SMALL = VaultSettings(cards_max=2, batch_rows=2)


def stepped(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it suspended")


class InlineJournal(SqliteJournal):
    """The SQLite journal for callers without an event loop."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, metadata, "hsm_sim.migrations")

    def write(self, stores: Stores) -> None:
        """Commit."""
        stepped(self.commit(stores))

    def read(self) -> Rows:
        """Load."""
        return stepped(self.load())


class VaultHsm(Hsm):
    """An HSM with small limits, whose background work is stepped by hand."""

    def __init__(
        self,
        journal: MemoryJournal | InlineJournal | None = None,
        settings: VaultSettings = SMALL,
        seed: str = "seed",
    ) -> None:
        self.settings = settings
        self.parties = PARTIES
        self.journal = journal or MemoryJournal(metadata)  # type: ignore[assignment]
        self.entropy = seeded(seed)
        self.now = 0.0
        self.at = Hsm().at
        self.restart()

    def restart(self, master: bytes = MASTER) -> None:
        """Begin again from what was committed."""
        self.engine, rows = build_engine(
            self.parties,
            master,
            self.entropy,
            self.journal.read(),
            JournalShelf(self.journal),
            vault_settings=self.settings,
        )
        self.journal.write({KEYS_TABLE: rows})

    @property
    def shelf(self) -> JournalShelf:
        """Committed rows."""
        return JournalShelf(self.journal)

    def tick(self, times: int = 1) -> None:
        """Take turns in which nothing is asked; only monotonic time goes on."""
        for _ in range(times):
            self.now += self.settings.batch_every_s
            turn = Turn(self.at)
            self.engine.expire(self.now, turn)
            self.journal.write(turn.stores)

    def rotate(self, kind: str) -> None:
        """Begin to change a key."""
        turn = Turn(self.at)
        self.engine.upkeep.rotate(kind, turn)
        self.journal.write(turn.stores)

    def retire_fingerprints(self) -> None:
        """End the change of the fingerprint key."""
        turn = Turn(self.at)
        self.engine.upkeep.retire_fingerprints(turn)
        self.journal.write(turn.stores)

    def lose(self, party: str, request: Request[T]) -> T:
        """Let the HSM decide, and crash before it commits."""
        turn = Turn(self.at)
        answer = self.engine.handle(party, b"HEAD" + request.encode(), self.now, turn)
        self.restart()
        return request.parse(answer[4:])

    def kept(
        self, domain: Domain = UNRESTRICTED, pan: str = PAN, requestor: str = REQUESTOR, cvc: str = ""
    ) -> CardStored:
        """Store a card with a domain."""
        return self.ask("gateway", StoreCard(pan, "3012", cvc, requestor, domain))

    def used(self, token: str, made: TokenCryptogram | None = None, reference: str = REFERENCE) -> CardOpened:
        """Open a token for its first authorisation."""
        return self.ask("switch", first_use(token, made or self.paid(token), reference))

    def followed(self, token: str, reference: str = REFERENCE) -> CardOpened:
        """Open a token for a follow-up."""
        return self.ask("switch", Detokenise(token, reference))

    def started(
        self, token: str, reference: str = REFERENCE, merchant: str = MERCHANT, amount_minor: int = 4200
    ) -> CardOpened:
        """Open a token for a merchant-initiated payment."""
        return self.ask(
            "switch",
            Detokenise(
                token,
                reference,
                amount_minor=amount_minor,
                currency="840",
                merchant=merchant,
                merchant_initiated=True,
            ),
        )
