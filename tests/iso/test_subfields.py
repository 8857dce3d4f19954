"""What is inside an element: each layout reads what it writes, keeps what it does not know, and refuses what is cut."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import ConfigError, LocalProtocolError, Message, RemoteProtocolError
from iso.formats import FieldFormat
from iso.private import build_private, parse_private
from iso.subfields import (
    BerTlv,
    Bitmapped,
    Layout,
    Node,
    Part,
    Positional,
    Repeated,
    Tagged,
    element_value,
    find,
    layout_from,
    layout_of,
    parse_element,
    replaced,
    shown,
    walk,
)
from iso.subfields.standard import STANDARD

CORPUS = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
}
BER = BerTlv()
NESTED = Bitmapped(
    {
        2: FieldFormat("ans", 32, 2),
        3: FieldFormat("ans", 48),
        12: FieldFormat("ans", 25),
        25: FieldFormat("ans", 9999, 4),
        33: FieldFormat("n", 4),
    },
    names={2: "Switch key"},
    secrets=frozenset({12}),
    inside={25: Bitmapped({2: FieldFormat("n", 12), 7: FieldFormat("ans", 8, 2)}, bitmap_encoding="ascii")},
)
LAYOUTS: dict[str, Layout] = {
    "ber": BER,
    "house": Tagged(2, 3),
    "bcd tag and length": Tagged(1, 1, tag_encoding="bcd", length_encoding="bcd", encoding="b", binary=True),
    "binary": Tagged(2, 2, tag_encoding="b", length_encoding="b", encoding="b", binary=True),
    "ebcdic": Tagged(3, 2, tag_encoding="cp500", length_encoding="cp500", encoding="cp500"),
    "length first": Tagged(2, 2, order="ltv", counts="tag+value"),
    "length of all": Tagged(2, 3, counts="all"),
    "by tag": Tagged(2, 2, fixed={"02": 4}, length_widths={"04": 3}),
    "columns": Positional((Part("a", 2), Part("b", 3), Part("rest", 0)), short=True),
    "rows": Repeated(Positional((Part("a", 2), Part("b", 3))), most=3),
    "bitmap": NESTED,
    "bitmaps": Bitmapped({2: FieldFormat("ans", 9, 1), 20: FieldFormat("n", 2)}, bitmap_bytes=1, continued=True),
    "names": STANDARD["1987"][43],
    "original 1993": STANDARD["1993"][56],
}
each_layout = pytest.mark.parametrize("name", LAYOUTS)


class TestAnyBytes:
    """Any bytes are divided without a gap and come back as they were, or are refused with a place."""

    @each_layout
    @given(data=st.data())
    def test_what_is_read_is_written_back(self, name: str, data: st.DataObject) -> None:
        layout = LAYOUTS[name]
        raw = data.draw(st.one_of(st.binary(max_size=60), written_by(name)))
        try:
            nodes = layout.parse(raw)
        except RemoteProtocolError as error:
            assert 0 <= (error.offset or 0) <= len(raw)  # noqa: PT017
            return

        assert layout.build(nodes) == raw
        for _, node in walk(nodes):
            assert 0 <= node.start <= node.end <= len(raw)

    @pytest.mark.parametrize("name", ["ber", "house", "length first", "columns", "rows", "ebcdic"])
    @given(data=st.data())
    def test_parts_follow_one_another_and_hold_the_bytes_that_they_say(self, name: str, data: st.DataObject) -> None:
        raw = data.draw(written_by(name))

        nodes = LAYOUTS[name].parse(raw)

        edges = [0, *(node.end for node in nodes)]
        assert [node.start for node in nodes] == edges[:-1]
        assert edges[-1] == len(raw)
        assert all(raw[node.start : node.end].endswith(node.raw) for node in nodes)

    @pytest.mark.parametrize("name", ["ber", "house", "binary", "length first", "by tag", "bitmap"])
    @given(data=st.data())
    def test_what_is_cut_off_is_never_read_as_if_it_were_whole(self, name: str, data: st.DataObject) -> None:
        raw = data.draw(written_by(name))
        cut = data.draw(st.integers(0, max(0, len(raw) - 1)))
        try:
            nodes = LAYOUTS[name].parse(raw[:cut])
        except RemoteProtocolError:
            return

        assert LAYOUTS[name].build(nodes) == raw[:cut]


@cache
def written_by(name: str) -> st.SearchStrategy[bytes]:
    """Bytes that a layout accepts."""
    value = st.binary(max_size=12)
    text = st.text("ABC019", max_size=9).map(str.encode)
    if name == "ber":
        return st.recursive(st.just(b""), ber_of, max_leaves=6)
    if name == "columns":
        return st.sampled_from([b"", b"aa", b"aabbb", b"aabbbrest"])
    if name in ("rows", "bitmap", "bitmaps", "names", "original 1993"):
        return st.sampled_from(EXAMPLES[name])
    tags = {"bcd tag and length": ["01", "99"], "binary": ["0001", "FF02"], "ebcdic": ["A01", "ZZ9"]}
    raw = value if name in ("binary", "bcd tag and length") else text
    # Not `st.builds`: it would make up the optional fields too, children within children.
    node = st.tuples(st.sampled_from(tags.get(name, ["01", "ZZ", "03"])), raw).map(lambda pair: Node(*pair))
    nodes = st.lists(node, max_size=5)
    return nodes.map(LAYOUTS[name].build)


def ber_of(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    primitive = st.tuples(st.sampled_from(["9A", "9F36", "DF8101", "5F2A", "C0"]), st.binary(max_size=200))
    template = st.tuples(st.sampled_from(["70", "BF0C", "E1"]), inner)
    one = st.one_of(primitive, template).map(lambda pair: bytes.fromhex(pair[0]) + long_or_short(pair[1]) + pair[1])
    return st.lists(st.one_of(one, st.just(b"\0\0")), max_size=3).map(b"".join)


def long_or_short(value: bytes) -> bytes:
    """A legal length that is often longer than it need be."""
    size = len(value)
    if size < 128 and size % 2:
        return bytes((size,))
    return b"\x81" + bytes((size,)) if size < 256 else b"\x83" + size.to_bytes(3, "big")


EXAMPLES = {
    "rows": [b"", b"aabbb", b"aabbbccddd"],
    "bitmap": [
        bytes.fromhex("4000000000000000") + b"03abc",
        bytes.fromhex("4010008080000000") + b"00" + b"x" * 25 + b"0030" + b"420000000000000000000000199900" + b"1234",
    ],
    "bitmaps": [bytes((0b01000000,)) + b"3abc", bytes((0b11000000, 0b10000000, 0b00010000)) + b"042"],
    "names": [b"Shop".ljust(38) + b"US"],
    "original 1993": [b"1100000001", b"110000000126112213115506123456"],
}


class TestBerTlv:
    """DE 55: templates are opened, the indefinite length is refused, and nothing is normalised."""

    def test_of_a_message_of_another_implementation(self) -> None:
        expected = {
            tag.removeprefix("55."): value
            for tag, value in CORPUS["V15"]["expected_fields"].items()
            if tag.startswith("55.")
        }
        message = bytes.fromhex(CORPUS["V15"]["hex"])
        start = message.index(bytes.fromhex("82023900"))

        nodes = BER.parse(message[start : start + 132])

        assert {node.tag: node.text for node in nodes} == expected
        assert find(nodes, "9f26") is not None

    def test_templates_are_opened(self) -> None:
        nodes = BER.parse(bytes.fromhex("7109" + "9F18020102" + "860112" + "00"))

        assert [(depth, node.tag, node.text) for depth, node in walk(nodes)] == [
            (0, "71", ""),
            (1, "9F18", "0102"),
            (1, "86", "12"),
        ]
        assert find(nodes, "71.86") == nodes[0].children[1]

    @pytest.mark.parametrize(
        ("data", "offset"),
        [
            ("7180" + "9A03261122" + "0000", 1),
            ("9F", 0),
            ("9F81", 0),
            ("9FFFFFFFFFFF01", 0),
            ("9A", 1),
            ("9A03" + "2611", 0),
            ("9A85" + "0000000000", 1),
            ("9A8403", 1),
            ("9A03261122" + "9F3605001A", 5),
            ("7003" + "9A0326", 2),
        ],
    )
    def test_what_is_illegal_is_refused_with_its_place(self, data: str, offset: int) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            BER.parse(bytes.fromhex(data))

        assert caught.value.offset == offset

    def test_templates_nest_only_so_deep(self) -> None:
        deep = b""
        for _ in range(8):
            deep = b"\x70" + bytes((len(deep),)) + deep

        assert len(list(walk(BER.parse(deep)))) == 8
        with pytest.raises(RemoteProtocolError):
            BER.parse(b"\x70" + bytes((len(deep),)) + deep)

    def test_a_changed_value_gets_a_new_length_and_the_rest_stays(self) -> None:
        data = bytes.fromhex("9A8103261122" + "9F360200010000")

        changed = replaced(BER.parse(data), "9A", b"\x26" * 200)

        assert BER.build(changed) == bytes.fromhex("9A81C8" + "26" * 200 + "9F360200010000")

    def test_a_change_inside_a_template_is_written(self) -> None:
        nodes = BER.parse(bytes.fromhex("7106" + "9F1803010203"))

        assert BER.build(replaced(nodes, "71.9f18", b"\x01")) == bytes.fromhex("7104" + "9F180101")

    def test_a_path_that_does_not_exist_cannot_be_changed(self) -> None:
        with pytest.raises(LocalProtocolError):
            replaced(BER.parse(b"\x9a\x00"), "9B", b"")

    @pytest.mark.parametrize("tag", ["9F", "9A9A", "XY", "00", "9FFFFFFFFF01", "9"])
    def test_what_is_no_tag_is_not_written(self, tag: str) -> None:
        with pytest.raises(LocalProtocolError):
            BER.build([Node(tag, b"")])

    def test_padding_is_only_zeros(self) -> None:
        with pytest.raises(LocalProtocolError):
            BER.build([Node("", b"\xff")])

    def test_a_card_number_is_never_shown(self) -> None:
        nodes = BER.parse(
            bytes.fromhex("5A084242424242424242" + "5F2403311231" + "DF0108" + "4242424242424242" + "DF0210")
            + b"4242424242424242"
        )

        values = [shown(node) for node in nodes]

        assert values == ["***", "***", "424242******4242", "***"]


class TestTagged:
    """DE 48 and 60 to 63: whatever widths and orders networks chose."""

    def test_the_house_layout_reads_as_the_house_does(self) -> None:
        text = build_private({"01": "123", "06": "05", "ZZ": ""})

        nodes = parse_element(text, layout_of(48) or BER)

        assert {node.tag: node.text for node in nodes} == parse_private(text)
        assert [shown(node) for node in nodes] == ["***", "05", ""]

    def test_lengths_by_tag_as_another_implementation_has_them(self) -> None:
        value = CORPUS["V14"]["expected_fields"]["10"].encode()

        nodes = LAYOUTS["by tag"].parse(value)

        assert [(node.tag, node.text) for node in nodes] == [
            ("01", "Merchant Name"),
            ("02", "1234"),
            ("03", "1234567890"),
            ("04", "https://www.merchant.com"),
        ]

    @pytest.mark.parametrize(
        ("name", "data", "parts"),
        [
            ("length first", b"04AAxy02BB", [("AA", "xy"), ("BB", "")]),
            ("length of all", b"AA007xyBB005", [("AA", "xy"), ("BB", "")]),
            ("ebcdic", "A0102xy".encode("cp500"), [("A01", "xy")]),
            ("binary", b"\x00\x01\x00\x02\xab\xcd", [("0001", "ABCD")]),
            ("bcd tag and length", b"\x37\x10" + b"\xff" * 10, [("37", "FF" * 10)]),
        ],
    )
    def test_each_reads_as_it_says(self, name: str, data: bytes, parts: list[tuple[str, str]]) -> None:
        assert [(node.tag, node.text) for node in LAYOUTS[name].parse(data)] == parts

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("house", b"01-01x"),
            ("house", b"0100"),
            ("length first", b"01AA"),
            ("length of all", b"AA004x"),
            ("bcd tag and length", b"\x3a\x01x"),
            ("by tag", b"02123"),
        ],
    )
    def test_what_is_illegal_is_refused(self, name: str, data: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            LAYOUTS[name].parse(data)

    @pytest.mark.parametrize(
        "node", [Node("1", b""), Node("001", b""), Node("01", b"x" * 1000), Node("\u00e4\u00e4", b"")]
    )
    def test_what_does_not_fit_is_not_written(self, node: Node) -> None:
        with pytest.raises(LocalProtocolError):
            LAYOUTS["house"].build([node])

    def test_a_tag_can_be_divided_further(self) -> None:
        layout = Tagged(2, 2, inside={"55": BER})

        [node] = layout.parse(b"5505" + bytes.fromhex("9A03261122"))

        assert [child.tag for child in node.children] == ["9A"]
        with pytest.raises(RemoteProtocolError) as caught:
            layout.parse(b"0100" + b"5503" + bytes.fromhex("9A0326"))
        assert caught.value.offset == 8

    @pytest.mark.parametrize(
        "changes",
        [
            {"tag_width": 0},
            {"length_width": 9},
            {"order": "vlt"},
            {"counts": "nothing"},
            {"encoding": "klingon"},
            {"tag_encoding": "utf-16"},
            {"order": "ltv", "fixed": {"01": 2}},
        ],
    )
    def test_an_impossible_layout_is_refused(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ConfigError):
            Tagged(**({"tag_width": 2, "length_width": 2} | changes))


class TestPositional:
    """A column is where it is; a row ends where a column ends."""

    def test_a_short_row_has_its_first_columns(self) -> None:
        assert [node.text for node in LAYOUTS["columns"].parse(b"aabbb")] == ["aa", "bbb"]

    @pytest.mark.parametrize("data", [b"a", b"aab"])
    def test_half_a_column_is_refused(self, data: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            LAYOUTS["columns"].parse(data)

    @pytest.mark.parametrize("parts", [(), (Part("a", 0), Part("b", 1)), (Part("a", 1), Part("A", 1)), (Part("", 1),)])
    def test_an_impossible_row_is_refused(self, parts: tuple[Part, ...]) -> None:
        with pytest.raises(ConfigError):
            Positional(parts)

    @pytest.mark.parametrize("nodes", [[], [Node("b", b"bbb")], [Node("type", b"0"), Node("from", b"00")]])
    def test_columns_out_of_place_are_not_written(self, nodes: list[Node]) -> None:
        with pytest.raises(LocalProtocolError):
            STANDARD["1987"][3].build(nodes)

    def test_rows_are_numbered(self) -> None:
        nodes = parse_element("0001840C000000000100" + "0002840D000000000200", STANDARD["1987"][54])

        assert find(nodes, "2.amount") == Node("amount", b"000000000200", "000000000200", 28, 40, name="Amount")

    def test_more_rows_than_there_may_be_are_refused(self) -> None:
        with pytest.raises(RemoteProtocolError):
            LAYOUTS["rows"].parse(b"aabbb" * 4)
        with pytest.raises(LocalProtocolError):
            LAYOUTS["rows"].build(LAYOUTS["rows"].parse(b"aabbb") * 4)


class TestBitmapped:
    """DE 127: a bitmap inside an element, and inside that another one."""

    def test_parts_and_their_parts(self) -> None:
        nodes = NESTED.parse(EXAMPLES["bitmap"][1])

        assert [node.tag for node in nodes] == ["2", "12", "25", "33"]
        assert find(nodes, "25.2") == Node("2", b"000000001999", "000000001999", 16, 28)
        assert find(nodes, "25.7") == Node("7", b"", "", 28, 30)
        assert (nodes[0].name, shown(nodes[1])) == ("Switch key", "***")

    def test_a_second_block_follows_the_first_bit(self) -> None:
        layout = LAYOUTS["bitmaps"]

        nodes = layout.parse(EXAMPLES["bitmaps"][1])

        assert [(node.tag, node.text) for node in nodes] == [("2", ""), ("20", "42")]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x40" * 7,
            bytes.fromhex("2000000000000001") + b"x" * 48,
            bytes.fromhex("4000000000000000") + b"05abc",
            bytes.fromhex("4000000000000000") + b"03abcd",
            bytes.fromhex("0000008000000000") + b"0003abc",
        ],
    )
    def test_what_is_illegal_is_refused(self, data: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            NESTED.parse(data)

    @pytest.mark.parametrize("nodes", [[Node("4", b"", "x")], [Node("2", b"", "x")] * 2, [Node("33", b"", "x")]])
    def test_what_does_not_fit_is_not_written(self, nodes: list[Node]) -> None:
        with pytest.raises(LocalProtocolError):
            NESTED.build(nodes)

    @pytest.mark.parametrize("number", [0, 65, 500])
    def test_a_part_that_the_bitmap_cannot_say_is_refused(self, number: int) -> None:
        with pytest.raises(ConfigError):
            Bitmapped({number: FieldFormat("n", 1)})


class TestElements:
    """An element's value becomes parts and a value again, whether it is text or hexadecimal."""

    def test_of_text_and_of_hexadecimal(self) -> None:
        message = Message("0100", {3: "012000", 55: "9F3602001A"})

        trees = {element: parse_element(message[element], layout_of(element) or BER) for element in (3, 55)}

        assert [node.text for node in trees[3]] == ["01", "20", "00"]
        assert element_value(trees[3], STANDARD["1987"][3]) == "012000"
        assert element_value(trees[55], BER) == "9F3602001A"

    @pytest.mark.parametrize(("element", "value"), [(55, "XY"), (55, "9"), (3, "00\u20ac000"), (90, "1")])
    def test_a_fault_names_the_element_and_not_its_content(self, element: int, value: str) -> None:
        with pytest.raises(RemoteProtocolError, match=rf"^DE {element}: ") as caught:
            parse_element(value, layout_of(element) or BER, element)

        assert caught.value.element == element
        assert caught.value.__cause__ is None

    def test_what_is_not_divided_has_no_layout(self) -> None:
        assert layout_of(4) is None
        assert layout_of(3, "national") is None


