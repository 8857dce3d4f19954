"""Provoked faults: seeded, counted, and never a breach of what an answer rests on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.faults import FAULTS_MAX, FIRED_KEPT, Fired, HsmFault, HsmFaults, Strike
from iso.errors import LocalProtocolError, RemoteProtocolError
from node.core.turn import Turn
from tests.support.hsm import CVC, EPOCH, PAN, Hsm


def armed(*faults: HsmFault) -> HsmFaults:
    armed = HsmFaults()
    for fault in faults:
        armed.add(fault)
    return armed


def strikes(faults: HsmFaults, times: int, command: str = "CW", party: str = "issuer-a") -> list[Strike | None]:
    return [faults.strike(party, command, has_key=True) for _ in range(times)]


class TestWhom:
    """A fault is for a party and a set of commands; without them it is for everybody's and all."""

    @pytest.mark.parametrize(
        ("fault", "struck"),
        [
            (HsmFault("close"), True),
            (HsmFault("close", party="issuer-a"), True),
            (HsmFault("close", party="issuer-b"), False),
            (HsmFault("close", commands=frozenset(("CW", "CY"))), True),
            (HsmFault("close", commands=frozenset(("CY",))), False),
        ],
    )
    def test_only_its_commands_are_struck(self, fault: HsmFault, struck: bool) -> None:
        assert strikes(armed(fault), 1) == [Strike(0.0, "close") if struck else None]

    def test_wrong_parity_needs_a_key(self) -> None:
        faults = armed(HsmFault("parity"))

        assert faults.strike("issuer-a", "B2", has_key=False) is None
        assert faults.strike("issuer-a", "CW", has_key=True) == Strike(0.0, "parity", "10")

    def test_a_fault_is_spent_after_its_times(self) -> None:
        faults = armed(HsmFault("silence", times=2))

        struck = strikes(faults, 3)

        assert struck == [Strike(0.0, "silence")] * 2 + [None]
        assert not faults.armed

    def test_delays_add_up_and_the_first_other_fault_is_it(self) -> None:
        faults = armed(
            HsmFault("delay", delay_s=0.5),
            HsmFault("error", code="15"),
            HsmFault("close"),
            HsmFault("delay", delay_s=1),
        )

        assert strikes(faults, 1) == [Strike(1.5, "error", "15")]
        assert [fired.action for fired in faults.fired] == ["delay", "error", "delay"]

    def test_what_is_armed_can_be_listed_and_cleared(self) -> None:
        faults = armed(HsmFault("silence", times=3), HsmFault("close", party="switch"))

        strikes(faults, 1)
        listed = faults.listed()
        faults.clear()

        assert listed == [HsmFault("silence", times=2), HsmFault("close", party="switch")]
        assert not faults.armed
        assert list(faults.fired) == [Fired("silence", "issuer-a", "CW")]


class TestChance:
    """Chance comes from the seed alone."""

    @given(st.text(max_size=20), st.floats(0, 1), st.integers(1, 50))
    def test_the_same_seed_gives_the_same_faults(self, seed: str, probability: float, times: int) -> None:
        fault = HsmFault("error", probability=probability, code="15", seed=seed)

        assert strikes(armed(fault), times) == strikes(armed(fault), times)

    def test_a_probability_is_about_kept(self) -> None:
        faults = armed(HsmFault("silence", probability=0.3, seed="monday"))

        struck = sum(strike is not None for strike in strikes(faults, 2000))

        assert 500 < struck < 700

    def test_another_seed_gives_other_faults(self) -> None:
        one, other = (armed(HsmFault("silence", probability=0.5, seed=seed)) for seed in "ab")

        assert strikes(one, 64) != strikes(other, 64)

    def test_a_fault_does_not_disturb_the_chances_of_another(self) -> None:
        chancy = HsmFault("silence", probability=0.5, seed="s")
        alone, in_company = armed(chancy), armed(HsmFault("delay", probability=0.5, delay_s=1, seed="s"), chancy)

        first = [strike is not None for strike in strikes(alone, 64)]
        second = [strike is not None and strike.action == "silence" for strike in strikes(in_company, 64)]

        assert first == second

    @given(st.floats(0, 10), st.floats(0, 10))
    def test_a_spread_delay_lies_between_its_ends(self, one: float, other: float) -> None:
        low, high = min(one, other), max(one, other) + 0.001
        faults = armed(HsmFault("delay", delay_s=low, delay_max_s=high))

        assert all(strike is None or low <= strike.delay_s <= high for strike in strikes(faults, 20))

    def test_never_means_never_and_always_always(self) -> None:
        assert strikes(armed(HsmFault("silence", probability=0.0)), 100) == [None] * 100
        assert strikes(armed(HsmFault("silence", probability=1.0)), 100) == [Strike(0.0, "silence")] * 100


