"""How an issuer answers: facts from its HSM, one pure decision, the hold, the rows, the reply.

`answer` reads from top to bottom. Between the last await of a conversation and its reply nothing else can happen in
the node, so decision, hold and rows belong to one step: two requests on one account never both see the same money.
"""

from __future__ import annotations

from banks.core.billing import billed
from banks.core.cards import Card, account_name
from banks.core.decide import CODES, Asked, Facts, Reason, Verdict, decide
from banks.core.identity import business_key, original_name, own_name, payment_name
from banks.core.joins import Joins
from banks.core.requests import (
    APPROVED,
    DECIDING,
    DECLINED,
    REQUESTS,
    REVERSED,
    TAKEN,
    RequestRow,
    TakenRequest,
    authorisation_code,
)
from banks.issuer.books import IssuerBooks
from banks.issuer.facts import Holder, find_holder
from banks.ledger import Outcome
from iso import Message, RemoteProtocolError
from iso.private import CVV2_RESULT, build_private, parse_private
from node.core.conversations import Desk
from node.core.find import Find
from node.core.link import Arrival
from node.core.steps import UNKNOWN, Reply

APPROVING = frozenset({"00", "08", "10", "11"})
"""DE 39 values that approve. Source: shared facts, iso8583 3.4."""

_NEEDED = {
    "10": (2, 3, 4, 7, 11, 49),
    "12": (2, 3, 4, 7, 11, 39, 49),
    "40": (7, 11),
    "42": (7, 11),
}
_FORMAT_ERROR, _INVALID, _UNSUPPORTED, _MALFUNCTION = "30", "12", "40", "96"
_SAME_PAYMENT_MAX = 8


