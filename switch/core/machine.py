"""The switch as one explicit machine: takes each event to the part that decides about it.

Control flow only. What a leg may do next is `states`; what a message looks like on the other leg is `elements`; where a
card belongs is `routing`. `requests` and `answers` decide about legs, `undo` about reversals; what they share is
`book`. Every decision lands in the turn: rows first, then what rests on them.

At its deadline, or when the link to the issuer is lost, a leg is answered by the switch itself, and the 0420 goes into
the SAF in the same turn. What never left (`NOT_SENT`) is reversed by nobody.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from hsm_sim.core.errors import OK
from iso import Message, RemoteProtocolError
from node.core.host import Host
from node.core.link import Arrival, InFlightKey, LinkMachine
from node.core.saf import SafEntry, SafMachine
from node.core.steps import NOT_SENT, Silence
from node.core.turn import Row, Turn
from switch.core import legs as leg_rows
from switch.core import numbers, reconcile, reversal, settlement_days, stand_in, totals
from switch.core.answers import Answers
from switch.core.book import FORMAT_ERROR, INOPERATIVE, MALFUNCTION, NOT_SUPPORTED, Book, CardKey
from switch.core.elements import (
    MANDATORY,
    MANDATORY_IN_FOLLOW_UPS,
    MANDATORY_IN_REVERSALS,
    missing,
    refusal_code,
    reopen_request,
    sending_time,
)
from switch.core.legs import Leg, Names, names_of_original, names_of_request
from switch.core.reconcile import Reconciler, is_reconciliation
from switch.core.requests import Requests
from switch.core.reversal import saf_reversal
from switch.core.routing import RouteTable
from switch.core.rules import SwitchRules
from switch.core.settlement_days import SettlementDays
from switch.core.states import Cause, State
from switch.core.undo import Undo
from switch.core.view import summary


class SafKey(NamedTuple):
    """Question to the HSM about the card of a SAF entry."""

    entry: str


class SwitchMachine(Host):
    """The switch.

    Parameters
    ----------
    links
        Links to acquirers and issuers. Requests are taken from acquirers: from whatever is no issuer.
    routes
        Which link a card number belongs to.
    rules
        Timeouts and limits.
    saf
        The store-and-forward machine; one with default rules if absent.
    issuers
        Names of the links to issuers; those that a route leads to if absent.
    """

    def __init__(
        self,
        links: Iterable[LinkMachine],
        routes: RouteTable,
        rules: SwitchRules | None = None,
        saf: SafMachine | None = None,
        issuers: Iterable[str] | None = None,
    ) -> None:
        super().__init__(links, saf)
        rules = rules or SwitchRules()
        self.days = SettlementDays(rules.settlement, self.links, self.errands)
        self.days.moved = self._day_moved
        self.companions.append(self.days)
        self.book = Book(self.links, routes, rules, self.saf, self.days, issuers)
        self.reconciler = Reconciler(self.book.totals, self.days)
        self._answers = Answers(self.book)
        self._requests = Requests(self.book, self._answers)
        self._undo = Undo(self.book)
        self._restored: list[Leg] = []

    def reroute(self, routes: RouteTable) -> None:
        """Put another table in the place of the one in force; what is in flight keeps the link that it was given."""
        self.book.routes = routes

    # Restart

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart, before the first event."""
        self.restore_others(rows)
        self.saf.restore(rows.get("saf", ()))
        self.book.tombstones.restore(rows.get(reversal.TABLE, ()))
        self.book.stand_in.restore(rows.get(stand_in.TABLE, ()))
        reserved: dict[str, int] = dict(rows.get(numbers.TABLE, ()))
        for counter in self.book.counters:
            counter.restore(reserved.get(counter.name, 0))
        self.days.restore(rows.get(settlement_days.TABLE, ()))
        self.book.totals.restore(rows.get(totals.TABLE, ()))
        self.reconciler.restore(rows.get(reconcile.TABLE, ()))
        self._restored = [Leg.from_row(row) for row in rows.get(leg_rows.TABLE, ())]

    def begin(self, now: float, turn: Turn) -> None:
        """Make every leg that was out when the node stopped Unknown, and owe its issuer a reversal."""
        self.book.legs.horizon = turn.at
        for leg in self._restored:
            leg.see(Cause.RESTART)
            leg.code = INOPERATIVE
            turn.store(leg_rows.TABLE, leg.row())
            self.saf.put(saf_reversal(leg, turn.at, self.days.mmdd(turn)), turn)
            self.book.legs.recall(leg)
        self._restored = []

    # Time

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`."""
        for _, leg in self.book.deadlines.pop_expired(now):
            if leg.is_in_flight:
                self._answers.silence(leg, now, turn)
        super().expire(now, turn)
        self.book.totals.flush(turn)
        # What waits longer waits without its card number.
        self.book.opened.clear()

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = (super().deadline(), self.book.deadlines.next())
        return min((instant for instant in instants if instant is not None), default=None)

    # Arrivals

    def on_request(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Take a request of an acquirer, or a reconciliation of any member."""
        if is_reconciliation(arrival.message):
            self.links[arrival.link].respond(self.reconciler.take(arrival, turn), arrival.connection, turn)
        else:
            self._request(arrival, now, turn)

    def on_response(self, link: str, key: InFlightKey, answer: Message | Silence, now: float, turn: Turn) -> None:
        """Take what an issuer said of a leg, or that it said nothing."""
        leg = self.book.by_key.pop((link, key), None)
        if leg is None:
            return
        if isinstance(answer, Message):
            self._answers.answered(leg, answer, turn)
        elif answer is NOT_SENT:
            self._answers.not_written(leg, turn)
        else:
            self._answers.silence(leg, now, turn)

    def on_late(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Take an answer that nobody waits for."""
        self._answers.late(arrival, turn)

    def on_answer(self, key: Hashable, value: Any, now: float, turn: Turn) -> None:
        """Take an answer of the HSM or of the journal; None is silence."""
        if isinstance(key, CardKey):
            leg = self.book.by_card.pop(key, None)
            if leg is not None and leg.state is State.OPENING:
                self._requests.heard(leg, key.what, value, now, turn)
        elif isinstance(key, SafKey):
            self._reopened(key.entry, value, now, turn)
        else:
            self._searched(key, value, now, turn)

    def on_link_up(self, link: str, now: float, turn: Turn) -> None:
        """Ask an issuer again that has come back, whatever it has left unanswered before."""
        self.book.breakers.answered(link)

    def _request(self, arrival: Arrival, now: float, turn: Turn, searched: frozenset[Names] = frozenset()) -> None:
        book, message = self.book, arrival.message
        is_reversal = message.mti_class == "4" and message.mti[2] in "02"
        if not (is_reversal or (message.mti_class in "12" and message.mti[2] in "02")) or (
            arrival.link in book.issuers
        ):
            book.answer(arrival, NOT_SUPPORTED, turn)
            return
        needed = MANDATORY_IN_FOLLOW_UPS if 90 in message else MANDATORY
        absent = missing(message, MANDATORY_IN_REVERSALS if is_reversal else needed)
        if absent is not None:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: DE {absent} is missing")
            book.answer(arrival, FORMAT_ERROR, turn)
            return
        try:
            names = names_of_original(message) if is_reversal else names_of_request(message)
            if not is_reversal and 90 in message:
                names_of_original(message)
        except RemoteProtocolError:
            book.answer(arrival, FORMAT_ERROR, turn)
            return
        if book.searches.join(arrival, names, searched):
            return
        if is_reversal:
            self._undo.take(arrival, names, turn, searched)
        else:
            self._requests.take(arrival, names, now, turn, searched)

    def _searched(self, key: Hashable, rows: list[Row] | None, now: float, turn: Turn) -> None:
        book = self.book
        if rows is None:
            for waiting in book.searches.give_up(key):
                book.answer(waiting.arrival, MALFUNCTION, turn)
            return
        found = book.searches.take(key, found=bool(rows), turn=turn)
        if found is None:
            return
        for row in rows:
            leg = Leg.from_row(row)
            if book.legs.find(leg.names) is None:
                book.legs.recall(leg)
        for arrival, searched in found:
            self._request(arrival, now, turn, searched)

    def _day_moved(self, _day: date, turn: Turn) -> None:
        """Let go of what is too old to be reconciled."""
        self.book.totals.close_before(self.days.oldest, turn)
        self.reconciler.close_before(self.days.oldest, turn)

    # Store-and-forward

    def on_saf_due(self, entry: SafEntry, now: float, turn: Turn) -> None:
        """Send an entry whose turn has come; its card is opened first, unless it was in this very turn."""
        pan = self.book.opened.pop(entry.identifier, "")
        if pan:
            self._send_opened(entry, pan, now, turn)
            return
        turn.ask("hsm", SafKey(entry.identifier), reopen_request(entry.message), self.book.rules.hsm_timeout_s)

    def on_saf_ended(self, entry: SafEntry, answer: Message | None, now: float, turn: Turn) -> None:
        """Say in the trace how an entry ended."""
        if answer is not None:
            self.book.breakers.answered(entry.link)
        code = "silence" if answer is None else answer.response_code
        turn.note(entry.link, f"saf {entry.state}", f"{entry.message.mti} {entry.message.stan}: {code}")

    def _reopened(self, identifier: str, value: Any, now: float, turn: Turn) -> None:
        entry = self.saf.entries.get(identifier)
        if entry is None:
            return
        if value is None or (value.code != OK and refusal_code(value.code) == MALFUNCTION):
            self.saf.unanswered(identifier, now, turn)
        elif value.code != OK:
            # The HSM does not know this card, and never will: visible, and no longer in the way of others.
            turn.note(
                entry.link, "saf dead", f"{entry.message.mti} {entry.message.stan}: the HSM refuses, {value.code}"
            )
            self.saf.answered(identifier, refusal_code(value.code), now, turn)
        else:
            self._send_opened(entry, value.pan, now, turn)

    def _send_opened(self, entry: SafEntry, pan: str, now: float, turn: Turn) -> None:
        message = entry.next_message()
        changes = {2: pan}
        if message.mti_class == "4":
            changes[7] = sending_time(message, turn.at)
        self.send_saf(entry, message.with_fields(changes), now, turn)

    def view(self) -> dict[str, Any]:
        """Return a summary for the control port: plain values, no card number."""
        book = self.book
        counts = {"searches": len(book.searches), "tombstones": len(book.tombstones)}
        return {**summary(self.links, book.legs, self.saf, **counts), "breakers open": book.breakers.opened}
