"""The gateway's adapter to the acquirer's control port, against a real acquirer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from gateway.bank import ControlledBank
from gateway.core.bank import Enrolment, Holding, Verdict
from gateway.emu.house import House
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house

T = TypeVar("T")
ENROLMENT = Enrolment("NEWSHOP00000001", "NEWSHOP1", "New Shop", "5812", "Springfield", "US", "840")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("bank")) as handle:
        yield handle


class Asker:
    """Asks through the adapter from outside the house's loop."""

    def __init__(self, running: HouseHandle, secret: str | None = None) -> None:
        urls = running.house.control_urls()
        self._running = running
        self._house = House(lambda: urls, secret or running.house.secret)
        self.bank = ControlledBank(self._house, "acquirer")

    def ask(self, work: Callable[[ControlledBank], Awaitable[T]]) -> T:
        """Ask the bank."""

        async def run() -> T:
            return await work(self.bank)

        found: T = self._running.run(run)
        return found


@pytest.fixture
def asker(running: HouseHandle) -> Iterator[Asker]:
    opened = Asker(running)
    yield opened
    opened.bank.close()


class TestEnrol:
    """A merchant is taken on once, and asking again is no harm."""

    def test_a_merchant_gets_its_terminal_and_asking_again_is_done(self, asker: Asker, running: HouseHandle) -> None:
        first = asker.ask(lambda bank: bank.enrol(ENROLMENT))
        again = asker.ask(lambda bank: bank.enrol(ENROLMENT))

        known = running.control.call("GET", "acquirer", f"bank/merchants/{ENROLMENT.merchant}", "bank:read")
        assert first == again == Verdict(is_done=True)
        assert (known["name"], known["mcc"], known["currency"]) == ("New Shop", "5812", "840")
        assert [terminal["terminal"] for terminal in known["terminals"]] == ["NEWSHOP1"]

    def test_what_breaks_the_acquirers_rules_is_refused_with_a_reason(self, asker: Asker) -> None:
        verdict = asker.ask(lambda bank: bank.enrol(ENROLMENT._replace(merchant="BADSHOP00000001", mcc="food")))

        assert verdict is not None
        assert not verdict.is_done
        assert "mcc" in verdict.detail

    def test_a_merchant_can_change_and_one_that_is_not_there_cannot(self, asker: Asker) -> None:
        asker.ask(lambda bank: bank.enrol(ENROLMENT))

        done = asker.ask(lambda bank: bank.change_merchant(ENROLMENT.merchant, {"city": "Shelbyville"}))
        absent = asker.ask(lambda bank: bank.change_merchant("NOSHOP", {"city": "Shelbyville"}))

        assert done == Verdict(is_done=True)
        assert absent is not None
        assert not absent.is_done


class TestMoney:
    """What was booked is told with its fees; what is held, per currency."""

    def test_a_payment_is_booked_with_fees_and_a_reference(self, asker: Asker, running: HouseHandle) -> None:
        form = {"amount": 4200, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
        paid = running.stripe().v1.payment_intents.create(form)  # type: ignore[arg-type]
        merchant = running.house.topology.merchants[0].merchant.strip()

        def holdings() -> list[Holding]:
            return asker.ask(lambda bank: bank.holdings(merchant)) or []

        def unpresented() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = running.control.call("GET", "acquirer", "bank/unpresented", "bank:read")[
                "unpresented"
            ]
            return rows

        # The capture travels after the shop has its answer.
        assert running.eventually(lambda: len(unpresented()) == 1)
        (row,) = unpresented()
        bookings = asker.ask(lambda bank: bank.bookings([row["rrn"], "000000000000"]))

        assert paid.status == "succeeded"
        (booking,) = bookings or []
        assert (booking.amount, booking.reference, sum(booking.fees)) == (4200, row["arn"], 152)
        assert holdings() == [Holding("840", 4200 - 152, 0)]

    def test_nothing_is_asked_about_no_payments(self, asker: Asker) -> None:
        assert asker.ask(lambda bank: bank.bookings([])) == []


class TestSilence:
    """Whoever does not get an answer knows nothing, which is not the same as nothing."""

    def test_a_bank_that_does_not_let_us_in_is_silent(self, running: HouseHandle) -> None:
        stranger = Asker(running, secret="0" * 64)

        assert stranger.ask(lambda bank: bank.holdings("RAILSCOFFEE0001")) is None
        assert stranger.ask(lambda bank: bank.bookings(["000000000001"])) is None
        assert stranger.ask(lambda bank: bank.enrol(ENROLMENT)) is None
        stranger.bank.close()

    def test_a_merchant_that_it_does_not_know_has_no_holdings_to_tell_of(self, asker: Asker) -> None:
        assert asker.ask(lambda bank: bank.holdings("NOSHOP")) is None