class TestLimits:
    """A fault that cannot happen is refused, and nothing grows."""

    @pytest.mark.parametrize(
        "wrong",
        [
            HsmFault("delay"),
            HsmFault("delay", delay_s=-1),
            HsmFault("error"),
            HsmFault("error", code="00"),
            HsmFault("error", code="ZZ"),
            HsmFault("parity", code="15"),
            HsmFault("close", code="15"),
            HsmFault("silence", code="15"),
            HsmFault("delay", delay_s=1, code="15"),
            HsmFault("close", probability=1.1),
            HsmFault("close", times=-1),
        ],
    )
    def test_it_is_refused(self, wrong: HsmFault) -> None:
        with pytest.raises(LocalProtocolError):
            HsmFaults().add(wrong)

    def test_only_so_many_are_armed_and_remembered(self) -> None:
        faults = armed(*[HsmFault("silence")] * FAULTS_MAX)

        strikes(faults, FIRED_KEPT + 10)

        assert len(faults.fired) == FIRED_KEPT
        with pytest.raises(LocalProtocolError, match="at most"):
            faults.add(HsmFault("silence"))


class TestAnswers:
    """An error changes nothing; silence and a closed connection lose only the answer."""

    def test_an_error_is_answered_instead_of_the_command(self) -> None:
        hsm, turn = Hsm(), Turn(EPOCH)
        faults = armed(HsmFault("error", code="15", commands=frozenset(("ZA",))))

        answer = faults.perform(hsm.engine, "gateway", b"HEAD" + store_command(), 0.0, turn)

        assert answer.data == b"HEADZB15"
        assert turn.is_empty

    @pytest.mark.parametrize(("action", "dropped"), [("silence", False), ("close", True)])
    def test_a_lost_answer_was_carried_out(self, action: str, dropped: bool) -> None:
        hsm, turn = Hsm(), Turn(EPOCH)
        faults = armed(HsmFault(action))  # type: ignore[arg-type]

        answer = faults.perform(hsm.engine, "gateway", b"HEAD" + store_command(), 0.0, turn)

        assert answer.is_dropped == dropped
        assert dropped or answer.data == b""
        assert len(turn.stored("hsm_cards")) == 1

    def test_a_delayed_answer_is_the_same_answer(self) -> None:
        hsm = Hsm()
        faults = armed(HsmFault("delay", delay_s=2.0))

        answer = faults.perform(hsm.engine, "gateway", b"HEADB20001x", 0.0, Turn(EPOCH))

        assert answer == (b"HEADB300x", 2.0, False)

    def test_the_parity_fault_strikes_commands_with_keys_only(self) -> None:
        hsm, turn = Hsm(), Turn(EPOCH)
        faults = armed(HsmFault("parity", code="11"))

        echo = faults.perform(hsm.engine, "issuer-a", b"HEADB20001x", 0.0, turn)
        cvv = faults.perform(hsm.engine, "issuer-a", b"HEADCWKF004242424242424242;3012201", 0.0, turn)

        assert echo.data == b"HEADB300x"
        assert cvv.data == b"HEADCX11"

    def test_what_is_no_command_is_still_no_command(self) -> None:
        faults = armed(HsmFault("error", code="15"))

        with pytest.raises(RemoteProtocolError):
            faults.perform(Hsm().engine, "issuer-a", b"HEAD\xff\xff", 0.0, Turn(EPOCH))
        assert faults.perform(Hsm().engine, "issuer-a", b"HEADQQ", 0.0, Turn(EPOCH)).data == b"HEADQR67"


def store_command() -> bytes:
    from hsm_sim.requests import StoreCard

    return StoreCard(PAN, "3012", CVC, "acct_1").encode()
