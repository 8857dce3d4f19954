"""Key types and usages: what goes with what."""

from __future__ import annotations

import pytest

from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.types import TYPES, block_header, check_attributes, same_purpose


class TestAttributes:
    """Usage, algorithm and mode of use must make sense together."""

    @pytest.mark.parametrize(
        ("usage", "algorithm", "mode"),
        [("P0", "T", "E"), ("P0", "A", "B"), ("B0", "T", "X"), ("C0", "T", "C"), ("M6", "A", "V"), ("M7", "H", "G")],
    )
    def test_what_makes_sense(self, usage: str, algorithm: str, mode: str) -> None:
        check_attributes(Header(usage, algorithm, mode))

    @pytest.mark.parametrize(
        ("usage", "algorithm", "mode", "code"),
        [
            ("P0", "T", "X", "A8"),
            ("B0", "T", "B", "A8"),
            ("C0", "A", "C", "A7"),
            ("M7", "A", "C", "A7"),
            ("D0", "H", "B", "A7"),
            ("S0", "R", "S", "A6"),
            ("402", "T", "N", "A6"),
        ],
    )
    def test_what_does_not(self, usage: str, algorithm: str, mode: str, code: str) -> None:
        with pytest.raises(HsmError) as refused:
            check_attributes(Header(usage, algorithm, mode))

        assert refused.value.code == code

    @pytest.mark.parametrize("key_type", sorted(TYPES))
    def test_every_key_type_has_a_counterpart_that_makes_sense(self, key_type: str) -> None:
        header = block_header(key_type, "H" if key_type == "10C" else "T")

        check_attributes(header)

        assert same_purpose(key_type, header.usage)
        assert same_purpose(header.usage, key_type)

    def test_a_key_type_without_a_name_has_none(self) -> None:
        with pytest.raises(HsmError) as refused:
            block_header("907")

        assert refused.value.code == "28"

    def test_other_purposes_are_not_the_same(self) -> None:
        assert not same_purpose("402", "P0")
        assert not same_purpose("P0", "D0")
        assert not same_purpose("009", "41")
