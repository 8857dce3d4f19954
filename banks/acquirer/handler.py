"""How an acquirer passes an authorisation on, and how it takes a reversal over.

`authorise` and `reverse` read from top to bottom. What is sent has been committed as an intent in the same turn; what
is answered has been committed as its outcome in the same turn. An approval reaches the gateway only if nobody wants it
undone, and silence is never taken for a decline: it is answered 91 and owes the network a reversal.
"""

from __future__ import annotations

from banks.acquirer.books import NETWORK, TOKEN_BIN, AcquirerBooks
from banks.core import intents
from banks.core.intents import MERCHANT_LENGTH, TERMINAL_LENGTH, Intent, IntentRow, gateway_key
from banks.core.joins import Joins
from banks.core.merchants import Directory, Merchant
from iso import LocalProtocolError, Message, RemoteProtocolError
from iso.original import OriginalData
from iso.private import without_secrets
from node.core.conversations import Desk
from node.core.find import Find
from node.core.link import Arrival
from node.core.steps import NOT_SENT, UNKNOWN

APPROVING = frozenset({"00", "08", "10", "11"})
"""DE 39 values that approve. Source: shared facts, iso8583 3.4."""

_NEEDED = {"10": (2, 3, 4, 7, 11, 12, 13, 41, 42, 49), "40": (7, 11, 41, 90), "42": (7, 11, 41, 90)}
_OK, _FORMAT_ERROR, _INVALID, _UNSUPPORTED, _NOT_FOUND = "00", "30", "12", "40", "25"
_UNAVAILABLE, _MALFUNCTION = "91", "96"
_PASSED_ON = (14, 22, 25, 48)


