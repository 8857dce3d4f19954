"""Routing: the narrowest prefix or range, rules before it, and groups of links behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import CardrailsError, Message
from iso.match import predicate
from switch.core.prefixes import PREFIX_MAX, Span, is_token, overlap, span
from switch.core.route_explain import explain
from switch.core.routing import NOBODY, ROUND_ROBIN, Choice, Group, Route, RouteTable
from tests.support.switch import TOKEN_A, request

LINKS = ["issuer-a", "issuer-b"]
PREFIXES = st.dictionaries(st.text("012345678", min_size=1, max_size=PREFIX_MAX), st.sampled_from(LINKS), max_size=12)
PANS = st.text("012345678", min_size=12, max_size=19)
VISA = "4242424242424242"


@st.composite
def spans(draw: st.DrawFn) -> Span:
    digits = draw(st.integers(1, 4))
    ends = st.text("0123", min_size=digits, max_size=digits)
    return Span(*sorted((draw(ends), draw(ends))))


def rule(name: str, to: str = "issuer-b", when: str | None = None, **more: object) -> Route:
    return Route(name, to, when=None if when is None else predicate(when), **more)  # type: ignore[arg-type]


def all_up(_link: str) -> bool:
    return True


def down(*links: str) -> Callable[[str], bool]:
    return lambda link: link not in links


class TestPrefixes:
    """The longest prefix decides; a prefix is 1 to 11 digits."""

    @given(PREFIXES, PANS)
    def test_the_longest_fitting_prefix_decides(self, bins: dict[str, str], pan: str) -> None:
        fitting = [prefix for prefix in bins if pan.startswith(prefix)]

        link = RouteTable(bins).choose(pan, request(), "acquirer", all_up).link

        assert link == (bins[max(fitting, key=len)] if fitting else "")

    @pytest.mark.parametrize("prefix", ["", "123456789012", "4x", "٤", "40-4", "41-40", "4-", "400000000000-5"])
    def test_what_is_no_prefix_and_no_range_is_refused(self, prefix: str) -> None:
        with pytest.raises(CardrailsError, match=r"1 to 11 digits|both ends"):
            RouteTable({prefix: "issuer-a"})

    @pytest.mark.parametrize("prefix", ["9999", "99991", "9998-9999"])
    def test_no_route_may_end_among_the_tokens(self, prefix: str) -> None:
        with pytest.raises(CardrailsError, match="reserved"):
            RouteTable({prefix: "issuer-a"})

        assert is_token(TOKEN_A)


class TestRanges:
    """A range is a few prefixes; where ranges nest the narrowest decides, and where they only overlap nobody does."""

    @given(spans(), st.text("0123456789", min_size=PREFIX_MAX, max_size=PREFIX_MAX))
    def test_the_prefixes_of_a_range_are_the_range(self, piece: Span, number: str) -> None:
        first, last = piece.bounds

        assert number.startswith(tuple(piece.prefixes())) == (first <= int(number) <= last)

    @given(st.lists(spans(), max_size=6), st.text("0123", min_size=12, max_size=12))
    def test_the_narrowest_range_decides(self, pieces: list[Span], pan: str) -> None:
        routes = [Route(f"r{number}", f"link-{number}", (piece,)) for number, piece in enumerate(pieces)]
        fitting = [route for route in routes if _is_inside(pan, route.spans[0])]
        bounds = [piece.bounds for piece in pieces]
        is_clear = overlap(pieces) is None and len(set(bounds)) == len(bounds)

        if not is_clear:
            with pytest.raises(CardrailsError, match=r"overlap|routed twice"):
                RouteTable({}, routes)
            return
        chosen = RouteTable({}, routes).choose(pan, request(), "acquirer", all_up)

        assert chosen.route == (min(fitting, key=lambda each: each.spans[0].width).name if fitting else "")

    @given(st.lists(spans(), max_size=6))
    def test_overlap_is_found_as_by_comparing_every_pair(self, pieces: list[Span]) -> None:
        pairs = [(one.bounds, other.bounds) for one in pieces for other in pieces]

        assert (overlap(pieces) is not None) == any(a[0] < b[0] <= a[1] < b[1] for a, b in pairs)

    def test_a_prefix_that_two_routes_have_names_both(self) -> None:
        routes = [Route("one", "issuer-a", (span("400-499"),)), Route("two", "issuer-b", (span("4"),))]

        with pytest.raises(CardrailsError, match="routed twice: one, two"):
            RouteTable({}, routes)


def _is_inside(pan: str, piece: Span) -> bool:
    first, last = piece.bounds
    return first <= int(pan[:PREFIX_MAX]) <= last


class TestRules:
    """The first enabled rule whose conditions all hold wins; else the card number decides."""

    BINS = {"4": "issuer-a"}

    @pytest.mark.parametrize(
        "when",
        [
            'mti == "0100"',
            'mcc == "5999"',
            'currency == "840" and amount >= 4200',
            'processing_code startswith "00"',
            'acquirer == "123456"',
            'bin == "4242"',
        ],
    )
    def test_a_rule_may_look_at_anything_in_the_request(self, when: str) -> None:
        table = RouteTable(self.BINS, [rule("special", when=when)])

        assert table.choose(VISA, request(), "acquirer", all_up).route == "special"
        assert RouteTable(self.BINS, [rule("special", when=f"not ({when})")]).choose(
            VISA, request(), "acquirer", all_up
        ) == Choice("bin 4", "issuer-a", "issuer-a")

    def test_rules_are_tried_in_their_order(self) -> None:
        first, second = rule("first", when="amount > 1"), rule("second", when="amount > 0")

        assert RouteTable({}, [first, second]).choose(VISA, request(), "acquirer", all_up).route == "first"
        assert RouteTable({}, [second, first]).choose(VISA, request(), "acquirer", all_up).route == "second"

    def test_all_conditions_of_a_rule_must_hold(self) -> None:
        special = rule("special", when="amount > 1", spans=(span("42"),), members=frozenset({"shop-bank"}))
        table = RouteTable(self.BINS, [special])

        assert table.choose(VISA, request(), "shop-bank", all_up).route == "special"
        assert table.choose(VISA, request(), "acquirer", all_up).route == "bin 4"
        assert table.choose("4000000000000002", request(), "shop-bank", all_up).route == "bin 4"

    def test_a_disabled_route_is_never_chosen(self) -> None:
        routes = [
            rule("special", when="amount > 1", enabled=False),
            Route("five", "issuer-b", (span("5"),), enabled=False),
        ]
        table = RouteTable(self.BINS, routes)

        assert table.choose(VISA, request(), "acquirer", all_up).route == "bin 4"
        assert table.choose("5100000000000000", request(), "acquirer", all_up) == NOBODY
        assert [route.name for route in table.routes] == ["special", "five", "bin 4"]

    def test_on_us_is_a_card_of_the_acquirers_own_institution(self) -> None:
        institutions = {"shop-bank": "First Bank", "issuer-a": "First Bank", "acquirer": "Second Bank"}
        table = RouteTable(self.BINS, [rule("own", on_us=True)], institutions=institutions)

        assert table.choose(VISA, request(), "shop-bank", all_up).route == "own"
        assert table.choose(VISA, request(), "acquirer", all_up).route == "bin 4"
        assert table.choose(VISA, request(), "unknown", all_up).route == "bin 4"

    def test_a_route_that_says_nothing_is_refused(self) -> None:
        with pytest.raises(CardrailsError, match="prefixes, or a condition"):
            RouteTable({}, [Route("empty", "issuer-a")])


class TestGroups:
    """Primary: the first that is up. Round-robin: in turn, over those that are up. None up: the owner, and no link."""

    def table(self, choose: str) -> RouteTable:
        return RouteTable({"4": "pair"}, groups=[Group("pair", ("a", "b", "c"), choose)])

    def test_the_alternate_takes_over_while_the_primary_is_down(self) -> None:
        table = self.table("primary")

        chosen = [table.choose(VISA, request(), "acquirer", down(*off)).link for off in ((), ("a",), ("a", "b"), ())]

        assert chosen == ["a", "b", "c", "a"]

    @given(st.sets(st.sampled_from("abc"), max_size=2), st.integers(1, 12))
    def test_a_round_gives_every_link_that_is_up_its_turn(self, off: set[str], rounds: int) -> None:
        table = self.table(ROUND_ROBIN)
        up = set("abc") - off

        chosen = Counter(table.choose(VISA, request(), "acquirer", down(*off)).link for _ in range(rounds * len(up)))

        assert chosen == dict.fromkeys(up, rounds)

    def test_nobody_up_is_not_nobodys_card(self) -> None:
        table = self.table("primary")

        assert table.choose(VISA, request(), "acquirer", down("a", "b", "c")) == Choice("bin 4", "", "a")
        assert table.choose("5100", request(), "acquirer", all_up) == NOBODY

    @pytest.mark.parametrize(
        "groups", [[Group("pair", ())], [Group("pair", ("a", "a"))], [Group("pair", ("a",)), Group("pair", ("b",))]]
    )
    def test_a_group_has_each_link_once_and_a_name_of_its_own(self, groups: list[Group]) -> None:
        with pytest.raises(CardrailsError, match="group pair"):
            RouteTable({}, groups=groups)


class TestExplaining:
    """An explanation ends in the choice that would be made, and takes nobody's turn."""

    @given(
        PREFIXES,
        PANS,
        st.sampled_from(["amount > 1", 'mcc == "6011"', 'bin == "4"']),
        st.sets(st.sampled_from(["issuer-a", "issuer-b"])),
        st.booleans(),
    )
    def test_it_says_what_the_table_does(
        self, bins: dict[str, str], pan: str, when: str, off: set[str], in_turn: bool
    ) -> None:
        pair = Group("pair", ("issuer-a", "issuer-b"), ROUND_ROBIN if in_turn else "primary")
        table = RouteTable(bins, [rule("special", "pair", when)], [pair])

        for _ in range(3):
            told = explain(table, pan, request(), "acquirer", down(*off))
            assert explain(table, pan, request(), "acquirer", down(*off)) == told
            assert table.choose(pan, request(), "acquirer", down(*off)) == told.choice

    def test_its_steps_name_rule_prefix_route_and_links(self) -> None:
        table = RouteTable(
            {"4": "issuer-a", "42": "pair"},
            [rule("cash", when='mcc == "6011"'), Route("old", "issuer-b", (span("424"),), enabled=False)],
            [Group("pair", ("issuer-a", "issuer-b"))],
        )

        told = explain(table, VISA, request(), "acquirer", down("issuer-a"))

        assert [step["text"] for step in told.steps] == [
            'rule cash: not: mcc == "6011"',
            "longest prefix 42, of route bin 42",
            "route old is disabled",
            "route bin 42 to group pair, primary",
            "issuer-a: down",
            "issuer-b: up, chosen",
        ]
        assert told.view()["link"] == "issuer-b"

    def test_no_card_number_is_in_it(self) -> None:
        told = explain(RouteTable({"4": "issuer-a"}), VISA, Message("0100", {}), "acquirer", all_up)

        assert VISA not in str(told)

    @pytest.mark.parametrize(("pan", "code"), [("5100", "15"), (VISA, "91")])
    def test_it_says_what_the_acquirer_would_be_told(self, pan: str, code: str) -> None:
        told = explain(RouteTable({"4": "issuer-a"}), pan, request(), "acquirer", down("issuer-a"))

        assert told.view()["code"] == code
