"""Builders for tests of the gateway: a shop's web application over scripted ports, and handlers stepped by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway.api.app import build_app
from gateway.api.keys import KeyRing
from gateway.config import GatewayMerchant
from gateway.core.accounts import seed
from gateway.core.bank import Booking, BookingFees, BookingKey, Enrolment, Holding, Verdict
from gateway.core.books import Books, Store
from gateway.core.claims import Ticket
from gateway.core.obligations import micros
from gateway.core.records import Record
from gateway.core.records_account import AccountRow, ApiKey, Event
from gateway.handlers.context import Account, Call, Ports, Timeouts
from gateway.memory import MemoryStore
from gateway.request_log import LoggedHsm, RequestLog
from gateway.store import SqliteStore
from iso import Message
from iso.private import build_private
from node.core.steps import Silence
from tests.support.hsm import EPOCH, Hsm, seeded
from tests.support.oracle import Oracle

T = TypeVar("T")

ACCOUNT = Account("acct_rails", "RAILSCOFFEE0001", "RAILS001")
OTHER_ACCOUNT = Account("acct_other", "OTHERSHOP000001", "OTHER001")
SECRET_KEY = "sk_test_" + "s" * 32
PUBLISHABLE_KEY = "pk_test_" + "p" * 32
OTHER_SECRET_KEY = "sk_test_" + "o" * 32
OTHER_PUBLISHABLE_KEY = "pk_test_" + "q" * 32
PAN = "4242424242424242"
CARD = {"number": PAN, "exp_month": 12, "exp_year": 2034, "cvc": "737"}


def _merchant(account: Account, secret: str, publishable: str, *, is_platform: bool) -> GatewayMerchant:
    return GatewayMerchant(
        account=account.id,
        name="Rails Coffee" if is_platform else "Other Shop",
        merchant=account.merchant,
        terminal=account.terminal,
        country="US",
        currency="usd",
        secret_key=secret,
        publishable_key=publishable,
        mcc="5814",
        is_platform=is_platform,
    )


MERCHANTS = (
    _merchant(ACCOUNT, SECRET_KEY, PUBLISHABLE_KEY, is_platform=True),
    _merchant(OTHER_ACCOUNT, OTHER_SECRET_KEY, OTHER_PUBLISHABLE_KEY, is_platform=False),
)

Answer = Message | Silence
Script = Callable[[Message], Answer]


def approved(message: Message, **private: str) -> Message:
    """Return the 0110 of an approval; `private` such as `t02="M"` gives tags of DE 48."""
    tags = {name.removeprefix("t"): value for name, value in {"t10": "123456789012345", **private}.items()}
    return message.reply("00", {37: f"607309{message.stan}", 38: "A1B2C3", 48: build_private(tags)})


def accepted(message: Message) -> Answer:
    """Return the acknowledgement of an advice, or the approval of a refund."""
    return message.reply("00", {37: message.get(37) or f"607309{message.stan}"})


def declined(code: str) -> Script:
    """Return a script that declines everything with one code."""
    return lambda message: message.reply(code, {37: f"607309{message.stan}"})


class ScriptedAcquirer:
    """The acquirer's end of the port: answers by a script and remembers what it was asked."""

    def __init__(self, script: Script = approved) -> None:
        self.script = script
        self.reversal_script: Script = accepted
        self.capture_script: Script = accepted
        self.refund_script: Script = accepted
        self.seen: list[Message] = []
        self.answers: list[tuple[Message, Answer]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def request(self, message: Message, timeout_s: float) -> Answer:
        """Answer one message."""
        self.seen.append(message)
        self.meanwhile()
        answer = self.script_for(message)(message)
        self.answers.append((message, answer))
        return answer

    def script_for(self, message: Message) -> Script:
        """Return what answers this kind of message."""
        if message.mti_class == "2":
            return self.capture_script if message.mti.startswith("022") else self.refund_script
        return self.script if message.mti_class == "1" else self.reversal_script

    def sent(self, mti: str) -> list[Message]:
        """Return the messages of one type."""
        return [message for message in self.seen if message.mti == mti]


def fees_of(amount: int) -> BookingFees:
    """Return what the scripted bank takes of a capture."""
    return BookingFees(amount * 15 // 1000 + 10, amount * 15 // 10_000 + 2, amount * 125 // 10_000 + 18)


class ScriptedBank:
    """The acquirer's control port: agrees, or says what the test tells it to, and remembers what it was asked.

    It has booked whatever the scripted acquirer has accepted.
    """

    def __init__(self, acquirer: ScriptedAcquirer) -> None:
        self.acquirer = acquirer
        self.is_silent = False
        self.asked: list[set[str]] = []
        self.verdict: Verdict | None = Verdict(is_done=True)
        self.enrolled: list[Enrolment] = []
        self.changed: list[tuple[str, dict[str, str]]] = []

    async def enrol(self, enrolment: Enrolment) -> Verdict | None:
        """Take a merchant on."""
        self.enrolled.append(enrolment)
        return self.verdict

    async def change_merchant(self, merchant: str, changes: Mapping[str, str]) -> Verdict | None:
        """Change a merchant."""
        self.changed.append((merchant, dict(changes)))
        return self.verdict

    async def holdings(self, merchant: str) -> list[Holding] | None:
        """Return what was captured and not refunded, less the fees."""
        if self.is_silent:
            return None
        sums: dict[str, int] = {}
        for message, booking in self.booked():
            if message.merchant.strip() == merchant:
                net = -booking.amount if message.mti[1:3] == "20" else booking.amount - sum(booking.fees)
                sums[message.currency] = sums.get(message.currency, 0) + net
        return [Holding(currency, pending, 0) for currency, pending in sums.items()]

    async def bookings(self, rrns: Collection[str]) -> list[Booking] | None:
        """Return the bookings of payments."""
        self.asked.append(set(rrns))
        return None if self.is_silent else [booking for message, booking in self.booked() if message.rrn in rrns]

    def close(self) -> None:
        """Do nothing."""

    def booked(self) -> list[tuple[Message, Booking]]:
        """Return each capture and refund that was accepted, once."""
        found: dict[BookingKey, tuple[Message, Booking]] = {}
        for message, answer in self.acquirer.answers:
            if message.mti_class != "2" or isinstance(answer, Silence) or answer.response_code != "00":
                continue
            key = BookingKey(message.terminal.strip(), message.stan, message.transmitted)
            is_refund = message.mti[1:3] == "20"
            fees = BookingFees() if is_refund else fees_of(message.amount_minor)
            found[key] = (message, Booking(key, f"7400001607300000{message.stan}7", message.amount_minor, fees))
        return list(found.values())


class EngineHsm:
    """The gateway's party of a real HSM engine; `is_silent` loses every answer."""

    def __init__(self) -> None:
        self.hsm = Hsm()
        self.is_silent = False
        self.asked: list[Any] = []

    async def call(self, request: Any, timeout_s: float) -> Any:
        """Ask the engine."""
        self.asked.append(request)
        return None if self.is_silent else self.hsm.ask("gateway", request)


class Gateway:
    """Ports with scripted neighbours, a store, and clocks that only tests move."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.acquirer = ScriptedAcquirer()
        self.hsm = EngineHsm()
        self.business_at = EPOCH
        self.wall_at = EPOCH
        self.owed = 0
        self.bank = ScriptedBank(self.acquirer)
        self.keys = KeyRing(self.store, lambda: self.wall_at, seeded("keys"), bytes(32))
        self.requests = RequestLog(lambda: self.business_at)
        self.ports = Ports(
            store=self.store,
            hsm=LoggedHsm(self.hsm),
            acquirer=self.acquirer,
            business=lambda: self.business_at,
            wall=lambda: self.wall_at,
            entropy=seeded("gateway"),
            timeouts=Timeouts(),
            owed=self._owe,
            under_way=set(),
            bank=self.bank,
            keys_changed=self.keys.forget,
        )
        if isinstance(self.store, MemoryStore):
            step(self.seed())

    @cached_property
    def app(self) -> Any:
        """The web application, built when it is first asked for."""
        return build_app(self.ports, self.keys, body_max_bytes=20_000, requests=self.requests)

    async def seed(self) -> None:
        """Write down the two merchants and their keys; the first one is a platform."""
        created, now = self.ports.created(), micros(self.ports.wall())
        seeds = [merchant.seed(created, now) for merchant in MERCHANTS]
        await self.store.write(lambda books: seed(books, seeds))

    def pass_time(self, seconds: float) -> datetime:
        """Let both clocks go on."""
        self.wall_at += timedelta(seconds=seconds)
        self.business_at += timedelta(seconds=seconds)
        return self.wall_at

    def _owe(self) -> None:
        self.owed += 1

    def rows(self) -> list[Record]:
        """Return every row of a memory store but the merchants and keys that it was seeded with."""
        assert isinstance(self.store, MemoryStore)
        rows = [row for table in self.store.books.rows.values() for row in table.values()]
        return [row for row in rows if not isinstance(row, AccountRow | ApiKey)]


def call(
    params: Mapping[str, Any] | None = None,
    *identifiers: str,
    key: str | None = None,
    digest: str = "same",
    account: Account = ACCOUNT,
) -> Call:
    """Return an authenticated call, as the web application would hand it to a handler."""
    ticket = Ticket(account.id, key, digest, "req_1")
    return Call(account, ticket, "t" * 32, identifiers, params or {}, "/v1/test")


def step(conversation: Coroutine[Any, Any, T]) -> T:
    """Run a handler whose ports answer at once: no event loop takes part."""
    try:
        conversation.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    conversation.close()
    raise AssertionError("the handler waited for something that is not a port")


def written(store: Store, work: Callable[[Books], T]) -> T:
    """Run a unit of work on a store that never suspends."""
    return step(store.write(work))


class Shop:
    """A blocking HTTP client of a gateway's application; everything runs in one event loop in a thread."""

    def __init__(self, gateway: Gateway, portal: BlockingPortal) -> None:
        self.gateway = gateway
        self.portal = portal
        self.answers: list[httpx.Response] = []
        self.oracle = Oracle()

    def post(self, path: str, form: Mapping[str, Any] | str = "", **headers: str) -> httpx.Response:
        """Send a form with the secret key; a header is given as `idempotency_key="..."`."""
        return self.send("POST", path, form, **headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Get with the secret key."""
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, form: Mapping[str, Any] | str = "", **headers: str) -> httpx.Response:
        """Send one request."""
        return self.send_all([(method, path, form, headers)])[0]

    def send_all(
        self, requests: list[tuple[str, str, Mapping[str, Any] | str, dict[str, str]]]
    ) -> list[httpx.Response]:
        """Send requests at once; return their answers in order."""
        answers: list[httpx.Response] = self.portal.call(_send_all, self.gateway.app, requests)
        self.answers += answers
        for answer in answers:
            self.oracle.see(f"{answer.request.method} {answer.request.url}", answer.status_code, answer.content)
        return answers

    def paid(self, **form: Any) -> dict[str, Any]:
        """Create and confirm a payment; return the body of the answer."""
        body: dict[str, Any] = self.post("/v1/payment_intents", payment(**form)).json()
        return body


async def _send_all(
    app: Any, requests: list[tuple[str, str, Mapping[str, Any] | str, dict[str, str]]]
) -> list[httpx.Response]:
    import anyio

    answers: dict[int, httpx.Response] = {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:

        async def one(index: int, method: str, path: str, form: Any, headers: dict[str, str]) -> None:
            named = {"authorization": f"Bearer {SECRET_KEY}"}
            named |= {name.replace("_", "-"): value for name, value in headers.items()}
            content: dict[str, Any] = {}
            if isinstance(form, str | bytes) and form:
                content = {"content": form}
                named.setdefault("content-type", "application/x-www-form-urlencoded")
            elif form:
                content = {"data": flat(form)}
            answers[index] = await client.request(method, path, headers=named, **content)

        async with anyio.create_task_group() as tasks:
            for index, request in enumerate(requests):
                tasks.start_soon(one, index, *request)
    return [answers[index] for index in range(len(requests))]


def flat(form: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested form with bracketed names, as the SDKs send it."""
    pairs: dict[str, str] = {}
    for name, value in form.items():
        path = f"{prefix}[{name}]" if prefix else str(name)
        if isinstance(value, Mapping):
            pairs |= flat(value, path)
        elif isinstance(value, list):
            pairs |= flat(dict(enumerate(value)), path)
        else:
            pairs[path] = str(value).lower() if isinstance(value, bool) else str(value)
    return pairs


async def all_events(store: Store) -> list[Event]:
    """Return every event that was written, oldest first."""
    return await store.read(lambda books: books.find(Event, {}))


def check_events(store: Store) -> None:
    """Let the type oracle look at every event of a store that never suspends."""
    oracle = Oracle()
    oracle.see_events(step(all_events(store)))
    oracle.verdict()


def payment(**form: Any) -> dict[str, Any]:
    """Return the form of a payment that is confirmed at once."""
    return {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **form}


@contextmanager
def open_shop(database: Path | None = None) -> Iterator[Shop]:
    """Open a shop on a memory store, or on a SQLite file."""
    with start_blocking_portal() as portal:
        store: Store = MemoryStore() if database is None else SqliteStore(database)
        try:
            gateway = Gateway(store)
            portal.call(gateway.seed)
            shop = Shop(gateway, portal)
            yield shop
            shop.oracle.see_events(portal.call(all_events, store))
            shop.oracle.verdict()
        finally:
            portal.call(store.aclose)
