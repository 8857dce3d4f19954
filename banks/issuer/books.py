"""The issuer's working set: card file, ledger, requests, tombstones. It changes only together with rows of a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from banks.core import requests
from banks.core.cards import CARDS, Card
from banks.core.memory import Memory
from banks.core.requests import CounterRow, RequestRow, TakenRequest, TombstoneRow
from banks.ledger import AccountRow, HeadRow, HoldRow, Ledger
from banks.ledger import rows as ledger_rows
from node.core.turn import Row, Turn

WEEK_S = 7 * 24 * 60 * 60
EQUITY = "equity"


class IssuerRules(NamedTuple):
    """What an issuer is configured with. Durations in seconds; `hold_s` is business time.

    Attributes
    ----------
    name
        The node's name.
    settled_max
        Settled requests that are remembered; older ones are looked up in the journal.
    """

    name: str = "issuer"
    hsm_timeout_s: float = 2.0
    answer_timeout_s: float = 8.0
    journal_timeout_s: float = 2.0
    hold_s: int = WEEK_S
    settled_max: int = 50_000


class IssuerBooks:
    """Everything an issuer decides from."""

    def __init__(self, rules: IssuerRules) -> None:
        self.rules = rules
        self.cards: dict[str, Card] = {}
        self.ledger = Ledger()
        self.memory: Memory[TakenRequest] = Memory(rules.settled_max)
        self.tombstones: set[str] = set()
        self._counters: dict[str, int] = {}

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take back what a restart needs; settled requests stay in the journal until somebody asks for them."""
        self.cards = {card.fingerprint: card for card in (Card(*row) for row in rows.get(CARDS, ()))}
        self.ledger.restore(
            [AccountRow(*row) for row in rows.get(ledger_rows.ACCOUNTS, ())],
            [HoldRow(*row) for row in rows.get(ledger_rows.HOLDS, ())],
            [HeadRow(*row) for row in rows.get(ledger_rows.HEADS, ())],
        )
        self.tombstones = {TombstoneRow(*row).name for row in rows.get(requests.TOMBSTONES, ())}
        self._counters = {row.name: row.value for row in (CounterRow(*raw) for raw in rows.get(requests.COUNTERS, ()))}
        self.memory.is_complete = not self._counters

    def count(self, counter: str, turn: Turn) -> int:
        """Return the next number of a counter; it is never given out again."""
        value = self._counters[counter] = self._counters.get(counter, 0) + 1
        turn.store(requests.COUNTERS, CounterRow(counter, value))
        return value

    def put_card(self, card: Card, turn: Turn) -> None:
        """Add or change a card."""
        self.cards[card.fingerprint] = card
        turn.store(CARDS, card)

    def settle(self, taken: TakenRequest, row: RequestRow, turn: Turn) -> None:
        """Give a request its answer."""
        taken.row = row
        turn.store(requests.REQUESTS, row)
        self.memory.settle(taken)
        self.unpin(taken)

    def abandon(self, taken: TakenRequest) -> None:
        """Forget a request that was not decided."""
        self.memory.forget(taken)
        self.unpin(taken)

    def pin(self, taken: TakenRequest, other: TakenRequest) -> None:
        """Keep a request in memory until `taken`, which is about it, is settled."""
        taken.pinned.append(other)
        self.memory.pin(other)

    def unpin(self, taken: TakenRequest) -> None:
        """Let go what `taken` was about."""
        pinned, taken.pinned = taken.pinned, []
        for other in pinned:
            self.memory.unpin(other)

    def change(self, taken: TakenRequest, state: str, turn: Turn) -> None:
        """Change the state of a settled request."""
        taken.row = taken.row._replace(state=state)
        turn.store(requests.REQUESTS, taken.row)

    def recall(self, row: Row) -> TakenRequest:
        """Return the request of a stored row.

        What memory has settled is ahead of the journal and wins. A request that is being decided while the journal has
        its answer is a repeat from before a restart: it takes that answer.
        """
        stored = RequestRow(*row)
        known = self.memory.get(stored.key)
        if known is not None and not known.is_deciding:
            return known
        if known is None:
            known = TakenRequest(stored)
        else:
            self.memory.forget(known)
            known.row = stored
        self.memory.add(known)
        self.memory.settle(known)
        return known

    def bury(self, name: str, turn: Turn) -> None:
        """Leave a tombstone: the request of this name is declined if it ever arrives."""
        if name not in self.tombstones:
            self.tombstones.add(name)
            turn.store(requests.TOMBSTONES, TombstoneRow(name, turn.at.isoformat()))

    def view(self) -> dict[str, Any]:
        """Summarise for the control port; JSON-able, without card numbers."""
        accounts = [
            {
                "account": account.name,
                "currency": account.currency,
                "posted_minor": account.posted_minor,
                "held_minor": account.held_minor,
                "available_minor": account.available_minor,
            }
            for account in self.ledger.accounts.values()
        ]
        return {
            "accounts": accounts,
            "holds": [hold._asdict() for hold in self.ledger.holds.values()],
            "totals": self.ledger.totals(),
            "cards": [
                {"last4": card.last4, "account": card.account, "status": card.status, "cvc_rule": card.cvc_rule}
                for card in self.cards.values()
            ],
            "tombstones": len(self.tombstones),
        }
