"""`kill -9` of either bank at any commit: no approved payment is lost, none is doubled, the books are whole."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.support.killed import When
from tests.support.postgres import PostgresServer
from tests.support.torn import Sale, TornHouse, torn_house

pytestmark = pytest.mark.process

Act = Callable[[], object]
Step = Callable[[TornHouse], Act]
"""Prepares something with a healthy house; returns what happens while the bank is doomed."""

_COMMITS_MAX = 20


def authorisation(house: TornHouse) -> Act:
    return lambda: house.authorise(1000)


def reversal(house: TornHouse) -> Act:
    sale = _sold(house, 2000)
    return lambda: house.reverse(sale)


def capture(house: TornHouse) -> Act:
    sale = _sold(house, 3000)
    return lambda: house.capture(sale)


def refund(house: TornHouse) -> Act:
    sale = _sold(house, 4000)
    house.capture(sale)
    return lambda: house.refund(sale, 1500)


def presentment(house: TornHouse) -> Act:
    sale = _sold(house, 5000)
    house.capture(sale)
    house.refund(sale, 2500)
    return house.present


def _sold(house: TornHouse, amount_minor: int) -> Sale:
    sale = house.authorise(amount_minor)
    assert sale is not None
    house.settle()
    return sale


STEPS: dict[str, Step] = {step.__name__: step for step in (authorisation, reversal, capture, refund, presentment)}


def live_through(house: TornHouse, step: Step, when: When, at: int) -> bool:
    """Do a step while the bank is to die at its `at`-th commit; let all heal; return whether it died."""
    act = step(house)
    house.settle()
    deaths = house.bank.deaths
    house.bank.doom(when, at)
    act()
    house.settle()
    house.revive()
    house.bank.spare()
    return house.bank.deaths > deaths


class TestOneDeath:
    """A bank that dies between deciding and answering comes back with books that agree with its neighbours'."""

    @pytest.mark.parametrize(
        ("bank", "step", "at"), [("issuer-a", "authorisation", 1), ("acquirer", "authorisation", 2)]
    )
    def test_of_a_payment_that_was_decided_and_not_answered(
        self, tmp_path: Path, bank: str, step: str, at: int
    ) -> None:
        with torn_house(tmp_path, bank, {}) as house:
            house.authorise(500)
            assert live_through(house, STEPS[step], "after", at)

            house.authorise(700)

            assert house.problems() == []
            assert sorted(house.shop.approved.values()) == [500, 700]


@pytest.mark.long
class TestEveryCommit:
    """Each commit of each step is hit, before it and after it, and on a server while it is under way.

    What has not been committed is on neither kind of disk: before a commit one kind is enough.
    """

    @pytest.mark.parametrize("bank", ["acquirer", "issuer-a"])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_in_files(self, tmp_path: Path, bank: str, when: When) -> None:
        with torn_house(tmp_path, bank, {}) as house:
            _die_everywhere(house, when)

    @pytest.mark.parametrize("bank", ["acquirer", "issuer-a"])
    @pytest.mark.parametrize("when", ["during", "after"])
    def test_on_a_server(self, tmp_path: Path, bank: str, when: When, postgres: PostgresServer) -> None:
        with torn_house(tmp_path, bank, postgres.databases()) as house:
            _die_everywhere(house, when)


def _die_everywhere(house: TornHouse, when: When) -> None:
    for name, step in STEPS.items():
        for at in count(1):
            died = live_through(house, step, when, at)
            assert house.problems() == [], f"{name}, {when} commit {at}"
            if not died:
                break
            assert at < _COMMITS_MAX
        assert at > 1, f"{name}: there was no commit to die at"
