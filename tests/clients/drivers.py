"""The official clients behind one small interface, so that every test runs with each of them.

An operation is named as in the API reference (`payment_intents.create`), whatever the client calls it. Answers are
plain JSON; what the client raises becomes `Refused`. Every answer goes past the type oracle.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
import stripe
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.support.oracle import Oracle
from tests.support.programs import require
from tests.support.sdk import Watched, WatchedAsync

NODE_FOLDER = Path(__file__).parent / "node"
ANSWER_WITHIN_S = 30.0
RETRIES = 2
HTTPX_WARNING = "ignore:Use 'content=:DeprecationWarning"
"""The asynchronous SDK hands its body to httpx in a way that httpx is about to drop."""


class Told(NamedTuple):
    """What a client was answered: the object, and its headers in lower case."""

    object: dict[str, Any]
    headers: dict[str, str]


class Refused(Exception):
    """What a client raised: the kind without its prefix or suffix, the HTTP status, and the error's members."""

    def __init__(self, kind: str, status: int | None, error: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(f"{kind} {status}: {error.get('message')}")
        self.kind = kind.removeprefix("Stripe").removesuffix("Error")
        self.status = status
        self.error = dict(error)
        self.headers = _lower(headers)


class Driver(Protocol):
    """An official client."""

    def tell(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> Told:
        """Call an operation; `key` is the idempotency key. Raises Refused."""

    def all(self, operation: str, **params: Any) -> list[dict[str, Any]]:
        """Return every item of a list or search, page after page, as the client walks through them."""


class Shop:
    """A shop that uses one of the clients."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.all = driver.all
        self.tell = driver.tell

    def ask(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> dict[str, Any]:
        """Return the object that an operation answers."""
        return self.driver.tell(operation, *identifiers, key=key, **params).object

    def refused(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> Refused:
        """Return how an operation was refused."""
        with pytest.raises(Refused) as caught:
            self.driver.tell(operation, *identifiers, key=key, **params)
        return caught.value

    def pay(self, amount: int = 2000, **form: Any) -> dict[str, Any]:
        """Pay with a named test card."""
        wanted = {"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True, **form}
        return self.ask("payment_intents.create", **wanted)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _raised(error: stripe.StripeError) -> Refused:
    body = error.json_body or {}
    return Refused(type(error).__name__, error.http_status, body.get("error", {}), error.headers or {})


def _told(answer: Any) -> Told:
    return Told(answer.to_dict(for_json=True), _lower(answer.last_response.headers))


class SyncDriver:
    """`StripeClient`, blocking."""

    def __init__(self, url: str, key: str, oracle: Oracle) -> None:
        self._client = stripe.StripeClient(
            key, base_addresses={"api": url}, http_client=Watched(oracle), max_network_retries=RETRIES
        )

    def tell(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> Told:
        """Call an operation."""
        try:
            return _told(self._named(operation)(*identifiers, **_wanted(params, key)))
        except stripe.StripeError as error:
            raised = _raised(error)
        raise raised

    def all(self, operation: str, **params: Any) -> list[dict[str, Any]]:
        """Walk through every page."""
        pages = self._named(operation)(params)
        return [item.to_dict(for_json=True) for item in pages.auto_paging_iter()]

    def _named(self, operation: str) -> Any:
        found: Any = self._client.v1
        for part in operation.split("."):
            found = getattr(found, part)
        return found


class AsyncDriver:
    """`StripeClient` with its asynchronous methods, over httpx."""

    def __init__(self, url: str, key: str, oracle: Oracle, portal: BlockingPortal) -> None:
        self._portal = portal
        self._http = portal.call(WatchedAsync, oracle)
        self._client = stripe.StripeClient(
            key, base_addresses={"api": url}, http_client=self._http, max_network_retries=RETRIES
        )

    def tell(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> Told:
        """Call an operation."""
        try:
            return _told(self._portal.call(partial(self._named(operation), *identifiers, **_wanted(params, key))))
        except stripe.StripeError as error:
            raised = _raised(error)
        raise raised

    def all(self, operation: str, **params: Any) -> list[dict[str, Any]]:
        """Walk through every page."""

        async def walk() -> list[dict[str, Any]]:
            pages = await self._named(operation)(params)
            return [item.to_dict(for_json=True) async for item in pages.auto_paging_iter()]

        return self._portal.call(walk)

    def close(self) -> None:
        """Close the connections."""
        self._portal.call(self._http.close_async)

    def _named(self, operation: str) -> Any:
        found: Any = self._client.v1
        *parts, name = operation.split(".")
        for part in parts:
            found = getattr(found, part)
        return getattr(found, f"{name}_async")


_CLASSES: dict[str, Any] = {
    "balance": stripe.Balance,
    "balance_transactions": stripe.BalanceTransaction,
    "charges": stripe.Charge,
    "customers": stripe.Customer,
    "events": stripe.Event,
    "payment_intents": stripe.PaymentIntent,
    "payment_methods": stripe.PaymentMethod,
    "refunds": stripe.Refund,
    "setup_intents": stripe.SetupIntent,
    "tokens": stripe.Token,
}


class ModuleDriver:
    """The classes of the module itself, with `stripe.api_key` and its default of two retries."""

    def tell(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> Told:
        """Call an operation."""
        named = {"idempotency_key": key} if key else {}
        try:
            return _told(self._named(operation)(*identifiers, **params, **named))
        except stripe.StripeError as error:
            raised = _raised(error)
        raise raised

    def all(self, operation: str, **params: Any) -> list[dict[str, Any]]:
        """Walk through every page."""
        pages = self._named(operation)(**params)
        return [item.to_dict(for_json=True) for item in pages.auto_paging_iter()]

    def _named(self, operation: str) -> Any:
        resource, _, name = operation.partition(".")
        return getattr(_CLASSES[resource], "modify" if name == "update" else name)


class NodeDriver:
    """The Node SDK, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], oracle: Oracle) -> None:
        self._process = process
        self._oracle = oracle

    def tell(self, operation: str, *identifiers: str, key: str | None = None, **params: Any) -> Told:
        """Call an operation."""
        arguments = [*identifiers, *([params] if params else [])]
        told = self._ask({"call": operation, "args": arguments, "key": key})
        self._see(operation, told["object"])
        return Told(told["object"], _lower(told["headers"]))

    def all(self, operation: str, **params: Any) -> list[dict[str, Any]]:
        """Walk through every page."""
        items: list[dict[str, Any]] = self._ask({"call": operation, "args": [params], "all": True})["object"]
        for item in items:
            self._see(operation, item)
        return items

    def _see(self, operation: str, answer: Any) -> None:
        self._oracle.see(f"node {operation}", 200, json.dumps(answer))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        readable, _, _ = select.select([self._process.stdout], [], [], ANSWER_WITHIN_S)
        line = self._process.stdout.readline() if readable else ""
        assert line, f"the Node SDK did not answer {question}"
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            error = told["error"]
            raise Refused(error["class"], error["status"], error["body"], error["headers"])
        return told


