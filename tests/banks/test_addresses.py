"""Address verification: what counts of an address, and which letter says how it fits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banks.core.avs import avs_field, avs_result
from banks.core.known import Known
from banks.core.tracks import read_track

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


class TestAddresses:
    """The first five digits of an address count, and letters and digits of a postcode."""

    @pytest.mark.parametrize(
        ("postcode", "address", "letter"),
        [
            ("94107", "510 Townsend St", "Y"),
            ("94107-1234", "510, Townsend", "Y"),
            ("94107", "", "Z"),
            ("94107", "511 Townsend St", "Z"),
            ("", "510 Townsend St", "A"),
            ("94108", "510 Townsend St", "A"),
            ("94108", "511 Townsend St", "N"),
            ("", "Townsend St", "N"),
            ("", "", ""),
        ],
    )
    def test_against_a_card_that_has_both(self, postcode: str, address: str, letter: str) -> None:
        assert avs_result(avs_field(postcode, address), "510", "94107") == letter

    @pytest.mark.parametrize(("given_postcode", "letter"), [("sw1a 1aa", "Z"), ("SW1A1AB", "N")])
    def test_a_postcode_with_letters_is_compared_as_a_whole(self, given_postcode: str, letter: str) -> None:
        assert avs_result(avs_field(given_postcode, ""), "10", "SW1A1AA") == letter

    def test_a_card_without_an_address_says_so(self) -> None:
        assert avs_result(avs_field("94107", "510 Townsend St"), "", "") == "U"

    @given(TEXTS, TEXTS)
    def test_a_card_that_takes_any_finds_nothing_wrong(self, postcode: str, address: str) -> None:
        field = avs_field(postcode, address)

        assert avs_result(field, "*", "*") in ("", "A", "Y", "Z")

    @given(TEXTS, st.text(max_size=60))
    def test_any_text_has_a_letter_or_none(self, address: str, text: str) -> None:
        assert avs_result(text, "510", "94107") in ("", "A", "N", "Y", "Z")
        assert avs_result(avs_field("94107", address), "510", "94107") in ("Y", "Z")


class TestTracks:
    """Any text is a track or none."""

    @given(st.text(max_size=50))
    def test_any_text(self, text: str) -> None:
        track = read_track(text)

        assert track is None or (len(track.expiry), len(track.service_code), len(track.cvv) in (0, 3)) == (4, 3, True)

    @given(st.text("0123456789", min_size=12, max_size=19), st.text("0123456789", max_size=8), st.sampled_from("=D"))
    def test_what_is_behind_the_service_code_may_be_short(self, pan: str, behind: str, mark: str) -> None:
        track = read_track(f"{pan}{mark}3012201{behind}")

        assert track is not None
        assert (track.pan, track.cvv) == (pan, behind[5:8] if len(behind) == 8 else "")


class TestKnownCards:
    """What is remembered of card numbers is bounded; the oldest goes first."""

    @given(st.lists(st.binary(min_size=1, max_size=1)), st.integers(0, 5))
    def test_never_more_than_so_many(self, names: list[bytes], entries_max: int) -> None:
        known = Known(entries_max)

        for name in names:
            known.put(name, name.hex())

        assert len(known) == min(entries_max, len(set(names)))
        assert all(known.get(name) in (None, name.hex()) for name in names)

    def test_the_oldest_goes_first(self) -> None:
        known = Known(2)

        for name in (b"a", b"b", b"a", b"c"):
            known.put(name, name.decode())

        assert [known.get(name) for name in (b"a", b"b", b"c")] == [None, "b", "c"]
