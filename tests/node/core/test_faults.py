"""Provoked faults are data: where, which message, what, how often."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Dialect, LocalProtocolError, Message, dialect, encode
from iso.translate import to_1993
from node.core.faults import ACTIONS, Fault, Faults, Fired, Strike
from node.core.faults.engine import FAULTS_MAX, FIRED_KEPT
from node.core.faults.fault import LATE_MARGIN_S
from tests.support.nodes import authorisation

PLAIN, SEALED = dialect("ascii87"), dialect("net-bin87")
LINKS = {"network": SEALED, "gateway": PLAIN}


def strike(
    faults: Faults,
    message: Message | None = None,
    link: str = "network",
    direction: Any = "out",
    spoken: Dialect = PLAIN,
    **more: Any,
) -> Strike | None:
    return faults.strike(link, direction, encode(message or authorisation(), spoken), spoken, **more)


def armed(*faults: Fault, links: dict[str, Dialect] | None = None, asker_waits_s: float = 0.0) -> Faults:
    all_of_them = Faults(links)
    all_of_them.asker_waits_s = asker_waits_s
    for fault in faults:
        all_of_them.add(fault)
    return all_of_them


def actions(faults: Faults, count: int, **more: Any) -> list[str | None]:
    return [found.action if (found := strike(faults, **more)) else None for _ in range(count)]


class TestWhatItStrikes:
    """A fault strikes what it names: link, direction, MTI in the 1987 form, and what its predicate says."""

    def test_it_strikes_only_what_it_names(self) -> None:
        faults = armed(Fault("network", "out", "0100", "close"))

        assert strike(faults, direction="in") is None
        assert strike(faults, authorisation().reply("00")) is None
        assert strike(faults, link="gateway") is None
        assert strike(faults) is not None

    def test_an_empty_link_and_an_empty_mti_are_every_one(self) -> None:
        faults = armed(Fault("", "in", "", "drop", times=0))

        assert actions(faults, 2, link="gateway", direction="in") == ["drop", "drop"]
        assert actions(faults, 1, message=authorisation().reply("00"), direction="in") == ["drop"]
        assert actions(faults, 1) == [None]

    @pytest.mark.parametrize(
        ("match", "strikes"), [('bin == "9999"', True), ('bin == "4242"', False), ("amount >= 4200", True)]
    )
    def test_a_predicate_says_more(self, match: str, strikes: bool) -> None:
        faults = armed(Fault("network", "out", "", "drop", match=match))

        assert (strike(faults) is not None) is strikes

    def test_a_message_of_1993_is_looked_at_in_its_1987_form(self) -> None:
        spoken = dialect("ebcdic93")
        faults = armed(Fault("", "out", "0110", "drop", match='code == "51"'))
        declined = to_1993(authorisation().reply("51"), year=2026)

        found = strike(faults, declined, spoken=spoken)

        assert found is not None
        assert faults.fired[-1].mti == "0110"

    def test_what_cannot_be_read_is_struck_only_by_faults_for_everything(self) -> None:
        picky = armed(Fault("", "in", "", "drop", match="not repeat"), Fault("", "in", "0100", "drop"))
        picky.add(Fault("", "in", "", "wrong-stan"))
        broad = armed(Fault("", "in", "", "drop"))

        struck = broad.strike("network", "in", b"noise", PLAIN)

        assert picky.strike("network", "in", b"noise", PLAIN) is None
        assert struck is not None
        assert struck.remark == "drop in: what cannot be read"

    @given(
        fault=st.builds(
            lambda **said: Fault(**said),
            link=st.sampled_from(["network", "gateway", ""]),
            direction=st.sampled_from(["in", "out"]),
            mti=st.sampled_from(["", "0100", "0110", "0420"]),
            action=st.sampled_from([action for action in ACTIONS if action not in ("delay", "late", "wrong-mac")]),
            match=st.sampled_from(["", "amount >= 5000", 'stan == "000003"']),
            times=st.integers(0, 3),
            nth=st.integers(1, 3),
            probability=st.floats(0, 1),
            seed=st.text(max_size=3),
        ),
        traffic=st.lists(
            st.tuples(
                st.sampled_from(["network", "gateway"]),
                st.sampled_from(["in", "out"]),
                st.integers(1, 4),
                st.sampled_from([4200, 5000]),
                st.booleans(),
            ),
            max_size=30,
        ),
    )
    def test_a_message_that_does_not_match_is_never_touched_and_moves_no_chance(
        self, fault: Fault, traffic: list[tuple[str, str, int, int, bool]]
    ) -> None:
        everything, matching = armed(fault), armed(fault)
        struck_of_all, struck_of_matching = [], []

        for link, direction, stan, amount, answers in traffic:
            message = authorisation(f"{stan:06}", de4=f"{amount:012}")
            message = message.reply("00") if answers else message
            holds = (
                fault.link in ("", link)
                and fault.direction == direction
                and fault.mti in ("", message.mti)
                and (
                    not fault.match
                    or (amount >= 5000 if fault.match.startswith("amount") else message.stan == "000003")
                )
            )
            found = strike(everything, message, link, direction)
            assert found is None or holds
            if holds:
                struck_of_all.append(found is not None)
                struck_of_matching.append(strike(matching, message, link, direction) is not None)

        assert struck_of_all == struck_of_matching
        assert not any(struck_of_all[: fault.nth - 1])
        assert fault.times == 0 or sum(struck_of_all) <= fault.times


class TestHowOften:
    """Times, the nth and the probability are exact, and the same under the same seed."""

    def test_it_is_spent_after_its_times(self) -> None:
        faults = armed(Fault("network", "out", "0100", "drop", times=2))

        assert actions(faults, 3) == ["drop", "drop", None]
        assert not faults.armed
        assert faults.listed() == []

    def test_no_times_is_for_ever(self) -> None:
        faults = armed(Fault("network", "out", "0100", "drop", times=0))

        assert actions(faults, 50) == ["drop"] * 50
        assert faults.armed

    def test_arming_it_twice_adds_up(self) -> None:
        faults = armed(*[Fault("network", "out", "0100", "drop")] * 2)

        assert actions(faults, 3) == ["drop", "drop", None]

    def test_it_begins_at_the_nth_that_matches(self) -> None:
        faults = armed(Fault("network", "out", "0100", "drop", nth=3, times=2))
        strike(faults, authorisation().reply("00"))

        assert actions(faults, 6) == [None, None, "drop", "drop", None, None]

    @given(seed=st.text(max_size=8), probability=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    def test_the_same_seed_strikes_the_same_messages(self, seed: str, probability: float) -> None:
        fault = Fault("network", "out", "0100", "drop", times=0, probability=probability, seed=seed)

        first, second = actions(armed(fault), 40), actions(armed(fault), 40)

        assert first == second
        assert probability not in (0.0, 1.0) or set(first) == {"drop" if probability else None}

    def test_a_probability_is_kept_over_many_messages(self) -> None:
        faults = armed(Fault("network", "out", "0100", "drop", times=0, probability=0.25, seed="7"))

        struck = sum(action is not None for action in actions(faults, 2000))

        assert 430 <= struck <= 570

    def test_what_struck_is_counted_and_the_latest_are_kept(self) -> None:
        faults = armed(Fault("network", "out", "", "drop", times=0))

        actions(faults, FIRED_KEPT + 5)

        assert faults.counts == {("network", "drop"): FIRED_KEPT + 5}
        assert len(faults.fired) == FIRED_KEPT
        assert faults.fired[0] == Fired("network", "out", "0100", "drop", "000001")

    def test_disarmed_it_does_nothing(self) -> None:
        faults = armed(Fault("network", "out", "0100", "close"))

        faults.clear()

        assert not faults.armed
        assert strike(faults) is None

    def test_something_held_back_keeps_it_armed(self) -> None:
        faults = armed(Fault("network", "out", "0100", "reorder"))
        strike(faults)
        faults.hold()

        assert faults.armed
        faults.release()
        assert not faults.armed


class TestDelays:
    """Delays are fixed, even or log-normal; they add up, and go with one other fault."""

    def delays(self, fault: Fault, count: int = 400) -> list[float]:
        faults = armed(fault)
        return [found.delay_s for _ in range(count) if (found := strike(faults))]

    def test_fixed(self) -> None:
        assert set(self.delays(Fault("", "out", "", "delay", times=0, delay_s=0.5))) == {0.5}

    def test_even(self) -> None:
        drawn = self.delays(Fault("", "out", "", "delay", times=0, delay_s=1.0, delay_max_s=3.0, seed="1"))

        assert all(1 <= delay < 3 for delay in drawn)
        assert 1.9 < statistics.mean(drawn) < 2.1

    def test_log_normal(self) -> None:
        drawn = self.delays(Fault("", "out", "", "delay", times=0, delay_s=0.2, sigma=0.5, seed="1"))

        logarithms = [math.log(delay) for delay in drawn]
        assert 0.18 < statistics.median(drawn) < 0.22
        assert 0.44 < statistics.stdev(logarithms) < 0.56

    def test_log_normal_has_an_upper_end(self) -> None:
        drawn = self.delays(Fault("", "out", "", "delay", times=0, delay_s=0.2, sigma=2.0, delay_max_s=0.3))

        assert max(drawn) == 0.3

    def test_they_add_up_and_the_first_other_fault_is_it(self) -> None:
        faults = armed(
            Fault("", "out", "", "delay", delay_s=0.5),
            Fault("", "out", "", "wrong-stan"),
            Fault("", "out", "", "drop"),
            Fault("", "out", "", "delay", delay_s=0.25),
        )

        found = strike(faults)

        assert found is not None
        assert (found.delay_s, found.action) == (0.75, "wrong-stan")
        assert found.remark == "delay 0.500 s, wrong-stan, delay 0.250 s out: 0100 000001"
        assert [fault.action for fault in faults.listed()] == ["drop"]


class TestLate:
    """A late response comes when its asker has given up."""

    def test_where_the_asker_is_known_until_its_deadline(self) -> None:
        faults = armed(Fault("network", "in", "0110", "late"))

        found = strike(
            faults, authorisation().reply("00"), direction="in", now=100.0, awaited_until=lambda _response: 107.0
        )

        assert found is not None
        assert found.delay_s == pytest.approx(7.0 + LATE_MARGIN_S)

    def test_what_nobody_waits_for_is_left_alone(self) -> None:
        faults = armed(Fault("network", "in", "0110", "late"))

        assert strike(faults, authorisation().reply("00"), direction="in", awaited_until=lambda _: None) is None
        assert strike(armed(Fault("network", "in", "", "late")), direction="in") is None

    def test_from_the_answerer_as_long_as_its_askers_wait(self) -> None:
        faults = armed(Fault("network", "out", "0110", "late", delay_s=0.5), asker_waits_s=10.0)

        found = strike(faults, authorisation().reply("00"))

        assert found is not None
        assert found.delay_s == 10.5

    def test_somebody_must_say_how_long_the_asker_waits(self) -> None:
        with pytest.raises(LocalProtocolError, match="delay_s"):
            armed(Fault("network", "out", "0110", "late"))


class TestRefusals:
    """A fault that cannot happen is refused when it is armed, in one sentence."""

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"action": "explode"}, "action must be one of"),
            ({"direction": "both"}, "direction"),
            ({"mti": "010"}, "four digits"),
            ({"times": -1}, "times"),
            ({"nth": 0}, "nth"),
            ({"probability": 1.5}, "probability"),
            ({"probability": math.nan}, "probability"),
            ({"action": "delay"}, "needs delay_s"),
            ({"action": "delay", "delay_s": math.inf}, "delay_s must be"),
            ({"action": "delay", "delay_s": 2.0, "delay_max_s": 1.0}, "shorter"),
            ({"action": "delay", "sigma": 1.0, "delay_max_s": 1.0}, "median"),
            ({"action": "drop", "delay_s": 1.0}, "drop has no delay_s"),
            ({"action": "truncate", "keep": -1}, "negative"),
            ({"action": "duplicate", "copies": 1000}, "copies"),
            ({"action": "wrong-stan", "value": "12"}, "six digits"),
            ({"action": "wrong-bitmap", "value": "65"}, "2 to 64"),
            ({"action": "wrong-length", "value": "0"}, r"\+5"),
            ({"action": "garbage", "value": "0"}, "hexadecimal"),
            ({"match": "amount >="}, "match: at character"),
            ({"link": "elsewhere"}, "no link 'elsewhere'; there are network, gateway"),
            ({"link": "gateway", "action": "wrong-mac"}, "no MAC"),
        ],
    )
    def test_one_by_one(self, changes: dict[str, Any], rule: str) -> None:
        fault = Fault("network", "out", "0100", "drop")._replace(**changes)

        with pytest.raises(LocalProtocolError, match=rule):
            armed(fault, links=LINKS)

    def test_too_many(self) -> None:
        faults = armed(*[Fault("", "out", "", "drop")] * FAULTS_MAX)

        with pytest.raises(LocalProtocolError, match=str(FAULTS_MAX)):
            faults.add(Fault("", "out", "", "drop"))

    def test_a_card_number_in_a_predicate_is_never_shown(self) -> None:
        fault = Fault("network", "out", "", "drop", match='de2 == "4242424242424242"')

        assert "4242424242424242" not in repr(fault) + str(fault.shown())