class IssuerHandler:
    """Answers the network's requests."""

    def __init__(self, books: IssuerBooks, desk: Desk, joins: Joins) -> None:
        self.books = books
        self.desk = desk
        self.joins = joins
        self._patience_s = books.rules.answer_timeout_s

    async def answer(self, arrival: Arrival) -> Message | None:
        """Return the response to a request, or None if there is to be none."""
        request = arrival.message
        refusal = unacceptable(request)
        if refusal is not None:
            return request.reply(refusal)
        key = business_key(request)
        taken = self.books.memory.get(key)
        if taken is None:
            return await self._first(key, request)
        if taken.is_deciding:
            if not await self.joins.wait(taken, self._patience_s):
                return None
            taken = self.books.memory.get(key)
        return None if taken is None else _reply(taken.row, request)

    async def _first(self, key: str, request: Message) -> Message | None:
        # In memory before the first await: a copy that comes meanwhile finds it and waits.
        taken = TakenRequest(_undecided(key, request))
        self.books.memory.add(taken)
        if not await self._load(taken, "key", key):
            self._abandon(taken)
            return request.reply(_MALFUNCTION)
        if not taken.is_deciding:
            self.books.unpin(taken)
            self.joins.release(taken)
            return _reply(taken.row, request)
        function = request.mti[1:3]
        if function == "10":
            decided = await self._authorise(taken, request)
        elif function == "12":
            decided = await self._advise(taken, request)
        else:
            decided = await self._reverse(taken, request)
        if decided is None:
            self._abandon(taken)
            return request.reply(_MALFUNCTION)
        self.books.settle(taken, decided, self.desk.turn)
        answer = _reply(decided, request)
        self.joins.release(taken)
        return await self._scripted(taken, answer) if function == "10" else answer

    # The three things a network asks for. Each returns the settled row, or None to be asked again.

    async def _authorise(self, taken: TakenRequest, request: Message) -> RequestRow | None:
        holder = await find_holder(self.desk, self.books, request)
        books, turn = self.books, self.desk.turn
        card = books.cards.get(holder.fingerprint)
        amount_minor, currency = billed(request)
        account = account_name(card.account, currency) if card else ""
        entry = books.ledger.accounts.get(account)
        facts = Facts(
            at=turn.at,
            is_overtaken=not books.tombstones.isdisjoint(taken.names()),
            is_known=holder.is_known,
            cvv2=holder.cvv2,
            has_cvv2=holder.has_cvv2,
            available_minor=entry.available_minor if entry else None,
        )
        asked = Asked(request.processing_code, amount_minor, request.get(14) or "")
        verdict = decide(facts, card, asked)
        row = taken.row._replace(
            sequence=books.count(REQUESTS, turn),
            card=holder.fingerprint,
            account=account,
            state=APPROVED if verdict.approves else DECLINED,
            code=verdict.code,
            reason=verdict.reason.name,
            cvv2_result=holder.cvv2,
            at=turn.at.isoformat(),
        )
        return self._granted(row, card, verdict) if card and verdict.approves else row

    def _granted(self, row: RequestRow, card: Card, verdict: Verdict) -> RequestRow:
        turn = self.desk.turn
        code = authorisation_code(self.books.count("approvals", turn))
        if card.velocity_max >= 0:
            self.books.put_card(card.after_approval(turn.at), turn)
        hold = self._hold(row, forced=False) if verdict.reason is Reason.APPROVED else ""
        return row._replace(authorisation_code=code, hold=hold)

    async def _advise(self, taken: TakenRequest, request: Message) -> RequestRow | None:
        """Book what stand-in has promised, unless the hold it promised is there already."""
        name = original_name(request) or own_name(request)
        if not await self._load_payment(taken, request, name):
            return None
        for original in self._originals(request, name):
            is_request = original.row.mti[1:3] == "10"
            if is_request and original.is_deciding and not await self.joins.wait(original, self._patience_s):
                return None
        holder = await find_holder(self.desk, self.books, request)
        books, turn = self.books, self.desk.turn
        # An advice takes the place of its original: a reversal of either finds it.
        books.memory.forget(taken)
        taken.row = taken.row._replace(original=name)
        books.memory.add(taken)
        row = taken.row._replace(
            sequence=books.count(REQUESTS, turn),
            card=holder.fingerprint,
            state=TAKEN,
            code="00",
            at=turn.at.isoformat(),
        )
        originals = self._originals(request, name)
        states = {original.row.state for original in originals}
        if REVERSED in states or name in books.tombstones or row.own in books.tombstones:
            return row._replace(reason="settled before")
        if (request.get(39) or "") in APPROVING and APPROVED not in states and not holder.is_known:
            # An advice is never refused for good because the HSM is silent now: it is asked for again.
            return None
        self._bury_late(originals, name)
        if (request.get(39) or "") not in APPROVING:
            return row._replace(reason="declined in stand-in")
        if APPROVED in states:
            return row._replace(reason="confirms a hold")
        return self._promised(row, request, holder)

    def _promised(self, row: RequestRow, request: Message, holder: Holder) -> RequestRow:
        card = self.books.cards.get(holder.fingerprint)
        if card is None:
            return row._replace(state=DECLINED, code=CODES[Reason.NO_CARD], reason=Reason.NO_CARD.name)
        account = account_name(card.account, row.currency)
        if account not in self.books.ledger.accounts:
            return row._replace(state=DECLINED, code=CODES[Reason.NO_ACCOUNT], reason=Reason.NO_ACCOUNT.name)
        row = row._replace(account=account, state=APPROVED, reason="promised in stand-in")
        return row._replace(hold=self._hold(row, forced=True)) if row.amount_minor else row

    async def _reverse(self, taken: TakenRequest, request: Message) -> RequestRow | None:
        """Void what the original holds, or leave a tombstone that declines it if it comes later."""
        name = original_name(request)
        if not await self._load_payment(taken, request, name):
            return None
        books, turn = self.books, self.desk.turn
        originals = self._originals(request, name)
        self._bury_late(originals, name)
        for original in originals:
            if original.row.state == APPROVED:
                if original.row.hold:
                    books.ledger.void(original.row.hold, request.rrn, turn)
                books.change(original, REVERSED, turn)
        return taken.row._replace(
            sequence=books.count(REQUESTS, turn),
            state=TAKEN,
            code="00",
            reason="reversed" if originals else "came before its original",
            at=turn.at.isoformat(),
        )

    # What they share.

    def _bury_late(self, originals: list[TakenRequest], name: str) -> None:
        """Decline whatever of these is still to be decided, or is still to come."""
        for original in originals:
            if original.is_deciding:
                self.books.bury(original.row.own, self.desk.turn)
        if all(original.is_deciding for original in originals):
            self.books.bury(name, self.desk.turn)

    def _hold(self, row: RequestRow, *, forced: bool) -> str:
        identifier = f"h{row.sequence}"
        outcome = self.books.ledger.hold(
            identifier,
            row.account,
            row.amount_minor,
            self.books.rules.hold_s,
            row.payment or row.own,
            self.desk.turn,
            forced=forced,
        )
        assert outcome is Outcome.DONE, "what was decided in this step can be held in this step"
        return identifier

    def _originals(self, request: Message, name: str) -> list[TakenRequest]:
        memory = self.books.memory
        found = [taken for taken in memory.named(name) if taken.row.mti[1] == "1"]
        if not found:
            same = memory.named(payment_name(request))
            found = [taken for taken in same if taken.row.mti[1] == "1" and _same_amount(taken, request)]
        mine = business_key(request)
        return [taken for taken in found if taken.key != mine]

    async def _load_payment(self, taken: TakenRequest, request: Message, name: str) -> bool:
        for column, value in (("own", name), ("original", name), ("payment", payment_name(request))):
            if value and not await self._load(taken, column, value):
                return False
        for original in self._originals(request, name):
            self.books.pin(taken, original)
        return True

    async def _load(self, taken: TakenRequest, column: str, value: str) -> bool:
        """Bring stored requests back into memory until `taken` is settled; False if the journal is silent."""
        if self.books.memory.is_complete:
            return True
        find = Find(REQUESTS, {column: value}, limit=_SAME_PAYMENT_MAX)
        rows = await self.desk.ask("journal", find, self.books.rules.journal_timeout_s)
        if rows is UNKNOWN:
            return False
        for row in rows:
            self.books.pin(taken, self.books.recall(row))
        return True

    async def _scripted(self, taken: TakenRequest, answer: Message) -> Message | None:
        card = self.books.cards.get(taken.row.card)
        if card is not None and card.answer_after_ms:
            await Reply(("late on purpose", taken.key), card.answer_after_ms / 1000)
        return None if card is not None and not card.answers else answer

    def _abandon(self, taken: TakenRequest) -> None:
        self.books.abandon(taken)
        self.joins.release(taken)