def _wanted(params: dict[str, Any], key: str | None) -> dict[str, Any]:
    return {"params": params, **({"options": {"idempotency_key": key}} if key else {})}


@contextmanager
def _asynchronous(url: str, key: str, oracle: Oracle) -> Iterator[AsyncDriver]:
    with start_blocking_portal() as portal:
        driver = AsyncDriver(url, key, oracle, portal)
        try:
            yield driver
        finally:
            driver.close()


@contextmanager
def _module(url: str, key: str, oracle: Oracle) -> Iterator[ModuleDriver]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripe, "api_key", key)
        patch.setattr(stripe, "api_base", url)
        patch.setattr(stripe, "default_http_client", Watched(oracle))
        yield ModuleDriver()


@contextmanager
def _node(url: str, key: str, oracle: Oracle) -> Iterator[NodeDriver]:
    program = require("node")
    if not (NODE_FOLDER / "node_modules" / "stripe").exists():
        absent = f"the Node SDK is not installed: run `npm ci` in {NODE_FOLDER}"
        if os.environ.get("CARDRAILS_REQUIRE_ALL") == "1":
            pytest.fail(absent)
        pytest.skip(absent)
    command = [program, str(NODE_FOLDER / "shop.mjs"), url, key, str(RETRIES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield NodeDriver(process, oracle)
        finally:
            process.kill()


CLIENTS = ("python", "python-async", "python-module", "node")


def connected(name: str, url: str, key: str, oracle: Oracle) -> AbstractContextManager[Driver]:
    """Return a client by name, pointed at a gateway, for as long as it is open."""
    if name == "python":
        return nullcontext(SyncDriver(url, key, oracle))
    opened = {"python-async": _asynchronous, "python-module": _module, "node": _node}[name]
    return opened(url, key, oracle)
