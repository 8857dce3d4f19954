"""Fuzzing of what is inside elements: any bytes are divided and come back, or are refused with a place in them.

Seeds are the chip data and private elements of real messages; they are cut, damaged and wrapped in templates. Bounded
like the other targets.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso import ConfigError, RemoteProtocolError
from iso.formats import FieldFormat
from iso.subfields import BerTlv, Bitmapped, Layout, Tagged, layout_from, layout_of, shown, walk
from iso.subfields.node import Node

CORPUS = json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
CHIP = [
    bytes.fromhex(tag.removeprefix("55.") + f"{len(value) // 2:02X}" + value)
    for entry in CORPUS
    for tag, value in entry["expected_fields"].items()
    if tag.startswith("55.")
]
TEXTS = [
    value.encode("latin-1", "replace")
    for entry in CORPUS
    for tag, value in entry["expected_fields"].items()
    if tag in ("10", "48", "55", "60", "61", "62", "63", "90", "127") and value
]
LAYOUTS: dict[str, Layout] = {
    "ber": BerTlv(),
    "house": Tagged(2, 3),
    "by tag": Tagged(2, 2, fixed={"02": 4}, length_widths={"04": 3}),
    "binary": Tagged(1, 1, tag_encoding="b", length_encoding="b", encoding="b", binary=True),
    "packed": Tagged(1, 2, tag_encoding="bcd", length_encoding="bcd", order="ltv", counts="all"),
    "inside": Tagged(2, 3, inside={"55": BerTlv(), "48": Tagged(2, 2)}),
    "bitmap": Bitmapped(
        {1: FieldFormat("n", 2), 3: FieldFormat("ans", 99, 2), 8: FieldFormat("b", 9, 1, "b", "b")},
        bitmap_bytes=1,
        inside={3: BerTlv()},
    ),
    **{f"standard {element}": layout for element in (3, 22, 43, 54, 90, 95) if (layout := layout_of(element))},
    **{f"1993 {element}": layout for element in (22, 30, 56) if (layout := layout_of(element, "1993"))},
}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Pieces of real elements, sometimes in templates, sometimes spoilt."""
    pieces = draw(st.lists(st.sampled_from(CHIP + TEXTS), min_size=1, max_size=6))
    data = b"".join(pieces)
    for _ in range(draw(st.integers(0, 10))):
        if len(data) < 120:
            data = b"\x70" + bytes((len(data),)) + data
    spoilt = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(spoilt)))
        spoilt[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(spoilt)


class TestAnything:
    """No crash, no exception but the declared one, nothing lost, nothing grown."""

    @pytest.mark.parametrize("name", LAYOUTS)
    @settings(max_examples=150, deadline=None)
    @given(data=st.one_of(damaged(), st.binary(max_size=120)))
    def test_of_each_layout(self, name: str, data: bytes) -> None:
        layout = LAYOUTS[name]
        try:
            nodes = layout.parse(data)
        except RemoteProtocolError as error:
            assert error.offset is None or 0 <= error.offset <= len(data)  # noqa: PT017
            return

        assert layout.build(nodes) == data
        parts: list[Node] = [node for _, node in walk(nodes)]
        assert len(parts) <= len(data) + 1
        assert all(isinstance(shown(node), str) for node in parts)

    @settings(max_examples=100, deadline=None)
    @given(
        table=st.dictionaries(
            st.sampled_from(
                [
                    "layout",
                    "tag_width",
                    "length_width",
                    "parts",
                    "order",
                    "counts",
                    "inside",
                    "names",
                    "most",
                    "encoding",
                ]
            ),
            st.one_of(
                st.sampled_from(["ber", "tlv", "ltv", "positional", "repeated", "bitmap", "all", "cp500", "b"]),
                st.integers(-1, 9),
                st.lists(st.dictionaries(st.sampled_from(["tag", "width"]), st.integers(0, 3)), max_size=2),
                st.dictionaries(st.sampled_from(["1", "2", "x"]), st.sampled_from(["n2", "ans..9", "?"]), max_size=2),
            ),
            max_size=6,
        ),
        data=st.binary(max_size=30),
    )
    def test_of_tables(self, table: dict[str, object], data: bytes) -> None:
        try:
            layout = layout_from(table, source="mine.toml")
        except ConfigError as error:
            assert "\n" not in str(error)  # noqa: PT017
            return
        try:
            nodes = layout.parse(data)
        except RemoteProtocolError:
            return

        assert layout.build(nodes) == data
