"""The switch as one explicit machine: what happens to each leg, and what leaves for it.

Control flow only. What a leg may do next is `states`; what a message looks like on the other leg is `elements`; what
undoes a leg is `reversal`; where a card belongs is `routing`. Every decision lands in the turn: rows first, then what
rests on them.

The deadline of a leg starts when its request is received, so that the HSM's time counts. At the deadline, or when the
link to the issuer is lost, the switch answers 91 itself and puts the 0420 into its SAF in the same turn. What never
left (`NOT_SENT`) is answered 91 and reversed by nobody.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hsm_sim.core.errors import OK
from iso import LocalProtocolError, Message, RemoteProtocolError
from iso.dialect import APPROVED_CODES
from iso.stan import transmission_time
from node.core.deadlines import Deadlines
from node.core.host import Host
from node.core.link import Arrival, InFlightKey, LinkMachine
from node.core.saf import SafEntry, SafMachine
from node.core.steps import NOT_SENT, Silence
from node.core.turn import Row, Turn
from switch.core import legs as leg_rows
from switch.core import numbers, reversal
from switch.core.elements import (
    MANDATORY,
    MANDATORY_IN_REVERSALS,
    SEALED_PREFIX,
    detokenise_request,
    issuer_request,
    kept,
    missing,
    refusal_code,
    reopen_request,
    returned,
    seal_request,
)
from switch.core.legs import Leg, LegBook, Names, names_of_original, names_of_request
from switch.core.numbers import Counter, network_transaction_id
from switch.core.reversal import OVERTAKEN, Tombstones, saf_reversal
from switch.core.routing import RouteTable, is_token
from switch.core.rules import SwitchRules
from switch.core.search import Searches
from switch.core.states import Cause, State
from switch.core.view import summary

APPROVED = APPROVED_CODES["1987"]
"""DE 39 of an issuer that holds money. Links hand over the 1987 form, whatever their dialect."""

INOPERATIVE, NO_ISSUER, FORMAT_ERROR, MALFUNCTION = "91", "15", "30", "96"
NOT_SUPPORTED, NO_CRYPTOGRAM, DUPLICATE = "40", "63", "94"


class CardKey(NamedTuple):
    """Question to the HSM about a leg's card."""

    leg: str


class SafKey(NamedTuple):
    """Question to the HSM about the card of a SAF entry."""

    entry: str


