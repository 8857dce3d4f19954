"""The issuer's working set: card file, ledger, requests, tombstones. It changes only together with rows of a turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from banks.core import requests
from banks.core.cards import CARDS, Card
from banks.core.known import Known
from banks.core.memory import Memory
from banks.core.requests import CounterRow, RequestRow, TakenRequest, TombstoneRow
from banks.core.scripts import SCRIPTS, ScriptRow, Scripts
from banks.ledger import AccountRow, HeadRow, HoldRow, Ledger
from banks.ledger import rows as ledger_rows
from hsm_sim.core.indexes import zpk
from node.core.turn import Row, Turn

DAY_S = 24 * 60 * 60
WEEK_S = 7 * DAY_S
EQUITY, SETTLEMENT = "equity", "settlement"
"""The bank's own accounts: what it has put into the world, and what it owes the network."""
BANKS_OWN = frozenset({EQUITY, SETTLEMENT})

DUAL, SINGLE = "dual", "single"
HOLD_DAYS = {"": 7, "7011": 30, "7512": 30, "4411": 30}
"""Days of a pre-authorisation by MCC; "" for any other. Lodging, car rental and cruises last a month."""
TOLERANCE_PERCENT = {"": 0, "5812": 20, "7011": 15, "7512": 15, "4411": 15}
"""By how much a completion may exceed what was authorised, by MCC: tips, minibars and fuel. General knowledge."""


class IssuerRules(NamedTuple):
    """What an issuer is configured with. Durations in seconds; `hold_s` and the days are business time.

    Attributes
    ----------
    name
        The node's name.
    messages
        "dual": a message holds or fixes an amount and its presentment posts it. "single": a 0200, a 0220 and a refund
        post at once and the presentment only matches.
    hold_s
        How long an authorisation is held.
    hold_days, completed_days
        How long a pre-authorisation is held, by MCC, and how long a completion waits for its presentment.
    tolerance_percent
        By MCC.
    settled_max
        Settled requests that are remembered; older ones are looked up in the journal.
    known_cards_max
        Card numbers whose fingerprint is remembered, by a hash of them; others cost a question to the HSM.
    atc_gap_max
        How far a chip's counter may be ahead of the last one; 0 = any distance.
    verification_code
        DE 39 for a valid card of which nothing was wanted: "00", or "85".
    """

    name: str = "issuer"
    hsm_timeout_s: float = 2.0
    answer_timeout_s: float = 8.0
    journal_timeout_s: float = 2.0
    hold_s: int = WEEK_S
    settled_max: int = 50_000
    messages: str = DUAL
    hold_days: Mapping[str, int] = HOLD_DAYS
    completed_days: int = 30
    tolerance_percent: Mapping[str, int] = TOLERANCE_PERCENT
    known_cards_max: int = 100_000
    atc_gap_max: int = 0
    verification_code: str = "00"

    @property
    def completed_s(self) -> int:
        """How long a completion or refund waits for its presentment."""
        return self.completed_days * DAY_S

    def pre_authorised_s(self, mcc: str) -> int:
        """How long a pre-authorisation at a merchant of this category is held."""
        return self.hold_days.get(mcc, self.hold_days.get("", 0)) * DAY_S or self.hold_s

    def tolerance_of(self, mcc: str) -> int:
        """Return by how many percent a completion may exceed its authorisation."""
        return self.tolerance_percent.get(mcc, self.tolerance_percent.get("", 0))


class IssuerBooks:
    """Everything an issuer decides from.

    Attributes
    ----------
    pin_places
        Where the PIN keys lie that the network may use now, for TDES or (True) AES blocks; the one in use comes first.
    known_cards
        Fingerprints of cards that were seen lately, by a hash of their number.
    """

    def __init__(self, rules: IssuerRules) -> None:
        self.rules = rules
        self.cards: dict[str, Card] = {}
        self.ledger = Ledger()
        self.memory: Memory[TakenRequest] = Memory(rules.settled_max)
        self.tombstones: set[str] = set()
        self.scripts = Scripts()
        self.known_cards = Known(rules.known_cards_max)
        self.pin_places: Callable[[bool], tuple[str, ...]] = lambda aes: (zpk("switch", aes=aes),)
        self._counters: dict[str, int] = {}

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take back what a restart needs; settled requests stay in the journal until somebody asks for them."""
        self.cards = {card.fingerprint: card for card in (Card(*row) for row in rows.get(CARDS, ()))}
        self.scripts.restore(ScriptRow(*row) for row in rows.get(SCRIPTS, ()))
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
        row, stored = CounterRow(counter, value), turn.stores.get(requests.COUNTERS)
        if stored and stored[-1][0] == counter:
            # A busy turn counts with every request; only its last number is worth a write.
            stored[-1] = row
        else:
            turn.store(requests.COUNTERS, row)
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

    def change(self, taken: TakenRequest, row: RequestRow, turn: Turn) -> None:
        """Change what a settled request has come to; its names stay."""
        taken.row = row
        turn.store(requests.REQUESTS, row)

    def rename(self, taken: TakenRequest, *, payment: str, original: str) -> None:
        """Let a request that is being decided be found under other names."""
        if (taken.row.payment, taken.row.original) != (payment, original):
            self.memory.forget(taken)
            taken.row = taken.row._replace(payment=payment, original=original)
            self.memory.add(taken)

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
