"""Many requests at once over real sockets: whatever a shop's servers do in parallel, money moves once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anyio
import httpx
import pytest

from node.bank_client import BankClient
from tests.support.gateway import flat
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house

AT_ONCE = 12
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
METHOD = {"payment_method_data": {"type": "card", "card": CARD}}
PAYMENT = {"amount": 1000, "currency": "usd", **METHOD}


class Crowd:
    """Many servers of one shop, and what they have moved in the banks' books since the crowd came."""

    def __init__(self, house: HouseHandle) -> None:
        self.house = house
        self.banks = BankClient(house.control)
        self.before = self.books()

    def books(self) -> Counter[str]:
        """Return what is held on the cardholder's account, and what the acquirer has taken and given back."""
        (account,) = self.banks.accounts("issuer-a", last4="4242", currency="840")
        found = Counter(held=account["held_minor"])
        for row in self.banks.unpresented("acquirer"):
            found[row["kind"]] += row["amount_minor"]
            found[f"{row['kind']}s"] += 1
        return found

    def moves(self, **wanted: int) -> bool:
        """Whether the books have changed by this, once everything has arrived; and do not change any more."""
        return self.house.eventually(
            lambda: self.house.state("gateway")["duties_open"] == 0 and self.books() - self.before == Counter(wanted)
        )

    def authorisations(self) -> int:
        """Return how many 0100 the gateway has sent."""
        seen = self.house.control.messages("gateway", limit=10_000)
        return sum(one.get("mti") == "0100" and one["direction"] == "out" for one in seen)

    def ask(self, path: str, form: Mapping[str, Any] | None = None, *, keys: Callable[[int], str] = str) -> list[Any]:
        """Send the same request from every server at once; `keys` gives each its idempotency key."""
        answers: list[httpx.Response] = anyio.run(self.send_all, path, form or {}, keys)
        for answer in answers:
            self.house.oracle.see(f"POST {path}", answer.status_code, answer.content)
        assert max(answer.status_code for answer in answers) < 500
        return answers

    def made(self, path: str, form: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request."""
        answer = httpx.post(self._url + path, data=flat(form), headers=self._headers, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @property
    def _url(self) -> str:
        return str(self.house.ready["gateway_url"])

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.house.ready['secret_key']}"}

    async def send_all(self, path: str, form: Mapping[str, Any], keys: Callable[[int], str]) -> list[httpx.Response]:
        """Send the same request from every server."""
        answers: list[httpx.Response] = []
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=30) as client:

            async def one(number: int) -> None:
                headers = {"idempotency-key": f"{path} {keys(number)}"}
                answers.append(await client.post(path, data=flat(form), headers=headers))

            async with anyio.create_task_group() as tasks:
                for number in range(AT_ONCE):
                    tasks.start_soon(one, number)
        return answers


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("crowd")) as handle:
        yield handle


@pytest.fixture
def crowd(running: HouseHandle) -> Crowd:
    return Crowd(running)


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


class TestManyAtOnce:
    """Of requests that exclude each other one wins; the others are refused, and the banks see one."""

    def test_many_confirmations_make_one_authorisation(self, crowd: Crowd) -> None:
        intent, before = crowd.made("/v1/payment_intents", PAYMENT)["id"], crowd.authorisations()

        answers = crowd.ask(f"/v1/payment_intents/{intent}/confirm")

        assert statuses(answers)[200] == 1
        assert crowd.authorisations() == before + 1
        assert crowd.moves(held=1000, capture=1000, captures=1)

    def test_many_copies_of_one_request_make_one_payment(self, crowd: Crowd) -> None:
        before = crowd.authorisations()

        answers = crowd.ask("/v1/payment_intents", {**PAYMENT, "confirm": True}, keys=lambda _number: "the same")

        paid = {answer.json()["id"] for answer in answers if answer.status_code == 200}
        assert len(paid) == 1
        assert set(statuses(answers)) <= {200, 409}
        assert crowd.authorisations() == before + 1
        assert crowd.moves(held=1000, capture=1000, captures=1)

    def test_many_captures_take_the_money_once(self, crowd: Crowd) -> None:
        intent = crowd.made("/v1/payment_intents", {**PAYMENT, "confirm": True, "capture_method": "manual"})["id"]

        answers = crowd.ask(f"/v1/payment_intents/{intent}/capture", {"amount_to_capture": 700})

        assert statuses(answers) == {200: 1, 400: AT_ONCE - 1}
        assert crowd.moves(held=700, capture=700, captures=1)

    def test_many_refunds_never_give_back_more_than_was_taken(self, crowd: Crowd) -> None:
        intent = crowd.made("/v1/payment_intents", {**PAYMENT, "confirm": True})["id"]

        answers = crowd.ask("/v1/refunds", {"payment_intent": intent, "amount": 300})

        assert statuses(answers) == {200: 3, 400: AT_ONCE - 3}
        assert crowd.moves(held=1000, capture=1000, captures=1, refund=900, refunds=3)

    def test_many_increments_hold_what_the_shop_was_told(self, crowd: Crowd) -> None:
        options = {"card": {"request_incremental_authorization": "if_available"}}
        held = {**PAYMENT, "confirm": True, "capture_method": "manual", "payment_method_options": options}
        intent = crowd.made("/v1/payment_intents", held)["id"]

        answers = crowd.ask(f"/v1/payment_intents/{intent}/increment_authorization", {"amount": 1500})

        assert statuses(answers)[200] == 1
        assert crowd.moves(held=1500)

    def test_captures_and_cancellations_at_once_leave_one_of_both(self, crowd: Crowd) -> None:
        intent = crowd.made("/v1/payment_intents", {**PAYMENT, "confirm": True, "capture_method": "manual"})["id"]

        async def both() -> list[httpx.Response]:
            answers: list[httpx.Response] = []
            async with anyio.create_task_group() as tasks:
                for step in ("capture", "cancel"):

                    async def ask(step: str) -> None:
                        answers.extend(await crowd.send_all(f"/v1/payment_intents/{intent}/{step}", {}, str))

                    tasks.start_soon(ask, step)
            return answers

        answers = anyio.run(both)

        (winner,) = [answer.json()["status"] for answer in answers if answer.status_code == 200]
        assert crowd.moves(held=1000, capture=1000, captures=1) if winner == "succeeded" else crowd.moves()
