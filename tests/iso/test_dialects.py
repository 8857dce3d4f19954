"""Dialects: the built-in ones, what a user says in TOML, third bitmaps, lenient readings, and words for codes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import ConfigError, Message, RemoteProtocolError, decode, dialect, encode
from iso.codec import decode_with_spans
from iso.dialect_file import dialect_from_toml
from iso.dialects import DIALECT_NAMES
from iso.ebcdic import CP1047
from iso.formats import parse_rule
from iso.remarks import Remark, decode_with_remarks
from tests.support.messages import authorisation_request, messages, values

CORPUS = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
}
THIRD = {
    form: replace(
        dialect("ascii87"),
        name=form,
        third_bitmap=form,
        formats=dict(dialect("ascii87").formats)
        | {element: dialect("ascii87").formats[48] for element in (129, 150, 192)},
    )
    for form in ("after-second", "element-65")
}


KEYS = st.sampled_from(
    [
        "name",
        "base",
        "version",
        "text",
        "numeric",
        "lengths",
        "framing",
        "header",
        "mac",
        "approved_codes",
        "lenient",
        "elements",
        "meanings",
        "layouts",
        "default_header",
        "header_bytes",
        "third_bitmap",
        "pad",
        "unknown",
    ]
)
VALUES = st.sampled_from(
    [
        '"x"',
        '"ascii87"',
        '"1987"',
        '"bcd"',
        '"cp1047"',
        '"len4-ascii"',
        '"tpdu"',
        '"utf-16"',
        '""',
        "1",
        "-1",
        "1.5",
        "true",
        "[]",
        '["00"]',
        "{}",
        '{48 = "n6"}',
        '{48 = {rule = "ans..9", text = "cp500"}}',
        '{48 = {layout = "ber"}}',
        "1979-05-27",
    ]
)


def as_toml(table: dict[str, str]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in table.items())


class TestCodePage1047:
    """Python lacks the code page that open stacks mean by EBCDIC; here it is."""

    def test_it_is_a_permutation_that_goes_both_ways(self) -> None:
        everything = bytes(range(256))

        assert everything.decode("cp1047") == CP1047
        assert CP1047.encode("cp1047") == everything

    def test_it_differs_from_037_in_six_characters(self) -> None:
        ours, theirs = (bytes(range(256)).decode(name) for name in ("cp1047", "cp037"))

        assert {one for one, other in zip(ours, theirs, strict=True) if one != other} == set("[]^¬¨Ý")
        assert "[]^".encode("cp1047") == bytes.fromhex("ADBD5F")

    def test_a_character_that_it_lacks_is_refused(self) -> None:
        with pytest.raises(UnicodeEncodeError):
            "€".encode("cp1047")

    def test_a_message_of_a_peer_that_writes_it(self) -> None:
        spoken = dialect_from_toml('name = "mainframe"\nbase = "ebcdic93"\ntext = "cp1047"')
        data = bytes.fromhex(CORPUS["V29"]["hex"])

        message = decode(data, spoken)

        assert {"0": message.mti} | {str(key): value for key, value in message.fields.items()} == CORPUS["V29"][
            "expected_fields"
        ]
        assert encode(message, spoken) == data


class TestBuiltIn:
    """Ten ways of writing the same message."""

    @pytest.mark.parametrize("name", [name for name in DIALECT_NAMES if dialect(name).version == "1987"])
    def test_the_same_request_in_each_of_1987(self, name: str) -> None:
        request = authorisation_request(de52="0123456789ABCDEF", de55="9F360200A1", de28="D00000022")

        again = decode(encode(request, dialect(name)), dialect(name))

        assert again.without_mac() == request

    def test_binary_elements_are_characters_where_all_is_text(self) -> None:
        raw = encode(Message("0100", {52: "0123456789abcdef", 55: "9F3602"}), dialect("ascii87-hex"))

        assert raw.endswith(b"0123456789ABCDEF" + b"006" + b"9F3602")
        assert decode(raw.replace(b"9F36", b"9f36"), dialect("ascii87-hex"))[55] == "9F3602"

    @pytest.mark.parametrize("value", [b"0059F360", b"0049F3G"])
    def test_half_a_byte_is_refused(self, value: bytes) -> None:
        raw = encode(Message("0100", {55: ""}), dialect("ascii87-hex"))[:-3]

        with pytest.raises(RemoteProtocolError) as caught:
            decode(raw + value, dialect("ascii87-hex"))

        assert caught.value.element == 55

    def test_base1_counts_its_header_in_the_header(self) -> None:
        raw = encode(Message("0800", {3: "000000", 11: "000001", 41: "29110001"}), dialect("base1"))

        assert raw[:5].hex() == "160102002e"
        assert decode(raw, dialect("base1")).header == "160102002E" + "00" * 17
        assert raw[-8:] == "29110001".encode("cp1047")

    def test_another_header_is_not_taken_for_base1(self) -> None:
        raw = encode(Message("0800", {11: "000001"}), dialect("base1"))

        with pytest.raises(RemoteProtocolError):
            decode(b"\x1a" + raw[1:], dialect("base1"))


class TestThirdBitmap:
    """Elements 129 to 192, behind a bitmap that follows the second or stands where element 65 would."""

    @pytest.mark.parametrize("form", THIRD)
    @given(data=st.data())
    def test_what_is_written_is_read(self, form: str, data: st.DataObject) -> None:
        spoken = THIRD[form]
        message = data.draw(messages(spoken)).with_fields({150: data.draw(values(spoken.formats[150]))})

        raw = encode(message, spoken)
        again, found = decode_with_spans(raw, spoken)

        assert again == message
        assert found[-1][2] == len(raw)
        assert all(one[2] == other[1] for one, other in pairwise(found))

    def test_where_it_stands(self) -> None:
        message = Message("0800", {11: "000001", 70: "301", 150: "X"})

        after, within = (encode(message, THIRD[form]) for form in THIRD)

        head, third = b"0800" + b"8020000000000000" + b"8400000000000000", b"0000040000000000"
        assert after == head + third + b"000001" + b"301" + b"001X"
        assert within == head + b"000001" + third + b"301" + b"001X"

    def test_elements_beyond_need_one(self) -> None:
        with pytest.raises(ConfigError):
            replace(dialect("ascii87"), formats=dict(THIRD["element-65"].formats))


class TestLenient:
    """What others write wrongly is read where a dialect says so, flagged, and never written."""

    DATA = bytes.fromhex(CORPUS["V15"]["hex"])

    def test_a_bitmap_of_fixed_length_is_read(self) -> None:
        message, remarks = decode_with_remarks(self.DATA, dialect("ascii87").relaxed())

        assert message[62] == CORPUS["V15"]["expected_fields"]["62"]
        assert [remark[:2] for remark in remarks] == [(1, "fixed-bitmap")]
        assert decode(self.DATA, dialect("ascii87").relaxed()) == message

    def test_it_is_refused_otherwise(self) -> None:
        with pytest.raises(RemoteProtocolError):
            decode(self.DATA, dialect("ascii87"))

    def test_elements_above_64_are_read_too(self) -> None:
        raw = b"0800" + b"0020000000000000" + b"0400000000000000" + b"000001" + b"301"

        assert decode(raw, dialect("ascii87").relaxed()).fields == {11: "000001", 70: "301"}

    def test_it_is_never_written(self) -> None:
        relaxed = dialect("ascii87").relaxed()

        again = encode(decode(self.DATA, relaxed), relaxed)

        assert len(again) == len(self.DATA) - 16
        assert decode_with_remarks(again, relaxed)[1] == ()

    def test_the_error_is_that_of_the_strict_reading(self) -> None:
        errors = []
        for spoken in (dialect("ascii87"), dialect("ascii87").relaxed()):
            with pytest.raises(RemoteProtocolError) as caught:
                decode(self.DATA[:-1], spoken)
            errors.append((str(caught.value), caught.value.element, caught.value.offset, caught.value.__context__))

        assert errors[0] == errors[1]

    def test_an_empty_element_is_accepted_and_flagged(self) -> None:
        data = bytes.fromhex(CORPUS["V25"]["hex"])
        spoken = dialect_from_toml('name = "v25"\nbase = "ascii87-hex"\n[elements]\n52 = "ans16"\n55 = "ans...255"')

        message, remarks = decode_with_remarks(data, spoken)

        assert message[32] == ""
        assert remarks == (Remark(32, "empty", "DE 32 is empty"),)


class TestMeanings:
    """A code's meaning is the dialect's: the same value means one thing here and another there."""

    @pytest.mark.parametrize(
        ("name", "element", "value", "words"),
        [
            ("ascii87", 3, "310000", "balance inquiry; from default account; to default account"),
            ("ascii87", 3, "380000", "mini-statement; from default account; to default account"),
            ("ascii87", 22, "812", "e-commerce; no PIN entry"),
            ("ascii87", 25, "59", "e-commerce"),
            ("ascii87", 39, "85", None),
            ("base1", 39, "85", "no reason to decline"),
            ("ascii93", 39, "116", "insufficient funds"),
            ("ascii93", 24, "831", "echo test"),
            ("ascii93", 70, "301", None),
            ("ascii87", 70, "301", "echo test"),
            ("ascii87", 3, "99", None),
            ("ascii87", 2, "4242", None),
            ("ascii87", 54, "1002978D000000000500", "available balance of savings: -500 minor units of currency 978"),
            ("ascii87", 54, "1002978X000000000500", None),
        ],
    )
    def test_it_is_looked_up(self, name: str, element: int, value: str, words: str | None) -> None:
        assert dialect(name).meaning(element, value) == words

    @given(value=st.text(max_size=50), element=st.sampled_from([3, 22, 25, 39, 54, 70]))
    def test_any_value_has_words_or_none(self, value: str, element: int) -> None:
        found = dialect("ascii87").meaning(element, value)

        assert found is None or found


FILE = """
name = "my-host"
base = "ascii87"
numeric = "bcd"
lengths = "bcd"
pad = "right"
pad_digit = "F"
framing = "len4-ascii"
approved_codes = ["00", "85"]
[elements]
48 = "ans..50"
52 = "none"
55 = { rule = "b..255", lengths = "b", name = "Chip" }
[meanings.39]
85 = "no reason to decline"
[meanings.63]
A = "first"
"""


class TestFile:
    """A user's dialect is a base and what differs; whatever is wrong is one line."""

    def test_it_says_what_differs(self) -> None:
        spoken = dialect_from_toml(FILE)

        raw = encode(Message("0100", {22: "051", 48: "AB", 55: "9F36"}), spoken)

        assert raw.endswith(bytes.fromhex("051F") + b"\x02AB" + b"\x02\x9f\x36")
        assert (spoken.name, spoken.framing, spoken.names[55]) == ("my-host", "len4-ascii", "Chip")
        assert 52 not in spoken.formats
        assert spoken.is_approved("85")
        assert (spoken.meaning(39, "85"), spoken.meaning(39, "51")) == ("no reason to decline", "insufficient funds")
        assert spoken.meaning(63, "A") == "first"
        assert dialect("ascii87").meaning(39, "85") is None

    @given(data=st.data())
    def test_its_messages_go_both_ways(self, data: st.DataObject) -> None:
        message = data.draw(messages(OWN))

        assert decode(encode(message, OWN), OWN) == message

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("name = ", "(file)"),
            ('base = "ascii87"', "name"),
            ('name = "x"', "version"),
            ('name = "x"\nversion = "1066"', "version"),
            ('name = "x"\nbase = "klingon"', "base"),
            ('name = "x"\nbase = "ascii87"\nversion = "1993"', "version"),
            ('name = "x"\nbase = "ascii87"\ntypo = 1', "typo"),
            ('name = 1\nbase = "ascii87"', "name"),
            ('name = "x"\nbase = "ascii87"\ntext = "klingon"', "text"),
            ('name = "x"\nbase = "ascii87"\ntext = "utf-16"', "text"),
            ('name = "x"\nbase = "ascii87"\nlengths = "long"', "lengths"),
            ('name = "x"\nbase = "ascii87"\nmac = "yes"', "mac"),
            ('name = "x"\nbase = "ascii87"\nframing = "len9"', "framing"),
            ('name = "x"\nbase = "ascii87"\nheader = "letter"', "header"),
            (
                'name = "x"\nbase = "ascii87"\nheader = "fixed"\nheader_bytes = 3\ndefault_header = "GG0000"',
                "default_header",
            ),
            ('name = "x"\nbase = "ascii87"\nheader_bytes = -1', "header_bytes"),
            ('name = "x"\nbase = "ascii87"\nthird_bitmap = "maybe"', "third_bitmap"),
            ('name = "x"\nbase = "ascii87"\napproved_codes = [0]', "approved_codes"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n1 = "n6"', "elements.1"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n129 = "n6"', "elements"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n48 = "many"', "elements.48"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n48 = "ans..500"', "elements.48"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n48 = "ans0"', "elements.48"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n48 = { name = "x" }', "elements.48.rule"),
            ('name = "x"\nbase = "ascii87"\n[elements]\n48 = { rule = "n6", bitmap = "b" }', "elements.48.bitmap"),
            ('name = "x"\nbase = "pos-bcd87"\n[elements]\n28 = "x+n8"', "elements.28"),
            ('name = "x"\nbase = "ascii87"\n[meanings]\n39 = "yes"', "meanings.39"),
            ('name = "x"\nbase = "ascii87"\n[meanings.39]\n851 = "no"', "meanings.39.851"),
        ],
    )
    def test_what_is_wrong_is_named_in_one_line(self, text: str, key: str) -> None:
        with pytest.raises(ConfigError) as caught:
            dialect_from_toml(text, "own.toml")

        assert (caught.value.file, caught.value.key) == ("own.toml", key)
        assert "\n" not in str(caught.value)

    @given(text=st.one_of(st.text(max_size=80), st.dictionaries(KEYS, VALUES, max_size=6).map(as_toml)))
    def test_any_text_is_a_dialect_or_one_line_about_the_file(self, text: str) -> None:
        try:
            made = dialect_from_toml(text, "own.toml")
        except ConfigError as error:
            said = str(error)
        else:
            said = f"own.toml: {made.name}"

        assert said.startswith("own.toml: ")
        assert "\n" not in said

    @pytest.mark.parametrize("rule", ["n6", "a..20", "an9", "ans...999", "z..37", "b..50", "b8", "x+n9"])
    @pytest.mark.parametrize("base", ["ascii87", "ascii87-hex", "pos-bcd87", "base1", "ebcdic87"])
    def test_any_rule_goes_with_any_base(self, base: str, rule: str) -> None:
        spoken = dialect_from_toml(f'name = "x"\nbase = "{base}"\n[elements]\n48 = "{rule}"')
        kind = parse_rule(rule).kind
        size = spoken.formats[48].size
        value = {"x+n": "C" + "1" * 8, "b": "AB" * 8, "a": "A" * size}.get(kind, "1" * min(size, 30))

        assert decode(encode(Message("0100", {48: value}), spoken), spoken)[48] == value


OWN = dialect_from_toml(FILE)