class TestTables:
    """A table of the user's becomes a layout, or one line that says what is wrong with it."""

    @pytest.mark.parametrize(
        ("table", "data"),
        [
            ({"layout": "ber"}, bytes.fromhex("9A00")),
            ({"layout": "tlv", "tag_width": 2, "length_width": 3, "names": {"01": "x"}, "secrets": ["01"]}, b"010011"),
            ({"layout": "tlv", "tag_width": 1, "length_width": 1, "inside": {"A": {"layout": "ber"}}}, b"A2\x9a\0"),
            ({"layout": "positional", "parts": [{"tag": "a", "width": 2}], "short": True}, b""),
            ({"layout": "repeated", "most": 2, "parts": [{"tag": "a", "width": 1, "name": "A"}]}, b"xx"),
            ({"layout": "bitmap", "parts": {"2": "n..19"}, "names": {"2": "x"}}, b"\x40" + bytes(7) + b"0212"),
            ({"layout": "bitmap", "parts": {"1": "n4"}, "numeric": "bcd", "bitmap_bytes": 1}, b"\x80\x12\x34"),
        ],
    )
    def test_it_reads_what_it_says(self, table: dict[str, Any], data: bytes) -> None:
        layout = layout_from(table, source="mine.toml")

        assert layout.build(layout.parse(data)) == data

    @pytest.mark.parametrize(
        "table",
        [
            {},
            {"layout": "xml"},
            {"layout": "ber", "tag_width": 2},
            {"layout": "tlv", "tag_width": "2", "length_width": 2},
            {"layout": "tlv"},
            {"layout": "ltv", "tag_width": 2},
            {"layout": "tlv", "tag_width": 2, "length_width": 2, "order": "ltv"},
            {"layout": "tlv", "tag_width": 20, "length_width": 2},
            {"layout": "tlv", "tag_width": 2, "length_width": 2, "inside": {"01": "ber"}},
            {"layout": "tlv", "tag_width": 2, "length_width": 2, "secrets": [1]},
            {"layout": "positional", "parts": [{"width": 2}]},
            {"layout": "positional", "parts": [{"tag": "a", "width": 2, "colour": 1}]},
            {"layout": "repeated", "parts": [{"tag": "a", "width": 2}]},
            {"layout": "bitmap", "parts": {"2": "n..x"}},
            {"layout": "bitmap", "parts": {"two": "n2"}},
            {"layout": "bitmap", "parts": {"99": "n2"}},
        ],
    )
    def test_what_is_wrong_is_said_in_one_line(self, table: dict[str, Any]) -> None:
        with pytest.raises(ConfigError) as caught:
            layout_from(table, source="mine.toml", key="elements.48")

        assert str(caught.value).startswith("mine.toml: elements.48")
        assert "\n" not in str(caught.value)

    def test_tables_nest_only_so_deep(self) -> None:
        table: dict[str, Any] = {"layout": "ber"}
        for _ in range(9):
            table = {"layout": "tlv", "tag_width": 2, "length_width": 2, "inside": {"01": table}}

        with pytest.raises(ConfigError):
            layout_from(table, source="mine.toml")
