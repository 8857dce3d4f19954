"""Small values: the private element, original data, trace numbers, times, money, errors and tables."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import ConfigError, IsoError, LocalProtocolError, RemoteProtocolError, dialect
from iso.dialects import DIALECT_NAMES
from iso.elements import HIDDEN_ELEMENTS, NAMES, RULES
from iso.formats import parse_rule
from iso.masks import mask_text
from iso.money import CURRENCIES, currency, format_amount
from iso.original import OriginalData
from iso.private import build_private, mask_private, parse_private, without_secrets
from iso.stan import local_date, local_time, next_stan, rrn, stan, transmission_time
from tests.support.messages import DIGITS, authorisation_request

tags = st.dictionaries(
    st.text("0123456789ABab", min_size=2, max_size=2), st.text(st.characters(codec="ascii"), max_size=30), max_size=8
)


class TestPrivateElement:
    """DE 48 is tag, length, value, again and again; what is not that is refused with its place."""

    @given(given_tags=tags)
    def test_it_reads_what_it_writes(self, given_tags: dict[str, str]) -> None:
        assert parse_private(build_private(given_tags)) == given_tags

    @given(text=st.text(max_size=60))
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        try:
            found = parse_private(text)
        except RemoteProtocolError as error:
            assert error.element == 48  # noqa: PT017
            assert mask_private(text) == "*" * len(text)
            return

        assert build_private(found) == text

    @pytest.mark.parametrize(
        "text", ["01", "0100x1", "01003", "0100312", "01001x" * 2, "01-012", "01\u0660\u0660\u0661x"]
    )
    def test_what_is_not_this_layout_is_refused(self, text: str) -> None:
        with pytest.raises(RemoteProtocolError):
            parse_private(text)

    @pytest.mark.parametrize("bad", [{"1": "x"}, {"001": "x"}, {"0-": "x"}, {"01": "x" * 995}])
    def test_what_does_not_fit_is_not_written(self, bad: dict[str, str]) -> None:
        with pytest.raises(LocalProtocolError):
            build_private(bad)

    def test_a_card_number_that_looks_like_tags_is_hidden(self) -> None:
        assert mask_private("30009000000005") == "30009" + "*" * 9
        assert mask_private("30009000000005", filler="0") != "30009000000005"

    def test_digits_that_happen_to_pass_luhn_across_our_tags_do_not_hide_a_trace_id(self) -> None:
        made = {"05": "0" * 28, "06": "07", "13": ""}
        across = next(
            text
            for number in range(1000)
            if mask_text(text := build_private({**made, "13": f"{number:03}" + "a" * 29})[33:]) != text
        )

        assert parse_private(mask_private("05028" + "0" * 28 + across))["13"].endswith("a" * 29)

    def test_secrets_can_be_taken_out(self) -> None:
        assert without_secrets(build_private({"01": "123", "05": "AB", "06": "05"})) == "0600205"


class TestOriginalData:
    """DE 90 names the original by MTI, STAN, DE 7, acquirer and forwarder, filled with zeros."""

    @given(
        stan_=st.text(DIGITS, min_size=6, max_size=6),
        acquirer=st.integers(0, 10**11 - 1),
        forwarder=st.integers(0, 10**11 - 1),
    )
    def test_it_reads_what_it_writes(self, stan_: str, acquirer: int, forwarder: int) -> None:
        original = OriginalData("0100", stan_, "1122131155", str(acquirer or ""), str(forwarder or ""))

        assert len(original.to_de90()) == 42
        assert OriginalData.from_de90(original.to_de90()) == original

    def test_it_names_a_message(self) -> None:
        request = authorisation_request(de33="000777")

        assert OriginalData.of(request).to_de90() == "0100" + "000001" + "1122131155" + "00000123456" + "00000000777"

    @pytest.mark.parametrize("value", ["", "1" * 41, "1" * 43, "x" * 42, "\u0661" * 42])
    def test_what_is_not_42_digits_is_refused(self, value: str) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            OriginalData.from_de90(value)

        assert caught.value.element == 90

    @pytest.mark.parametrize("original", [OriginalData("0100", "1234567", ""), OriginalData("0100", "x", "")])
    def test_a_part_that_does_not_fit_is_our_mistake(self, original: OriginalData) -> None:
        with pytest.raises(LocalProtocolError):
            original.to_de90()


class TestTraceNumbers:
    """A STAN runs from 000001 to 999999 and starts again; zero is never used."""

    @given(number=st.integers(1, 10**9))
    def test_the_next_of_a_number_is_that_of_the_next_number(self, number: int) -> None:
        assert stan(number) != "000000"
        assert next_stan(stan(number)) == stan(number + 1)

    @pytest.mark.parametrize("bad", ["", "1", "00000x", "0000001"])
    def test_what_is_no_stan_has_no_next(self, bad: str) -> None:
        with pytest.raises(LocalProtocolError):
            next_stan(bad)
        with pytest.raises(LocalProtocolError):
            rrn(datetime(2026, 1, 1, tzinfo=UTC), bad if bad != "00000x" else "1")

    def test_transmission_is_in_utc_and_local_time_is_local(self) -> None:
        at = datetime(2027, 1, 1, 0, 30, 5, tzinfo=timezone(timedelta(hours=2)))

        assert transmission_time(at) == "1231223005"
        assert (local_time(at), local_date(at)) == ("003005", "0101")
        assert rrn(at, "000042") == "636522000042"

    def test_an_instant_without_a_zone_is_refused(self) -> None:
        with pytest.raises(LocalProtocolError):
            transmission_time(datetime(2026, 1, 1))  # noqa: DTZ001


class TestMoney:
    """A currency has two codes and an exponent; amounts are whole minor units."""

    @pytest.mark.parametrize(("code", "exponent"), [("usd", 2), ("JPY", 0), ("414", 3), ("978", 2)])
    def test_exponents(self, code: str, exponent: int) -> None:
        assert currency(code).exponent == exponent

    def test_codes_are_unique(self) -> None:
        assert (
            len({entry.alpha for entry in CURRENCIES})
            == len({entry.numeric for entry in CURRENCIES})
            == len(CURRENCIES)
        )

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(IsoError):
            currency("XXX")

    @given(amount=st.integers(-(10**12), 10**12), entry=st.sampled_from(CURRENCIES))
    def test_what_is_written_is_the_amount(self, amount: int, entry: object) -> None:
        alpha, _, exponent = entry  # type: ignore[misc]

        number, code = format_amount(amount, alpha).split(" ")

        assert code == alpha
        assert int(number.replace(".", "")) == amount
        assert len(number.partition(".")[2]) == exponent


class TestTables:
    """The tables are complete, and every dialect can be built from them."""

    @pytest.mark.parametrize("version", ["1987", "1993"])
    def test_every_element_has_a_rule_and_a_name(self, version: str) -> None:
        assert set(RULES[version]) == set(NAMES[version]) == set(range(2, 129)) - {65}
        assert set(RULES[version]) > HIDDEN_ELEMENTS

    @pytest.mark.parametrize("name", DIALECT_NAMES)
    def test_every_dialect_is_one_object(self, name: str) -> None:
        assert dialect(name) is dialect(name)
        assert dialect(name).is_approved({"1987": "00", "1993": "000", "2003": "0000"}[dialect(name).version])
        assert not dialect(name).is_approved("05")

    def test_an_unknown_dialect_is_refused_in_one_line(self) -> None:
        with pytest.raises(ConfigError, match=r"^dialects: name = 'klingon': one of .*ascii87"):
            dialect("klingon")

    @pytest.mark.parametrize("rule", ["", "n", "x6", "n.6", "n.....6", "b-1"])
    def test_a_rule_that_is_none_is_refused(self, rule: str) -> None:
        with pytest.raises(LocalProtocolError):
            parse_rule(rule)


class TestErrors:
    """A configuration error is one line that names file, key, value and rule, however long the value is."""

    def test_it_is_one_line(self) -> None:
        error = ConfigError("house.toml", "links.acquirer.port", "8\n0" * 100, "a port, 1 to 65535")

        assert str(error).startswith("house.toml: links.acquirer.port = '8\\n0")
        assert str(error).endswith("...: a port, 1 to 65535")
        assert "\n" not in str(error)
        assert len(str(error)) < 160


class TestImport:
    """Decoding a message needs none of the frameworks of the house."""

    def test_iso_imports_only_the_standard_library(self) -> None:
        code = (
            "import sys; before = set(sys.modules); import iso, iso.pan, iso.translate, iso.money, iso.stan;"
            "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
        )

        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

        assert found.stdout.split() == ["iso"]