def unacceptable(request: Message) -> str | None:
    """Return the DE 39 for a request that cannot even be looked at, or None if it can.

    40: a function that this issuer does not have (financial messages, partial reversals); 12: an unknown MTI; 30: an
    element is missing or unreadable.
    """
    needed = _NEEDED.get(request.mti[1:3])
    if needed is None:
        return _UNSUPPORTED if request.mti_class == "2" else _INVALID
    if any(element not in request for element in needed):
        return _FORMAT_ERROR
    if request.mti_class == "4" and 95 in request:
        return _UNSUPPORTED
    try:
        parse_private(request.get(48) or "")
        names_original = bool(original_name(request))
    except RemoteProtocolError:
        return _FORMAT_ERROR
    return _FORMAT_ERROR if request.mti_class == "4" and not names_original else None


def _undecided(key: str, request: Message) -> RequestRow:
    amount_minor, currency = billed(request)
    return RequestRow(
        key=key,
        sequence=0,
        mti=request.mti,
        own=own_name(request),
        payment=payment_name(request),
        original="",
        card="",
        account="",
        amount_minor=amount_minor,
        currency=currency,
        state=DECIDING,
        code="",
        reason="",
        authorisation_code="",
        cvv2_result="",
        hold="",
        at="",
    )


def _reply(row: RequestRow, request: Message) -> Message:
    if row.state == REVERSED and row.mti[1:3] == "10":
        # Its approval has been undone: a late repeat must not bring it back to life.
        return request.reply(CODES[Reason.OVERTAKEN])
    extra: dict[int, str | None] = {}
    if row.authorisation_code:
        extra[38] = row.authorisation_code
    if row.cvv2_result:
        extra[48] = build_private({CVV2_RESULT: row.cvv2_result})
    return request.reply(row.code, extra)


def _same_amount(taken: TakenRequest, request: Message) -> bool:
    return 4 not in request or taken.row.amount_minor == billed(request)[0]
