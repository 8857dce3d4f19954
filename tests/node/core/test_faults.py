"""Provoked faults are data: where, which message, what, how often."""

from __future__ import annotations

from node.core.faults import Fault, Faults


class TestFaults:
    """A fault strikes what it names, as often as it says, and is spent."""

    def test_it_strikes_only_what_it_names(self) -> None:
        faults = Faults()
        faults.add(Fault("network", "out", "0100", "close"))

        assert faults.strike("network", "in", "0100") is None
        assert faults.strike("network", "out", "0110") is None
        assert faults.strike("gateway", "out", "0100") is None
        assert faults.strike("network", "out", "0100") == "close"

    def test_it_is_spent_after_its_times(self) -> None:
        faults = Faults()
        fault = Fault("network", "in", "0110", "drop", times=2)
        faults.add(fault)

        struck = [faults.strike("network", "in", "0110") for _ in range(3)]

        assert struck == ["drop", "drop", None]
        assert faults.fired == [fault, fault]
        assert not faults.armed

    def test_arming_it_twice_adds_up(self) -> None:
        faults = Faults()
        for _ in range(2):
            faults.add(Fault("network", "in", "0110", "drop"))

        assert [faults.strike("network", "in", "0110") for _ in range(3)] == ["drop", "drop", None]

    def test_disarmed_it_does_nothing(self) -> None:
        faults = Faults()
        faults.add(Fault("network", "out", "0100", "close"))

        faults.clear()

        assert not faults.armed
        assert faults.strike("network", "out", "0100") is None
