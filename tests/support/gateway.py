"""Builders for tests of the gateway: a shop's web application over scripted ports, and handlers stepped by hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

from gateway.api.app import build_app
from gateway.api.keys import KeyRing
from gateway.core.books import Books, Store
from gateway.core.claims import Ticket
from gateway.core.records import Record
from gateway.handlers.context import Account, Call, Ports, Timeouts
from gateway.memory import MemoryStore
from gateway.store import SqliteStore
from iso import Message
from iso.private import build_private
from node.core.steps import Silence
from tests.support.hsm import EPOCH, Hsm, seeded

T = TypeVar("T")

ACCOUNT = Account("acct_rails", "RAILSCOFFEE0001", "RAILS001")
OTHER_ACCOUNT = Account("acct_other", "OTHERSHOP000001", "OTHER001")
SECRET_KEY = "sk_test_" + "s" * 32
PUBLISHABLE_KEY = "pk_test_" + "p" * 32
OTHER_SECRET_KEY = "sk_test_" + "o" * 32
OTHER_PUBLISHABLE_KEY = "pk_test_" + "q" * 32
PAN = "4242424242424242"
CARD = {"number": PAN, "exp_month": 12, "exp_year": 2034, "cvc": "737"}

Answer = Message | Silence
Script = Callable[[Message], Answer]


def approved(message: Message, **private: str) -> Message:
    """Return the 0110 of an approval; `private` such as `t02="M"` gives tags of DE 48."""
    tags = {name.removeprefix("t"): value for name, value in {"t10": "123456789012345", **private}.items()}
    return message.reply("00", {37: f"607309{message.stan}", 38: "A1B2C3", 48: build_private(tags)})


def declined(code: str) -> Script:
    """Return a script that declines everything with one code."""
    return lambda message: message.reply(code, {37: f"607309{message.stan}"})


class ScriptedAcquirer:
    """The acquirer's end of the port: answers by a script and remembers what it was asked."""

    def __init__(self, script: Script = approved) -> None:
        self.script = script
        self.reversal_script: Script = lambda message: message.reply("00")
        self.seen: list[Message] = []
        self.meanwhile: Callable[[], None] = lambda: None

    async def request(self, message: Message, timeout_s: float) -> Answer:
        """Answer one message."""
        self.seen.append(message)
        self.meanwhile()
        return self.script(message) if message.mti_class == "1" else self.reversal_script(message)

    def sent(self, mti: str) -> list[Message]:
        """Return the messages of one type."""
        return [message for message in self.seen if message.mti == mti]


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
        self.ports = Ports(
            store=self.store,
            hsm=self.hsm,
            acquirer=self.acquirer,
            business=lambda: self.business_at,
            wall=lambda: self.wall_at,
            entropy=seeded("gateway"),
            timeouts=Timeouts(),
            owed=self._owe,
            under_way=set(),
        )
        keys = (
            (ACCOUNT, SECRET_KEY, PUBLISHABLE_KEY),
            (OTHER_ACCOUNT, OTHER_SECRET_KEY, OTHER_PUBLISHABLE_KEY),
        )
        self.app = build_app(self.ports, KeyRing(keys), body_max_bytes=20_000)

    def pass_time(self, seconds: float) -> datetime:
        """Let both clocks go on."""
        self.wall_at += timedelta(seconds=seconds)
        self.business_at += timedelta(seconds=seconds)
        return self.wall_at

    def _owe(self) -> None:
        self.owed += 1

    def rows(self) -> list[Record]:
        """Return every row of a memory store."""
        assert isinstance(self.store, MemoryStore)
        return [row for table in self.store.books.rows.values() for row in table.values()]


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


def payment(**form: Any) -> dict[str, Any]:
    """Return the form of a payment that is confirmed at once."""
    return {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **form}


@contextmanager
def open_shop(database: Path | None = None) -> Iterator[Shop]:
    """Open a shop on a memory store, or on a SQLite file."""
    with start_blocking_portal() as portal:
        store: Store = MemoryStore() if database is None else SqliteStore(database)
        try:
            yield Shop(Gateway(store), portal)
        finally:
            portal.call(store.aclose)