class AcquirerHandler:
    """Answers the gateway's requests."""

    def __init__(self, books: AcquirerBooks, directory: Directory, desk: Desk, joins: Joins) -> None:
        self.books = books
        self.directory = directory
        self.desk = desk
        self.joins = joins

    async def answer(self, arrival: Arrival) -> Message | None:
        """Return the response to a request, or None if there is to be none."""
        request = arrival.message
        if arrival.link == NETWORK:
            # Networks may send requests of their own (file updates, chargebacks); this acquirer takes none.
            return request.reply(_UNSUPPORTED)
        refusal = unacceptable(request)
        if refusal is not None:
            return request.reply(refusal)
        return await (self.authorise(request) if request.mti_class == "1" else self.reverse(request))

    async def authorise(self, request: Message) -> Message | None:
        """Pass a 0100 on to the network and its outcome back. Repeats get the stored answer."""
        key = gateway_key(request.terminal, request.stan, request.transmitted)
        intent = self.books.memory.get(key)
        if intent is not None:
            return await self._again(intent, request)
        # In memory before the first await: a copy that comes meanwhile finds it and waits.
        intent = self.books.admit(request, self.desk.turn)
        if not await self._load(request.terminal, request.stan, request.transmitted):
            self.books.memory.forget(intent)
            self.joins.release(intent)
            return request.reply(_MALFUNCTION)
        if intent.row.state == intents.NEW:
            await self._decide(intent, request)
        self.joins.release(intent)
        return _reply(intent.row, request)

    async def reverse(self, request: Message) -> Message | None:
        """Take a 0400 or 0420 over durably and acknowledge it at once; the network is told by store-and-forward."""
        original = OriginalData.from_de90(request[90])
        key = gateway_key(request.terminal, original.stan, original.transmitted)
        if self.books.memory.get(key) is None and not await self._load(
            request.terminal, original.stan, original.transmitted
        ):
            return request.reply(_MALFUNCTION)
        intent, turn = self.books.memory.get(key), self.desk.turn
        if intent is None:
            self.books.bury(key, turn)
            return request.reply(_NOT_FOUND)
        if intent.is_open:
            self.books.wants_reversal(intent, turn)
        elif intent.row.state == intents.APPROVED:
            self.desk.put_saf(self.books.owe_reversal(intent, intents.REVERSED, intent.row.code, turn))
        # Declined: nothing to undo. Unknown or reversed: the network's 0420 exists already.
        return request.reply(_OK, {37: intent.row.rrn or None})

    async def _decide(self, intent: Intent, request: Message) -> None:
        """Take an intent from new to its outcome."""
        books, turn = self.books, self.desk.turn
        if intent.key in books.tombstones or intent.row.wants_reversal:
            return books.settle(intent, intents.DECLINED, _UNAVAILABLE, turn)
        merchant = self.directory.admit(request.merchant, request.terminal)
        if isinstance(merchant, str):
            return books.settle(intent, intents.DECLINED, merchant, turn)
        books.sending(
            intent,
            turn,
            token=request.pan if request.pan.startswith(TOKEN_BIN) else "",
            mcc=merchant.mcc,
            country=books.rules.country_code,
            name_location=merchant.name_location(),
        )
        try:
            message = self._network_request(intent.row, request, merchant)
            outcome = await self.desk.request(NETWORK, message, books.rules.network_timeout_s)
        except LocalProtocolError:
            return books.settle(intent, intents.DECLINED, _FORMAT_ERROR, turn)
        return self._conclude(intent, outcome)

    def _conclude(self, intent: Intent, outcome: object) -> None:
        books, turn = self.books, self.desk.turn
        if outcome is NOT_SENT:
            return books.settle(intent, intents.DECLINED, _UNAVAILABLE, turn)
        if not isinstance(outcome, Message):
            return self.desk.put_saf(books.owe_reversal(intent, intents.UNKNOWN, _UNAVAILABLE, turn))
        code = outcome.response_code
        if code not in APPROVING:
            # A code that is not known here is the gateway's to judge: it is passed on as it is.
            return books.settle(
                intent, intents.DECLINED, code or _MALFUNCTION, turn, private=_storable(outcome.get(48))
            )
        intent.row = intent.row._replace(
            authorisation_code=outcome.authorisation_code,
            amount_minor=outcome.amount_minor or intent.row.amount_minor,
        )
        if intent.row.wants_reversal:
            return self.desk.put_saf(books.owe_reversal(intent, intents.REVERSED, _UNAVAILABLE, turn))
        return books.settle(
            intent,
            intents.APPROVED,
            code,
            turn,
            private=_storable(outcome.get(48)),
            settlement_date=outcome.get(15) or "",
        )

    async def _again(self, intent: Intent, request: Message) -> Message | None:
        if intent.is_open and not await self.joins.wait(intent, self.books.rules.network_timeout_s):
            return None
        return None if intent.is_open else _reply(intent.row, request)

    async def _load(self, terminal: str, stan: str, transmitted: str) -> bool:
        """Bring a stored intent back into memory; False if the journal is silent."""
        if self.books.memory.is_complete:
            return True
        where = {"terminal": terminal, "gateway_stan": stan, "gateway_time": transmitted}
        rows = await self.desk.ask("journal", Find(intents.INTENTS, where), self.books.rules.journal_timeout_s)
        if rows is UNKNOWN:
            return False
        for row in rows:
            self.books.recall(row)
        return True

    def _network_request(self, row: IntentRow, request: Message, merchant: Merchant) -> Message:
        fields = {
            2: request.pan,
            3: row.processing_code,
            4: f"{row.amount_minor:012d}",
            7: row.network_time,
            11: row.stan,
            12: row.local_time,
            13: row.local_date,
            18: row.mcc,
            19: row.country,
            32: self.books.rules.acquirer_id,
            37: row.rrn,
            41: row.terminal.ljust(TERMINAL_LENGTH),
            42: merchant.identifier.ljust(MERCHANT_LENGTH),
            43: row.name_location,
            49: row.currency,
        }
        fields.update({element: request[element] for element in _PASSED_ON if element in request})
        return Message("0100", fields)


def unacceptable(request: Message) -> str | None:
    """Return the DE 39 for a request that cannot even be looked at, or None if it can.

    40: a function that this acquirer does not have; 12: an unknown MTI; 30: an element is missing or unreadable.
    """
    needed = _NEEDED.get(request.mti[1:3])
    if needed is None:
        return _UNSUPPORTED if request.mti_class in ("1", "2") else _INVALID
    if any(element not in request for element in needed):
        return _FORMAT_ERROR
    if request.mti_class == "4":
        if 95 in request:
            return _UNSUPPORTED
        try:
            OriginalData.from_de90(request[90])
        except RemoteProtocolError:
            return _FORMAT_ERROR
    return None


def _reply(row: IntentRow, request: Message) -> Message:
    """Build the 0110: the request's own trace numbers come back by `reply`."""
    if row.state in (intents.UNKNOWN, intents.REVERSED):
        # Undone, or about to be: whoever asks again must never see an approval.
        return request.reply(_UNAVAILABLE, {37: row.rrn or None})
    extra: dict[int, str | None] = {
        15: row.settlement_date or None,
        37: row.rrn or None,
        38: row.authorisation_code or None,
        48: row.private or None,
    }
    if row.state == intents.APPROVED:
        extra[4] = f"{row.amount_minor:012d}"
    return request.reply(row.code, extra)


def _storable(private: str | None) -> str:
    """Return DE 48 without what must not be stored; a foreign layout is dropped."""
    try:
        return without_secrets(private or "")
    except RemoteProtocolError:
        return ""
