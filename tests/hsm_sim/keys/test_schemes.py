"""Key fields: where they end, and what the Atalla variants add."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys import schemes
from tests.hsm_sim.keys.builders import exactly

LENGTHS = {"U": (16,), "X": (16,), "T": (24,), "Y": (24,), "Z": (8,), "0": (8, 16, 24)}


class TestFieldLength:
    """The scheme letter says how long a key field is; only bare hex needs the command's word."""

    @pytest.mark.parametrize(
        ("field", "bare", "length"),
        [
            ("0123456789ABCDEF", 16, 16),
            ("0123456789ABCDEFFEDCBA9876543210", 32, 32),
            ("U" + "0" * 32, 16, 33),
            ("X" + "0" * 32, 16, 33),
            ("T" + "0" * 48, 16, 49),
            ("Y" + "0" * 48, 16, 49),
            ("S00072K0TB00E0001", 16, 73),
            ("RB0080P0TE00E0000", 16, 81),
        ],
    )
    def test_of_each_form(self, field: str, bare: int, length: int) -> None:
        assert schemes.key_field_length("FFF" + field + "more", 3, bare) == length

    @pytest.mark.parametrize(("field", "code"), [("", "26"), ("Q", "26"), ("S00", "15"), ("RDabcd", "15")])
    def test_of_what_is_no_key(self, field: str, code: str) -> None:
        with pytest.raises(HsmError) as refused:
            schemes.key_field_length(field, 0)

        assert refused.value.code == code


class TestCryptograms:
    """A key comes back from every scheme under every length of wrapping key."""

    @given(st.sampled_from(sorted(LENGTHS)), exactly(16, 24), st.data())
    def test_they_go_round(self, scheme: str, wrapping: bytes, data: st.DataObject) -> None:
        material = data.draw(exactly(*LENGTHS[scheme]))

        assert schemes.unwrap(wrapping, schemes.wrap(wrapping, material, scheme)) == material

    @given(exactly(16), exactly(16))
    def test_the_halves_of_a_variant_key_cannot_be_swapped(self, wrapping: bytes, material: bytes) -> None:
        field = schemes.wrap(wrapping, material, "U")
        swapped = "U" + field[17:] + field[1:17]

        assert schemes.unwrap(wrapping, swapped) != material[8:] + material[:8]

    def test_variants_need_a_double_length_wrapping_key(self) -> None:
        with pytest.raises(HsmError) as refused:
            schemes.wrap(bytes(8), bytes(16), "U")

        assert refused.value.code == "27"


class TestAtalla:
    """An Atalla variant is eight times its number, on the first byte of each part of the master key."""

    @pytest.mark.parametrize(("variant", "first"), [(0, "00"), (1, "08"), (2, "10"), (3, "18"), (31, "F8")])
    def test_what_it_adds(self, variant: int, first: str) -> None:
        part = first + "00" * 7

        assert schemes.with_atalla_variant(bytes(16), variant).hex().upper() == part * 2

    @pytest.mark.parametrize("variant", [-1, 32])
    def test_others_are_refused(self, variant: int) -> None:
        with pytest.raises(HsmError) as refused:
            schemes.with_atalla_variant(bytes(16), variant)

        assert refused.value.code == "15"
