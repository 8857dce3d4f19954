"""The balance and what changed it: what the acquirer's ledger says, asked when somebody looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from gateway.core import balance
from gateway.core.books import Books
from gateway.core.claims import Answer
from gateway.core.errors import API_ERROR, ApiError, no_such
from gateway.core.events import Cause
from gateway.core.records_account import AccountRow
from gateway.core.records_money import BalanceTransaction
from gateway.core.render_money import balance as balance_shape
from gateway.core.render_money import balance_transaction
from gateway.handlers.context import Call, Ports, UnaskedError, listed, paged, shown
from gateway.handlers.waiting import of_account, until_worked

KIND = "balance_transaction"
_FILTERS = ("currency", "source", "type")


async def retrieve(ports: Ports, call: Call) -> Answer:
    """Return what the acquirer holds for the merchant, after everything that is on its way there."""
    await until_worked(ports, of_account(call.account.id))
    holdings = await ports.bank.holdings(call.account.merchant)
    if holdings is None:
        raise _silent("The acquirer did not say what it holds. Please try again.")

    def work(books: Books) -> Answer:
        account = books.get(AccountRow, call.account.id)
        assert account is not None, "a caller's key belongs to an account"
        return shown(books, call, balance_shape(holdings, account.currency))

    return await ports.store.read(work)


async def retrieve_transaction(ports: Ports, call: Call) -> Answer:
    """Return what one capture or refund did to the balance."""
    name = call.identifiers[0]
    await ask_bank(ports, call, [name])

    def work(books: Books) -> Answer:
        row = books.get(BalanceTransaction, name)
        if row is None or row.account != call.account.id:
            raise no_such("balance transaction", name)
        shape = balance_transaction(row)
        if shape is None:
            raise _silent("The acquirer has not said yet how it booked this. Please try again.")
        return shown(books, call, shape)

    return await ports.store.read(work)


async def list_transactions(ports: Ports, call: Call) -> Answer:
    """List what captures and refunds did to the balance; what the acquirer has not told is left out."""
    where = {name: call.params[name] for name in _FILTERS if name in call.params}
    await until_worked(ports, of_account(call.account.id))
    rows, _ = await ports.store.read(lambda books: paged(books, call, BalanceTransaction, where, KIND))
    await ask_bank(ports, call, [row.id for row in rows])
    return await ports.store.read(
        lambda books: listed(books, call, BalanceTransaction, where, balance_transaction, KIND)
    )


async def ask_bank(ports: Ports, call: Call, names: Collection[str]) -> None:
    """Ask the acquirer how it booked balance transactions, as far as that is not known; keep what it says.

    A balance transaction of a message that is on its way is waited for, for a moment. If the acquirer is silent,
    nothing changes.
    """
    account, owner = call.account.id, Cause(call.account.id, ports.created(), ports.now().seed)

    def known(books: Books) -> bool:
        rows = [books.get(BalanceTransaction, name) for name in names]
        return all(row is not None and row.is_booked for row in rows)

    if await ports.store.read(known):
        return
    await until_worked(ports, of_account(account))
    open_ones = await ports.store.read(lambda books: balance.unbooked(books, account, names))
    rrns = {send.rrn for _, send in open_ones if send.rrn is not None}
    told = await ports.bank.bookings(rrns) if rrns else None
    if told:
        await ports.store.write(lambda books: balance.book(books, account, told, names, owner))


def asks_for_balance(call: Call) -> bool:
    """Whether a request wants to see a balance transaction in the place of its id."""
    return any(KIND in (path or "").split(".") for path in call.params.get("expand") or ())


async def informed(ports: Ports, call: Call, handler: Callable[[Ports, Call], Awaitable[Answer]]) -> Answer:
    """Carry out a request that only reads and wants to see balance transactions: the acquirer is asked about them."""
    try:
        return await handler(ports, call._replace(asks_bank=True))
    except UnaskedError as error:
        names = error.names
    await ask_bank(ports, call, names)
    return await handler(ports, call)


def _silent(message: str) -> ApiError:
    return ApiError(503, message, kind=API_ERROR)
