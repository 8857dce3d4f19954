"""The vault's shelf over the HSM's journal: one indexed look-up per question, inline in the loop's thread.

The journal is the node's only writer and commits inline too, so a look-up waits for nobody. `hsm_sim.store` describes
the tables; each question here has an index there.
"""

from hsm_sim.core.vault import (
    CARDS_TABLE,
    COUNTERS_TABLE,
    CRYPTOGRAMS_TABLE,
    REFERENCES_TABLE,
    CardRow,
    CounterRow,
    CryptogramRow,
    ReferenceRow,
)
from hsm_sim.core.vault.rows import DELETED
from node.journal import LocalJournal


class JournalShelf:
    """`hsm_sim.core.vault.Shelf` over a journal.

    Parameters
    ----------
    journal
        Where the vault's rows are committed.
    """

    def __init__(self, journal: LocalJournal) -> None:
        self._select = journal.select

    def card(self, token: str) -> CardRow | None:
        """Return the card of a token."""
        rows = self._select(CARDS_TABLE, {"token": token}, 1)
        return CardRow(*rows[0]) if rows else None

    def token_of(self, fingerprint: str, expiry: str) -> str | None:
        """Return the token that a fingerprint with this card expiry leads to."""
        rows = self._select(CARDS_TABLE, {"fingerprint": fingerprint, "expiry": expiry}, 1)
        return CardRow(*rows[0]).token if rows else None

    def counter(self, token: str) -> CounterRow | None:
        """Return how far a token's counter has come."""
        rows = self._select(COUNTERS_TABLE, {"token": token}, 1)
        return CounterRow(*rows[0]) if rows else None

    def cryptogram(self, token: str, atc: int) -> CryptogramRow | None:
        """Return when a counter was issued."""
        rows = self._select(CRYPTOGRAMS_TABLE, {"token": token, "atc": atc}, 1)
        return CryptogramRow(*rows[0]) if rows else None

    def spent(self, token: str, atc: int) -> ReferenceRow | None:
        """Return what a counter was spent on."""
        rows = self._select(REFERENCES_TABLE, {"token": token, "atc": atc}, 1)
        return ReferenceRow(*rows[0]) if rows else None

    def recorded(self, token: str, reference: str) -> ReferenceRow | None:
        """Return a record of a reference."""
        rows = self._select(REFERENCES_TABLE, {"token": token, "reference": reference}, 1)
        return ReferenceRow(*rows[0]) if rows else None

    def sealed_under(self, key_version: int, limit: int) -> list[CardRow]:
        """Return some cards that are sealed under a key version."""
        return [CardRow(*row) for row in self._select(CARDS_TABLE, {"key_version": key_version}, limit)]

    def fingerprinted_under(self, fingerprint_version: int, limit: int) -> list[CardRow]:
        """Return some cards whose fingerprint was made under a key version."""
        return [CardRow(*row) for row in self._select(CARDS_TABLE, {"fingerprint_version": fingerprint_version}, limit)]

    def deleted(self, limit: int) -> list[CardRow]:
        """Return deleted cards that are not erased yet, the one due first at the front."""
        return [CardRow(*row) for row in self._select(CARDS_TABLE, {"state": DELETED}, limit, "erase_at")]