class SwitchMachine(Host):
    """The switch.

    Parameters
    ----------
    links
        Links to acquirers and issuers. Requests are taken from acquirers: from links that no route leads to.
    routes
        Which link a card number belongs to.
    rules
        Timeouts and limits.
    saf
        The store-and-forward machine; one with default rules if absent.
    """

    def __init__(
        self,
        links: Iterable[LinkMachine],
        routes: RouteTable,
        rules: SwitchRules | None = None,
        saf: SafMachine | None = None,
    ) -> None:
        super().__init__(links, saf)
        self.routes = routes
        self.rules = rules or SwitchRules()
        self.legs = LegBook(self.rules.ended_max)
        self.tombstones = Tombstones(self.rules.tombstones_max)
        self.searches = Searches(self.rules.hsm_timeout_s)
        self._network_ids = Counter("network_transaction_id")
        self._deadlines: Deadlines[Leg] = Deadlines()
        self._by_card: dict[CardKey, Leg] = {}
        self._by_key: dict[tuple[str, InFlightKey], Leg] = {}
        self._restored: list[Leg] = []

    # Restart

    def restore(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Take the rows of a restart, before the first event."""
        self.saf.restore(rows.get("saf", ()))
        self.tombstones.restore(rows.get(reversal.TABLE, ()))
        for _, reserved in rows.get(numbers.TABLE, ()):
            self._network_ids.restore(reserved)
        self._restored = [Leg.from_row(row) for row in rows.get(leg_rows.TABLE, ())]

    def begin(self, now: float, turn: Turn) -> None:
        """Make every leg that was out when the node stopped Unknown, and owe its issuer a reversal."""
        self.legs.horizon = turn.at
        for leg in self._restored:
            leg.see(Cause.RESTART)
            leg.code = INOPERATIVE
            turn.store(leg_rows.TABLE, leg.row())
            self.saf.put(saf_reversal(leg, turn.at), turn)
            self.legs.recall(leg)
        self._restored = []

    # Time

    def expire(self, now: float, turn: Turn) -> None:
        """Fire every deadline that is not after `now`."""
        for _, leg in self._deadlines.pop_expired(now):
            if leg.is_in_flight:
                self._silence(leg, turn)
        super().expire(now, turn)

    def deadline(self) -> float | None:
        """Return when `expire` next may have work."""
        instants = (super().deadline(), self._deadlines.next())
        return min((instant for instant in instants if instant is not None), default=None)

    # Arrivals

    def on_request(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Take a request of an acquirer."""
        self._request(arrival, now, turn, searched=False)

    def on_response(self, link: str, key: InFlightKey, answer: Message | Silence, now: float, turn: Turn) -> None:
        """Take what an issuer said of a leg, or that it said nothing."""
        leg = self._by_key.pop((link, key), None)
        if leg is None:
            return
        if isinstance(answer, Message):
            self._answered(leg, answer, turn)
        elif answer is NOT_SENT:
            leg.see(Cause.NOT_WRITTEN)
            self._end(leg, INOPERATIVE, turn)
        else:
            self._silence(leg, turn)

    def on_late(self, arrival: Arrival, now: float, turn: Turn) -> None:
        """Drop an answer that nobody waits for; its leg stays what it is."""
        leg = self.legs.find(names_of_request(arrival.message))
        if leg is not None:
            leg.see(Cause.LATE_ANSWER)
            turn.note(arrival.link, "dropped", f"late {arrival.message.mti}: the leg is {leg.state.value}")

    def on_answer(self, key: Hashable, value: Any, now: float, turn: Turn) -> None:
        """Take an answer of the HSM or of the journal; None is silence."""
        if isinstance(key, CardKey):
            leg = self._by_card.pop(key, None)
            if leg is not None and leg.state is State.OPENING:
                self._opened(leg, value, now, turn)
        elif isinstance(key, SafKey):
            self._reopened(key.entry, value, now, turn)
        else:
            self._searched(key, value, now, turn)

    def _request(self, arrival: Arrival, now: float, turn: Turn, *, searched: bool) -> None:
        message = arrival.message
        is_reversal = message.mti_class == "4" and message.mti[2] in "02"
        is_taken = is_reversal or (message.mti_class in "12" and message.mti[2] == "0")
        # DE 95 would reverse a part: taken for a whole reversal it would free money that is still owed.
        if not is_taken or arrival.link in self.routes.links or (is_reversal and 95 in message):
            self._refuse(arrival, NOT_SUPPORTED, turn)
            return
        absent = missing(message, MANDATORY_IN_REVERSALS if is_reversal else MANDATORY)
        if absent is not None:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: DE {absent} is missing")
            self._refuse(arrival, FORMAT_ERROR, turn)
            return
        try:
            names = names_of_original(message) if is_reversal else names_of_request(message)
        except RemoteProtocolError:
            self._refuse(arrival, FORMAT_ERROR, turn)
            return
        if self.searches.join(arrival, names):
            return
        if is_reversal:
            self._reverse(arrival, names, turn, searched=searched)
        else:
            self._authorise(arrival, names, now, turn, searched=searched)

    def _refuse(self, arrival: Arrival, code: str, turn: Turn) -> None:
        self.links[arrival.link].respond(arrival.message.reply(code), arrival.connection, turn)

    def _searched(self, key: Hashable, rows: list[Row] | None, now: float, turn: Turn) -> None:
        if rows is None:
            for arrival in self.searches.give_up(key):
                self._refuse(arrival, MALFUNCTION, turn)
            return
        waiting = self.searches.take(key, found=bool(rows), turn=turn)
        if waiting is None:
            return
        for row in rows:
            leg = Leg.from_row(row)
            if self.legs.find(leg.names) is None:
                self.legs.recall(leg)
        for arrival in waiting:
            self._request(arrival, now, turn, searched=True)

    # Requests

    def _authorise(self, arrival: Arrival, names: Names, now: float, turn: Turn, *, searched: bool) -> None:
        message = arrival.message
        leg = self.legs.find(names)
        if leg is not None and leg.is_same(names, message):
            self._copied(leg, arrival, turn)
        elif leg is not None:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: another request has used its name")
            self._refuse(arrival, DUPLICATE, turn)
        elif self.legs.in_flight + len(self.searches) >= self.rules.in_flight_max:
            turn.note(arrival.link, "refused", f"{message.mti} {message.stan}: too many legs in flight")
            self._refuse(arrival, INOPERATIVE, turn)
        elif not searched and self.legs.may_have_forgotten(message):
            self.searches.start(arrival, names, turn)
        else:
            self._new(arrival, names, now, turn)

    def _copied(self, leg: Leg, arrival: Arrival, turn: Turn) -> None:
        """Take a copy of a request that is in memory.

        A copy in flight is not refused: a refusal would be matched with the original, whose approval would then
        count on one side only. The answer goes to the latest copy.
        """
        leg.see(Cause.COPIED)
        turn.note(arrival.link, "copy", f"{arrival.message.mti} {arrival.message.stan}: the leg is {leg.state.value}")
        if leg.is_in_flight:
            leg.request, leg.connection = arrival.message, arrival.connection
            return
        code, extra = (OVERTAKEN, {}) if leg.state is State.REVERSED else (leg.code, leg.answer)
        self.links[arrival.link].respond(arrival.message.reply(code, extra), arrival.connection, turn)

    def _new(self, arrival: Arrival, names: Names, now: float, turn: Turn) -> None:
        message = arrival.message
        leg = Leg(names, arrival.link, message.mti, turn.at)
        leg.request, leg.connection = message, arrival.connection
        leg.elements = kept(message)
        self.legs.open(leg)
        if self.tombstones.covers(names):
            self._refused(leg, OVERTAKEN, turn)
            return
        key = CardKey(names.business)
        try:
            question = detokenise_request(message) if is_token(message.pan) else seal_request(message)
            if question is not None:
                # A value that fits its element may not fit the HSM's field: better refused here than inside the port.
                question.encode()
        except (RemoteProtocolError, LocalProtocolError):
            self._refused(leg, FORMAT_ERROR, turn)
            return
        if question is None:
            self._refused(leg, NO_CRYPTOGRAM, turn)
            return
        leg.see(Cause.REQUESTED)
        self._deadlines.set(leg, self.rules.leg_timeout_s, now)
        self._by_card[key] = leg
        turn.ask("hsm", key, question, self.rules.hsm_timeout_s)

    def _opened(self, leg: Leg, value: Any, now: float, turn: Turn) -> None:
        """Take the HSM's answer: forward, or refuse."""
        assert leg.request is not None
        if value is None or value.code != OK:
            self._refused(leg, MALFUNCTION if value is None else refusal_code(value.code), turn)
            return
        if is_token(leg.request.pan):
            leg.card, leg.pan, cvv2 = leg.request.pan, value.pan, value.cvv2
        else:
            leg.card, leg.pan, cvv2 = SEALED_PREFIX + value.sealed, leg.request.pan, ""
        leg.issuer = self.routes.link_of(leg.pan) or ""
        link = self.links.get(leg.issuer)
        if link is None:
            self._refused(leg, NO_ISSUER, turn)
            return
        message = issuer_request(leg.request, leg.pan, cvv2, turn.at)
        try:
            leg.key = link.request(message, self.rules.leg_timeout_s, now, turn)
        except LocalProtocolError as error:
            turn.note(leg.issuer, "unencodable", str(error))
            self._refused(leg, FORMAT_ERROR, turn)
            return
        if leg.key is None:
            self._refused(leg, INOPERATIVE, turn)
            return
        self._by_key[leg.issuer, leg.key] = leg
        leg.elements = kept(message)
        leg.see(Cause.OPENED)
        turn.store(leg_rows.TABLE, leg.row())

    def _refused(self, leg: Leg, code: str, turn: Turn) -> None:
        leg.see(Cause.REFUSED)
        self._end(leg, code, turn)

    # Answers

    def _answered(self, leg: Leg, answer: Message, turn: Turn) -> None:
        code = answer.response_code or MALFUNCTION
        is_withdrawn = leg.state is State.WITHDRAWN
        network_id = network_transaction_id(turn.at, self._network_ids.next(turn))
        leg.answer = returned(answer, leg.pan, leg.elements[15], network_id)
        if code not in APPROVED:
            leg.see(Cause.ISSUER_DECLINED)
            self._end(leg, code, turn)
            return
        leg.see(Cause.ISSUER_APPROVED)
        if is_withdrawn:
            self.saf.put(saf_reversal(leg, turn.at), turn)
            self._end(leg, OVERTAKEN, turn, extra={})
        else:
            self._end(leg, code, turn)

    def _silence(self, leg: Leg, turn: Turn) -> None:
        """Answer for an issuer, or an HSM, that did not answer in time, and undo what may have been done."""
        was_sent = leg.state is not State.OPENING
        leg.see(Cause.SILENCE)
        if was_sent:
            self.saf.put(saf_reversal(leg, turn.at), turn)
        self._end(leg, INOPERATIVE if was_sent else MALFUNCTION, turn)

    def _end(self, leg: Leg, code: str, turn: Turn, extra: dict[int, str] | None = None) -> None:
        """Store the outcome of a leg, answer whoever waits for it, and let go of what only memory may hold."""
        assert leg.request is not None
        leg.code = code
        turn.store(leg_rows.TABLE, leg.row())
        answer = leg.request.reply(code, leg.answer if extra is None else extra)
        self.links[leg.acquirer].respond(answer, leg.connection, turn)
        if leg.key is not None and self._by_key.pop((leg.issuer, leg.key), None) is not None:
            self.links[leg.issuer].forget(leg.key)
        self._by_card.pop(CardKey(leg.names.business), None)
        self.legs.close(leg)

    # Reversals

    def _reverse(self, arrival: Arrival, names: Names, turn: Turn, *, searched: bool) -> None:
        """Take a reversal over durably and answer at once; what it leads to depends on its original."""
        leg = self.legs.find(names)
        if leg is None and not self.tombstones.covers(names):
            if not searched:
                self.searches.start(arrival, names, turn)
                return
            self.tombstones.put(names, turn.at, turn)
        if leg is not None:
            self._withdraw(leg, arrival.message, turn)
        self._refuse(arrival, "00", turn)

    def _withdraw(self, leg: Leg, message: Message, turn: Turn) -> None:
        before = leg.state
        leg.see(Cause.REVERSAL)
        if before is State.OPENING:
            self._end(leg, OVERTAKEN, turn)
        elif leg.state is not before:
            if leg.state is State.REVERSED:
                self.saf.put(saf_reversal(leg, turn.at, message), turn)
            turn.store(leg_rows.TABLE, leg.row())

    def on_saf_due(self, entry: SafEntry, now: float, turn: Turn) -> None:
        """Open the card of a reversal whose turn has come."""
        turn.ask("hsm", SafKey(entry.identifier), reopen_request(entry.message), self.rules.hsm_timeout_s)

    def on_saf_ended(self, entry: SafEntry, answer: Message | None, now: float, turn: Turn) -> None:
        """Say in the trace how a reversal ended."""
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
            turn.note(entry.link, "saf dead", f"0420 {entry.message.stan}: the HSM refuses, {value.code}")
            self.saf.answered(identifier, refusal_code(value.code), now, turn)
        else:
            message = self.saf.sending(entry, turn)
            changes = {2: value.pan, 7: transmission_time(turn.at)}
            self.send_saf(entry, message.with_fields(changes), now, turn)

    def view(self) -> dict[str, Any]:
        """Return a summary for the control port: plain values, no card number."""
        return summary(self.links, self.legs, self.saf, searches=len(self.searches), tombstones=len(self.tombstones))
