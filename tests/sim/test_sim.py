"""A few hundred seeds on every run of the suite; thousands more in `make long`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sim.house import House

SEEDS_PER_TEST = 25
FIRSTS = range(1, 201, SEEDS_PER_TEST)


def survive(seed: int) -> House:
    house = House(seed)
    try:
        house.run()
    except BaseException as error:
        error.add_note(f"again: python -m tests.sim --first {seed} --seeds 1")
        raise
    return house


class TestSimulation:
    """Under loss, delay, doubles, outages and crashes at any point, the books of the house agree in the end."""

    @pytest.mark.parametrize("first", FIRSTS)
    def test_every_promise_holds(self, first: int) -> None:
        for seed in range(first, first + SEEDS_PER_TEST):
            survive(seed)

    @pytest.mark.long
    @pytest.mark.parametrize("first", range(100_001, 105_001, 250))
    def test_every_promise_holds_for_many_seeds(self, first: int) -> None:
        for seed in range(first, first + 250):
            survive(seed)


class TestTheSimulationItself:
    """A simulation that could not fail would prove nothing."""

    def test_a_seed_gives_the_same_run_twice(self) -> None:
        runs = [survive(7) for _ in range(2)]

        assert runs[0].auditor.counts == runs[1].auditor.counts
        assert [node.journal.rows for node in runs[0].nodes.values()] == [
            node.journal.rows for node in runs[1].nodes.values()
        ]

    def test_seeds_meet_approvals_declines_timeouts_and_reversals(self) -> None:
        counts = sum((survive(seed).auditor.counts for seed in range(1, 21)), start=survive(21).auditor.counts)

        answers = ("switch 00", "switch 91", "switch 96", "switch N7")
        for met in ("approved", "undone", "stood in", "switch advices", "switch reversals", *answers):
            assert counts[met] > 0, met

    def test_a_switch_that_forgets_its_reversals_is_caught(self) -> None:
        caught = [seed for seed in range(1, 41) if not agrees(without_reversals(House(seed)))]

        assert caught != []


def without_reversals(house: House) -> House:
    """Take the store-and-forward away from the switch of a house."""
    switch = house.nodes["switch"]
    build = switch.build

    def forgetful() -> Any:
        machine: Any = build()
        machine.saf.put = lambda entry, turn: None
        return machine

    switch.build = forgetful
    return house


def agrees(house: House) -> bool:
    """Run a house; whether its books agree in the end."""
    try:
        house.run()
    except AssertionError:
        return False
    return True
