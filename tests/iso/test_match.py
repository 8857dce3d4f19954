"""The predicate language: typed, checked when it is made, and unable to raise or hang while it is used."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import Message, dialect
from iso.match import MatchError, Name, glob, predicate
from iso.match_names import NAMES, NUMBERS
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts
from iso.subfields import Tagged
from tests.support.messages import TEST_PAN, authorisation_request, messages, reversal_of

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "match.md"
WORDS = [
    *(f"de{element}" for element in (2, 3, 4, 11, 28, 39, 48, 55, 90, 97, 128)),
    *("de55.9F26", "de48.13", "de90.stan", "de54.1.amount", "de95.fee", "de3.type", "de22.pin"),
    *NAMES,
    *("and", "or", "not", "in", "startswith", "contains", "matches", "present", "true", "false"),
    *('"00"', "'42'", "1000", "-1", "==", "!=", "<", ">=", "(", ")", ","),
]


def holds(source: str, message: Message | None = None) -> bool:
    return predicate(source)(message or authorisation_request())


class TestDocument:
    """The page that describes the language is run, and it names everything there is."""

    def test_its_examples_are_true(self) -> None:
        results = doctest.testfile(str(DOCUMENT), module_relative=False)

        assert results.attempted > 15
        assert results.failed == 0

    def test_it_names_every_name(self) -> None:
        named = set(re.findall(r"`(\w+)`", DOCUMENT.read_text("utf-8")))

        assert set(NAMES) <= named

    def test_its_numbers_are_the_numbers(self) -> None:
        assert {4, 5, 6, 8, *range(28, 32), *range(74, 90), 97} == NUMBERS


class TestMeaning:
    """What a condition says is what it does."""

    @pytest.mark.parametrize(
        "source",
        [
            'mti == "0100" and de4 >= 1000 and bin in ("400000", "42")',
            'class == "1" and request and not response and not repeat',
            "request == true and repeat != true",
            "1000 < de4",
            '"0100" == mti',
            '"4" <= bin',
            'de49 in ("840", "978")',
            'de49 not in ("978")',
            'de18 startswith "59" and de18 endswith "99" and de43 contains "Shop"',
            'terminal == "TERM0001" and merchant matches "MERCHANT#*1"',
            'de3.from == "00"',
            'de43.name startswith "The Shop"',
            "present(de2) and not present(de39)",
            'mti == "0200" or mti == "0400" or amount == 1999',
            'mti == "0100" or mti == "0200" and amount == 1',
            "not not request",
            "de42 == 'MERCHANT0000001'",
        ],
    )
    def test_of_an_authorisation(self, source: str) -> None:
        assert holds(source)

    @pytest.mark.parametrize(
        "source",
        [
            "de5 > 0",
            "de5 < 0",
            "de5 != 0",
            'de39 in ("00")',
            'de39 not in ("00")',
            'de55.9F26 == ""',
            'de48.13 != ""',
            'bin == "43"',
            'bin not in ("42")',
            'bin startswith "5"',
            "response",
            "request == false",
        ],
    )
    def test_of_what_is_absent_or_different(self, source: str) -> None:
        assert not holds(source)

    def test_amounts_have_signs(self) -> None:
        reversal = reversal_of(
            authorisation_request(), de28="D00000100", de95=ReplacementAmounts(500, 0, -25).to_de95()
        )

        assert holds("de28 == -100 and de95.transaction == 500 and de95.fee < 0", reversal)

    def test_the_original_has_parts(self) -> None:
        reversal = reversal_of(authorisation_request(de11="000042"))

        assert holds('de90.stan == "000042" and de90.mti == "0100"', reversal)
        assert OriginalData.from_de90(reversal[90]).stan == "000042"

    def test_additional_amounts_are_numbered(self) -> None:
        answer = authorisation_request().reply("10", {54: "0057840C000000001999" + "0002840D000000000005"})

        assert holds('de54.1.type == "57" and de54.1.amount == 1999 and de54.2.sign == "D"', answer)

    def test_what_is_malformed_is_as_absent(self) -> None:
        broken = authorisation_request(de4="12.50", de55="9F26", de90="1")

        assert not holds("de4 > 0 or de55.9F26 > '' or present(de90.stan) or present(de4)", broken)

    def test_layouts_of_the_users_own(self) -> None:
        source, layouts = 'de60.AB == "x"', {60: Tagged(2, 2)}

        assert predicate(source, layouts=layouts)(Message("0100", {60: "AB01x"}))

    def test_names_of_the_users_own_do_not_hide_the_languages(self) -> None:
        names = {"velocity": Name("number", lambda message: 4), "mti": Name("text", lambda message: "9999")}

        assert predicate('velocity > 3 and mti == "0100"', names=names)(authorisation_request())

    def test_it_says_which_elements_it_looks_at(self) -> None:
        assert predicate('mti == "0100" and bin == "4" and de55.9F26 > "0" and amount > 1').elements == {0, 2, 55, 4}


class TestErrors:
    """Whoever wrote it learns where it is wrong and what would be right."""

    @pytest.mark.parametrize(
        ("source", "position", "rule"),
        [
            ("", 0, "a name or a value expected"),
            ("de4 >= '1000'", 7, "de4 is a number: write 1000 without quotes"),
            ("mti == 0100", 7, 'mti is text: write "0100" in quotes'),
            ("bin == 42", 7, 'bin is text: write "42" in quotes'),
            ("de4", 3, "a condition expected: compare de4 with something, or present(de4)"),
            ("42", 0, "a condition expected: compare 42 with something"),
            ("de4 = 1", 4, "write == to compare"),
            ("de4 == 1 && de3 == '0'", 9, "write and, or, not"),
            ("10 < de4 < 20", 9, "comparisons do not chain: join them with and"),
            ("1 == 1", 0, "one side must be a name"),
            ("mti == '01", 7, "this string does not end"),
            ("de4 > 10.5", 6, "a number is whole: no point, no letters"),
            ("de200 == '1'", 0, "an element is de2 to de128"),
            ("de1 == '1'", 0, "an element is de2 to de128"),
            ("de4.x == '1'", 0, "de4 has no parts here"),
            ("request < true", 8, "true and false have no order: use == or !="),
            ("request == '1'", 11, "request is true or false, and '1' is text"),
            ("de4 startswith '1'", 0, "startswith is for text, and de4 is a number"),
            ("mti startswith de3", 15, "startswith takes text in quotes"),
            ("mti in '01'", 7, "( expected"),
            ("mti in ()", 8, "a name or a value expected"),
            ("mti in (de3)", 8, "a list holds values, not names"),
            ("mti in ('1' '2')", 12, ") expected"),
            ("mti not == '1'", 8, "in expected"),
            ("'1' in ('1')", 0, "a name expected before this word"),
            ("present('1')", 8, "present() takes a name"),
            ("(request", 8, ") expected"),
            ("request response", 8, "and or or expected"),
            ("bin == de3", 7, "bin is compared with text in quotes"),
            ("de4 == #", 7, "a character that the language does not have"),
            ("and", 0, "a name or a value expected"),
        ],
    )
    def test_each_names_its_place(self, source: str, position: int, rule: str) -> None:
        with pytest.raises(MatchError) as caught:
            predicate(source)

        assert (caught.value.position, caught.value.rule) == (position, rule)
        assert str(caught.value) == f"at character {position + 1}: {rule}"

    def test_an_unknown_name_is_answered_with_the_known_ones(self) -> None:
        with pytest.raises(MatchError, match=r"no such name: .*merchant"):
            predicate("card == '1'")

    def test_the_caret_stands_under_the_fault_on_its_line(self) -> None:
        with pytest.raises(MatchError) as caught:
            predicate('mti == "0100"\n  and de4 > "1"')

        assert caught.value.pointed() == '  and de4 > "1"\n            ^\nde4 is a number: write 1 without quotes'

    def test_a_card_number_is_not_repeated(self) -> None:
        with pytest.raises(MatchError) as caught:
            predicate(f"de4 == '{TEST_PAN}' ===")
        with pytest.raises(MatchError) as typed:
            predicate(f"de4 == '{TEST_PAN}'")

        assert TEST_PAN not in caught.value.pointed() + str(caught.value) + typed.value.pointed() + str(typed.value)
        assert TEST_PAN not in repr(predicate(f"de2 == '{TEST_PAN}'"))

    @pytest.mark.parametrize("source", ["(" * 60 + "request" + ")" * 60, "not " * 60 + "request", "x" * 4001])
    def test_there_are_limits(self, source: str) -> None:
        with pytest.raises(MatchError):
            predicate(source)


class TestAnything:
    """Any text is a predicate or a MatchError; any predicate answers for any message."""

    @given(source=st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)))
    def test_of_texts(self, source: str) -> None:
        try:
            made = predicate(source)
        except MatchError as error:
            assert 0 <= error.position <= len(source)  # noqa: PT017
            assert error.pointed().count("\n") >= 2  # noqa: PT017
            return

        assert made(authorisation_request()) in (True, False)

    @given(
        message=messages(dialect("ascii87")),
        element=st.sampled_from([3, 4, 28, 39, 43, 48, 54, 55, 90, 95, 97]),
        part=st.sampled_from(["", ".type", ".9F02", ".13", ".stan", ".fee", ".1.amount"]),
    )
    def test_of_messages(self, message: Message, element: int, part: str) -> None:
        try:
            made = predicate(f"present(de{element}{part})")
        except MatchError:
            return

        assert not made(message) or element in message

    @given(text=st.text("ab1", max_size=12), pattern=st.text("ab1*?#", max_size=8))
    def test_a_pattern_means_what_the_regular_expression_means(self, text: str, pattern: str) -> None:
        expression = pattern.replace("*", ".*").replace("?", ".").replace("#", "[0-9]")

        assert glob(text, pattern) == (re.fullmatch(expression, text, re.DOTALL) is not None)
