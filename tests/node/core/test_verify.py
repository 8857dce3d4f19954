"""Assertions over messages: what can be said, when it is decided, and what is wrong with what cannot be said."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Message
from node.core.verify import VerifyError, Watch, parse


def message(mti: str, stan: str = "000001") -> Message:
    return Message(mti, {11: stan})


def seen(assertion: str, *messages: Message) -> Watch:
    watch = Watch(parse(assertion))
    for one in messages:
        watch.see(one)
    return watch


class TestWhatCanBeSaid:
    """One line names the bound, the place, the condition and the time."""

    def test_everything_at_once(self) -> None:
        found = parse('exactly 1 on switch/issuer-a out where mti == "0420" and de90.stan == "000123" within 5s')

        assert (found.bound, found.times, found.within_s) == ("exactly", 1, 5.0)
        assert (found.node, found.link, found.direction) == ("switch", "issuer-a", "out")

    def test_where_and_within_may_be_missing(self) -> None:
        found = parse("at least 2 on acquirer")

        assert (found.link, found.direction, found.within_s, found.steps) == (None, None, 0.0, (None,))

    def test_none_is_exactly_zero(self) -> None:
        assert parse("none on switch").expected == "exactly 0"

    @pytest.mark.parametrize(
        ("time", "seconds"), [("within 5s", 5), ("within 5 s", 5), ("within 250ms", 0.25), ("within 1.5 min", 90)]
    )
    def test_time_has_a_unit(self, time: str, seconds: float) -> None:
        assert parse(f"at most 1 on switch {time}").within_s == seconds

    def test_words_inside_a_quoted_text_are_text(self) -> None:
        found = parse("""in order on switch where merchant == "now then within 5s" then rrn == 'where' within 2s""")

        assert found.within_s == 2
        assert [step.source for step in found.steps if step is not None] == [
            'merchant == "now then within 5s"',
            "rrn == 'where'",
        ]

    @pytest.mark.parametrize(
        ("source", "says"),
        [
            ("", "expected: exactly N"),
            ("two on switch", "expected: exactly N"),
            ("exactly 1 switch", "expected: exactly N"),
            ("exactly on switch", "exactly needs a number"),
            ("none 1 on switch", "none takes no number"),
            ("in order 2 on switch", "in order takes no number"),
            ("exactly 99999999 on switch", "at most 1000000"),
            ("none on switch sideways", "expected where or within, found 'sideways'"),
            ("none on switch within 5", "expected where or within"),
            ("none on switch within 11min", "at most 600 s"),
            ("none on switch within 99999999999s", "at most 600 s"),
            ("none on switch where", "condition"),
            ("none on switch where mti = 1", "write == to compare"),
            ('none on switch where mti == "0100" then mti == "0110"', "then belongs to in order"),
        ],
    )
    def test_a_mistake_is_named(self, source: str, says: str) -> None:
        with pytest.raises(VerifyError) as caught:
            parse(source)

        assert says in str(caught.value)

    @given(st.text(max_size=80))
    def test_any_text_is_an_assertion_or_a_verify_error(self, source: str) -> None:
        with suppress(VerifyError):
            assert parse(source).node


class TestWhenItIsDecided:
    """What more messages cannot change is decided at once; everything else when the time is over."""

    @pytest.mark.parametrize(
        ("bound", "before", "count", "at_the_end"),
        [
            ("exactly 2", None, 2, True),
            ("exactly 2", None, 1, False),
            ("exactly 2", False, 3, False),
            ("none", None, 0, True),
            ("none", False, 1, False),
            ("at most 1", None, 1, True),
            ("at most 1", False, 2, False),
            ("at least 1", None, 0, False),
            ("at least 1", True, 1, True),
            ("at least 1", True, 5, True),
        ],
    )
    def test_counting(self, bound: str, before: bool | None, count: int, at_the_end: bool) -> None:
        watch = seen(f'{bound} on switch where mti == "0420"', *[message("0420")] * count, message("0100"))

        assert watch.count == count
        assert watch.verdict(is_over=False) is before
        assert watch.verdict(is_over=True) is at_the_end

    def test_steps_come_in_order_with_anything_between(self) -> None:
        assertion = 'in order on switch where mti == "0100" then mti == "0420" then mti == "0430"'

        straight = seen(assertion, *map(message, ("0100", "0110", "0420", "0100", "0430")))
        crooked = seen(assertion, *map(message, ("0420", "0100", "0430")))

        assert straight.verdict(is_over=False) is True
        assert crooked.verdict(is_over=False) is None
        assert (crooked.verdict(is_over=True), crooked.count) == (False, 1)

    def test_one_message_is_one_step(self) -> None:
        watch = seen('in order on switch where mti == "0100" then mti == "0100"', message("0100"))

        assert watch.verdict(is_over=True) is False
