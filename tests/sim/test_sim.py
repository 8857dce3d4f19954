"""A few hundred seeds on every run of the suite; thousands more in `make long`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.sim.house import House

ROOT = Path(__file__).parents[2]
SEEDS_PER_TEST = 25
FIRSTS = range(1, 201, SEEDS_PER_TEST)

MET = (
    *("stood in", "switch saf 0120", "switch saf 0220", "switch saf 0420", "acquirer saf completion"),
    *("pay approved", "pay unknown", "pay undone", "pay lowering", "more approved", "tell approved"),
    *("capture approved", "capture declined", "capture undone", "refund approved", "refund declined"),
    *(f"switch 0110 {code}" for code in ("00", "10", "51", "55", "91", "96", "N7")),
    *("acquirer 0210 64", "acquirer 0430 00", "acquirer 0430 25", "acquirer 0510 00"),
    *(f"issuer {cause}" for cause in ("completed", "confirmed", "promised", "forced", "lowered", "early")),
    *(f"presentment {outcome}" for outcome in ("posted", "posted_alone", "matched", "unknown_payment")),
    *("marked before", "expired"),
)
"""What a few seeds have to meet, or they prove little."""


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

    def test_a_seed_gives_the_same_run_in_another_process(self) -> None:
        command = [sys.executable, "-m", "tests.sim", "--first", "1", "--seeds", "8"]
        printed = {
            subprocess.run(
                command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": order}, check=True, capture_output=True
            ).stdout
            for order in ("1", "2")
        }

        assert len(printed) == 1

    def test_seeds_meet_every_turn_of_a_life(self) -> None:
        counts = sum((survive(seed).auditor.counts for seed in range(1, 51)), start=Counter[str]())

        assert [name for name in MET if not counts[name]] == []

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(("switch", "forgets 0420"), id="a switch that forgets its reversals"),
            pytest.param(("switch", "forgets 0220"), id="a switch that loses a capture"),
            pytest.param(("acquirer", "forgets completion"), id="an acquirer that loses a capture"),
            pytest.param(("acquirer", "forgets reversal"), id="an acquirer that keeps a reversal for itself"),
            pytest.param(("issuer-a", "posts twice"), id="an issuer that posts twice"),
            pytest.param(("issuer-a", "never expires"), id="an issuer whose holds never run out"),
            pytest.param(("acquirer", "counts nothing"), id="an acquirer that counts no batch"),
            pytest.param(("issuer-b", "forgets"), id="an issuer that takes every copy for a new request"),
        ],
    )
    def test_a_node_that_breaks_a_promise_is_caught(self, spoil: tuple[str, str]) -> None:
        node, how = spoil

        assert any(not agrees(spoilt(House(seed), node, how)) for seed in range(1, 41))


def spoilt(house: House, name: str, how: str) -> House:
    """Let one node of a house break a promise."""
    node = house.nodes[name]
    build = node.build

    def broken() -> Any:
        machine: Any = build()
        if how.startswith("forgets "):
            kind, put = how.removeprefix("forgets "), machine.saf.put
            machine.saf.put = lambda entry, turn: None if entry.identifier.startswith(kind) else put(entry, turn)
        elif how == "posts twice":
            ledger = machine.books.ledger
            post = ledger.post
            ledger.post = lambda hold, credit, amount_minor, reference, turn: (
                ledger.transfer(ledger.holds[hold].account, credit, amount_minor, reference, turn, forced=True),
                post(hold, credit, amount_minor, reference, turn),
            )[1]
        elif how == "never expires":
            machine.books.ledger.expire = lambda turn: []
        elif how == "counts nothing":
            machine.books.put_batch = lambda batch, turn: None
        else:
            machine.books.memory.get = lambda key: None
        return machine

    node.build = broken
    return house


def agrees(house: House) -> bool:
    """Run a house; whether its books agree in the end."""
    try:
        house.run()
    except AssertionError:
        return False
    return True
