"""What the vault keeps: the rows of its tables, and the shelf on which it finds them again.

Nothing here is loaded at start. The vault asks its shelf for the one card, counter or reference that a command needs,
so that a restart costs the same with ten cards as with ten million.
"""

from typing import Final, NamedTuple, Protocol

CARDS_TABLE: Final = "hsm_cards"
COUNTERS_TABLE: Final = "hsm_counters"
CRYPTOGRAMS_TABLE: Final = "hsm_cryptograms"
REFERENCES_TABLE: Final = "hsm_references"

ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
DELETED: Final = "deleted"
ERASED: Final = "erased"

FIRST_LAYOUT: Final = -1
"""Key version of rows from before there were domains: key version 1, bound to less of the row. They are re-sealed."""
NO_KEY: Final = 0
"""Key version of rows whose sealed card number is gone, or was found to be forged."""


class CardRow(NamedTuple):
    """One stored card.

    Attributes
    ----------
    token
        Primary key; an erased row stays, so that its number is never given again.
    requestor
        Whose token it is.
    expiry
        str[4] YYMM of the card; "" once erased.
    fingerprint
        str[29] in the requestor's scope; "" when the card no longer leads to this token.
    fingerprint_version, key_version
        Which of the vault's keys made the fingerprint and sealed the number.
    sealed
        AES-GCM (nonce, ciphertext, tag) of the PAN, bound to every other column.
    created_at, changed_at
        Business time, seconds.
    par
        str[29], payment account reference.
    state, reason
        Where it is in its life, and what its last change was made for.
    erase_at
        Business time at which a deleted row loses its number, seconds; 0 unless deleted.
    token_expiry
        str[4] YYMM of the token, its last month; "" for no end.
    channels, merchants, currencies
        Comma-separated; "" for any.
    amount_max
        Minor units; None for any.
    merchant_initiated
        1 if its merchants may start a payment without a cryptogram.
    """

    token: str
    requestor: str
    expiry: str
    fingerprint: str
    fingerprint_version: int
    key_version: int
    sealed: bytes
    created_at: int
    par: str = ""
    state: str = ACTIVE
    reason: str = ""
    changed_at: int = 0
    erase_at: int = 0
    token_expiry: str = ""
    channels: str = ""
    merchants: str = ""
    currencies: str = ""
    amount_max: int | None = None
    merchant_initiated: int = 0

    def __repr__(self) -> str:
        return f"CardRow(token={self.token!r}, state={self.state!r})"


class CounterRow(NamedTuple):
    """How far a token's transaction counter has come: the highest one given out, and the highest one used."""

    token: str
    atc: int
    seen: int


class CryptogramRow(NamedTuple):
    """One issued cryptogram: the token's counter and the business time in seconds. Append-only."""

    token: str
    atc: int
    issued_at: int


class ReferenceRow(NamedTuple):
    """What a counter was spent on. Append-only: one (token, counter) is spent once.

    A merchant-initiated payment spends a counter for which no cryptogram was issued.
    """

    token: str
    atc: int
    reference: str
    merchant: str
    audit_id: str


class Shelf(Protocol):
    """Committed rows, found by a key; every call is an indexed look-up that does not suspend."""

    def card(self, token: str) -> CardRow | None:
        """Return the card of a token."""

    def token_of(self, fingerprint: str, expiry: str) -> str | None:
        """Return the token that a fingerprint with this card expiry leads to."""

    def counter(self, token: str) -> CounterRow | None:
        """Return how far a token's counter has come; None if it was never used."""

    def cryptogram(self, token: str, atc: int) -> CryptogramRow | None:
        """Return when a counter was issued."""

    def spent(self, token: str, atc: int) -> ReferenceRow | None:
        """Return what a counter was spent on."""

    def recorded(self, token: str, reference: str) -> ReferenceRow | None:
        """Return a record of a reference: any of them, if several counters were spent on it."""

    def sealed_under(self, key_version: int, limit: int) -> list[CardRow]:
        """Return some cards that are sealed under a key version."""

    def fingerprinted_under(self, fingerprint_version: int, limit: int) -> list[CardRow]:
        """Return some cards whose fingerprint was made under a key version."""

    def deleted(self, limit: int) -> list[CardRow]:
        """Return deleted cards that are not erased yet, the one due first at the front."""
