"""The vault's working set: the cards in use, and what the turn under way has changed.

A card comes from the shelf when it is first needed and goes again when there are too many, but only between turns:
what a turn has changed is in no row before its commit, so until then this is the only place that knows it.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from hsm_sim.core.errors import TOKEN_UNKNOWN, HsmError
from hsm_sim.core.vault.rows import (
    CARDS_TABLE,
    COUNTERS_TABLE,
    CRYPTOGRAMS_TABLE,
    REFERENCES_TABLE,
    CardRow,
    CounterRow,
    CryptogramRow,
    ReferenceRow,
    Shelf,
)
from node.core.turn import Turn

ISSUED_MAX: Final = 16_384
"""Unspent cryptograms in memory between turns, those of all cards together: most are spent within a second."""


class Issued(NamedTuple):
    """An unspent cryptogram that needs no look at the shelf.

    Attributes
    ----------
    at
        Business time at which it was issued, seconds.
    covered, cryptogram
        What it covers, and the cryptogram itself: making it again would give the same.
    """

    at: int
    covered: bytes
    cryptogram: bytes

    def __repr__(self) -> str:
        return f"Issued(at={self.at})"


class Card:
    """A card in use: its row and its counters."""

    __slots__ = ("atc", "row", "seen")

    def __init__(self, row: CardRow, atc: int = 0, seen: int = 0) -> None:
        self.row = row
        self.atc = atc
        self.seen = seen


class WorkingSet:
    """What the vault knows, in memory or on the shelf.

    Parameters
    ----------
    shelf
        Committed rows.
    cards_max
        Cards in memory between turns.
    """

    def __init__(self, shelf: Shelf, cards_max: int) -> None:
        self._shelf = shelf
        self._cards_max = cards_max
        self._cards: OrderedDict[str, Card] = OrderedDict()
        self._turn: Turn | None = None
        self._tokens: dict[tuple[str, str], str | None] = {}
        self._issued: OrderedDict[tuple[str, int], Issued] = OrderedDict()
        self._spent: dict[tuple[str, int], ReferenceRow] = {}
        self._recorded: dict[tuple[str, str], ReferenceRow] = {}

    def begin(self, turn: Turn) -> None:
        """Take notice of the turn that a command belongs to. A new turn means that the one before is durable."""
        if turn is self._turn:
            return
        self._turn = turn
        for changed in (self._tokens, self._spent, self._recorded):
            changed.clear()
        cards, issued = self._cards, self._issued
        while len(issued) > ISSUED_MAX:
            issued.popitem(last=False)
        while len(cards) > self._cards_max:
            cards.popitem(last=False)

    def card(self, token: str) -> Card:
        """Return a card; `HsmError` "V0" if there is no such token."""
        card = self._find(token)
        if card is None:
            raise HsmError(TOKEN_UNKNOWN)
        return card

    def has(self, token: str) -> bool:
        """Return whether a token is taken, be it by an erased card."""
        return self._find(token) is not None

    def token_of(self, fingerprint: str, expiry: str) -> str | None:
        """Return the token that a fingerprint and a card expiry lead to."""
        if (fingerprint, expiry) in self._tokens:
            return self._tokens[fingerprint, expiry]
        return self._shelf.token_of(fingerprint, expiry)

    def issued(self, card: Card, atc: int) -> Issued | None:
        """Return an unspent cryptogram, if it is still in memory."""
        return self._issued.get((card.row.token, atc))

    def issued_at(self, card: Card, atc: int) -> int | None:
        """Return when a counter that is not spent was issued, in seconds of business time; None if it never was."""
        row = self._shelf.cryptogram(card.row.token, atc)
        return None if row is None else row.issued_at

    def spent_on(self, card: Card, atc: int) -> ReferenceRow | None:
        """Return what a counter was spent on."""
        return self._spent.get((card.row.token, atc)) or self._shelf.spent(card.row.token, atc)

    def recorded(self, token: str, reference: str) -> ReferenceRow | None:
        """Return what is recorded under a reference of a token."""
        return self._recorded.get((token, reference)) or self._shelf.recorded(token, reference)

    def put(self, row: CardRow, turn: Turn) -> None:
        """Store a new or a changed card."""
        card = self._cards.get(row.token)
        if card is None:
            self._cards[row.token] = Card(row)
        else:
            if card.row.fingerprint:
                self._tokens[card.row.fingerprint, card.row.expiry] = None
            card.row = row
        if row.fingerprint:
            self._tokens[row.fingerprint, row.expiry] = row.token
        turn.store(CARDS_TABLE, row)

    def issue(self, card: Card, issued: Issued, turn: Turn) -> None:
        """Record that the next counter of a card was issued."""
        token = card.row.token
        card.atc += 1
        self._issued[token, card.atc] = issued
        turn.store(CRYPTOGRAMS_TABLE, CryptogramRow(token, card.atc, issued.at))
        turn.store(COUNTERS_TABLE, CounterRow(token, card.atc, card.seen))

    def spend(self, card: Card, row: ReferenceRow, turn: Turn) -> None:
        """Record what a counter was spent on; `card` has the counters as they are from now on."""
        self._issued.pop((row.token, row.atc), None)
        self._spent[row.token, row.atc] = self._recorded[row.token, row.reference] = row
        turn.store(REFERENCES_TABLE, row)
        turn.store(COUNTERS_TABLE, CounterRow(row.token, card.atc, card.seen))

    def __len__(self) -> int:
        return len(self._cards)

    def _find(self, token: str) -> Card | None:
        card = self._cards.pop(token, None)
        if card is None:
            row = self._shelf.card(token)
            if row is None:
                return None
            counter = self._shelf.counter(token)
            card = Card(row) if counter is None else Card(row, counter.atc, counter.seen)
        # Put back at the end: the card that was not used for longest is the first to go.
        self._cards[token] = card
        return card
