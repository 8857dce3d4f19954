"""Bytes and messages: what one writes the other reads, whatever arrives."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import iso8583
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso8583 import specs

from iso import ConfigError, Dialect, LocalProtocolError, Message, RemoteProtocolError, decode, dialect, encode
from iso.codec import spans
from iso.dialects import DIALECT_NAMES
from tests.support.messages import authorisation_request, messages, network_message, values

each_dialect = pytest.mark.parametrize("name", DIALECT_NAMES)


def packed_spec() -> dict[str, Any]:
    """A foreign specification with half bytes, both pads, and every kind of length prefix."""
    spec: dict[str, Any] = copy.deepcopy(specs.default)
    spec["t"]["data_enc"] = "b"
    nibbles = {"data_enc": "b", "len_enc": "bcd", "len_count": "nibbles"}
    spec["2"] |= nibbles | {"len_type": 1, "right_pad": "F"}
    spec["3"] |= nibbles
    spec["22"] |= nibbles | {"left_pad": "0"}
    spec["32"] |= {"len_enc": "b", "len_type": 1}
    spec["43"] |= {"data_enc": "cp500"}
    spec["48"] |= {"len_enc": "cp500", "data_enc": "latin-1"}
    spec["55"] |= {"len_enc": "b", "len_type": 2, "max_len": 20000}
    spec["60"] |= {"len_enc": "bcd", "len_type": 2}
    return spec


FOREIGN = {
    "default": Dialect.from_pyiso8583(specs.default, name="default"),
    "default-ascii": Dialect.from_pyiso8583(specs.default_ascii, name="default-ascii"),
    "packed": Dialect.from_pyiso8583(packed_spec(), name="packed"),
}
SPECS = {"default": specs.default, "default-ascii": specs.default_ascii, "packed": packed_spec()}
for _name in DIALECT_NAMES:
    FOREIGN[_name], SPECS[_name] = dialect(_name), dialect(_name).to_pyiso8583()
each_oracle = pytest.mark.parametrize("name", SPECS)


def by_oracle(data: bytes, dialect: Dialect, spec: Any) -> Message | None:
    try:
        found, _ = iso8583.decode(data, spec)
    except iso8583.DecodeError:
        return None
    fields = {int(key): value for key, value in found.items() if key.isdigit() and key != "1"}
    for element, value in fields.items():
        if dialect.formats[element].kind == "hex":  # they keep the case of what they take for text
            fields[element] = value.upper()
    return Message(found["t"], fields)


def attempt(raw: bytes, dialect: Dialect) -> Message | RemoteProtocolError:
    try:
        return decode(raw, dialect)
    except RemoteProtocolError as error:
        return error


def without_length(header: str, name: str) -> str:
    """The part of a header that the codec keeps: a BASE I header says how long the message is."""
    return header[:6] + header[10:] if dialect(name).header == "base1" else header


def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes that are nearly right: cut, lengthened or with a few bytes changed."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 3))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(changed)))
    return draw(st.sampled_from([bytes(changed), bytes(changed[:cut]), bytes(changed) + b"0"]))


class TestRoundTrip:
    """A message that is written is read back as it was."""

    @each_dialect
    @given(data=st.data())
    def test_decoding_gives_back_what_was_encoded(self, name: str, data: st.DataObject) -> None:
        message = data.draw(messages(dialect(name)))

        again = decode(encode(message, dialect(name)), dialect(name))

        assert again == message
        assert without_length(again.header, name) == without_length(message.header, name)

    @each_dialect
    @given(data=st.data())
    def test_the_spans_cover_every_byte_in_order(self, name: str, data: st.DataObject) -> None:
        message = data.draw(messages(dialect(name)))
        raw = encode(message, dialect(name))

        found = spans(raw, dialect(name))

        assert [element for element, _, _ in found] == [0, 1, *sorted(message.fields)]
        edges = [dialect(name).header_bytes] + [end for _, _, end in found]
        assert [(start, end) for _, start, end in found] == list(pairwise(edges))
        assert edges[-1] == len(raw)


class TestAnyBytes:
    """Whatever a peer sends is a message or a RemoteProtocolError, and the error tells no secrets."""

    @each_dialect
    @given(raw=st.binary(max_size=300))
    def test_random_bytes_decode_or_are_refused(self, name: str, raw: bytes) -> None:
        found = attempt(raw, dialect(name))

        if isinstance(found, Message):
            assert decode(encode(found, dialect(name)), dialect(name)) == found
        else:
            assert found.offset in range(len(raw) + 1)

    @each_dialect
    @given(data=st.data())
    def test_damaged_messages_decode_or_are_refused(self, name: str, data: st.DataObject) -> None:
        raw = mutated(data.draw, encode(data.draw(messages(dialect(name))), dialect(name)))

        found = attempt(raw, dialect(name))

        if isinstance(found, Message):
            assert decode(encode(found, dialect(name)), dialect(name)) == found
        else:
            assert (found.__cause__, found.__context__) == (None, None)
            assert not any(len(word) > 8 for word in str(found).split() if word.isdigit())

    @each_dialect
    @given(data=st.data())
    def test_every_truncation_is_refused(self, name: str, data: st.DataObject) -> None:
        raw = encode(data.draw(messages(dialect(name))), dialect(name))
        cut = data.draw(st.integers(0, len(raw) - 1))

        with pytest.raises(RemoteProtocolError):
            decode(raw[:cut], dialect(name))


class TestOracle:
    """Where pyiso8583 can say the same, both codecs agree on what both accept."""

    @each_oracle
    @given(data=st.data())
    def test_both_write_the_same_bytes(self, name: str, data: st.DataObject) -> None:
        message = data.draw(messages(FOREIGN[name]))
        unsaid = {element: None for element in message.fields if str(element) not in SPECS[name]}
        message = message.with_fields(unsaid)
        document = {"t": message.mti} | {str(element): value for element, value in message.fields.items()}
        if FOREIGN[name].header_bytes:
            document["h"] = message.header

        theirs, _ = iso8583.encode(document, SPECS[name])

        # They write the length in a BASE I header as they are given it.
        start = 5 if FOREIGN[name].header == "base1" else 0
        assert bytes(theirs)[start:] == encode(message, FOREIGN[name])[start:]

    @each_oracle
    @given(data=st.data())
    def test_what_we_accept_they_read_alike(self, name: str, data: st.DataObject) -> None:
        message = data.draw(messages(FOREIGN[name]))
        unsaid = {element: None for element in message.fields if str(element) not in SPECS[name]}
        raw = mutated(data.draw, encode(message.with_fields(unsaid), FOREIGN[name]))

        ours = attempt(raw, FOREIGN[name])
        if not isinstance(ours, Message) or any(str(element) not in SPECS[name] for element in ours.fields):
            return

        assert ours == by_oracle(raw, FOREIGN[name], SPECS[name])


class TestContent:
    """We are stricter than most: an element that holds what its kind forbids is refused, with its place."""

    def test_a_letter_in_a_number_is_refused_at_its_byte(self) -> None:
        raw = encode(authorisation_request(), dialect("ascii87"))
        at = raw.index(b"000000001999") + 3

        with pytest.raises(RemoteProtocolError) as caught:
            decode(raw[:at] + b"X" + raw[at + 1 :], dialect("ascii87"))

        assert (caught.value.element, caught.value.offset) == (4, at)
        assert (caught.value.mti, caught.value.reject_code) == ("0100", "30")

    @pytest.mark.parametrize(
        ("element", "value"),
        [
            (4, "00000000199"),
            (4, "0000000019990"),
            (4, "00000000\u0661999"),
            (2, "4" * 20),
            (37, "RRN-00000001"),
            (43, "café".ljust(40)),
            (52, "0011"),
            (52, "00112233445566zz"),
            (28, "E00000001"),
            (35, "4242F"),
            (65, "0011223344556677"),
            (1, "0011223344556677"),
        ],
    )
    @each_dialect
    def test_what_a_kind_forbids_is_never_written(self, name: str, element: int, value: str) -> None:
        mti = f"{dialect(name).version_digit}100"
        if name == "ebcdic93" and element in (28, 43):
            element, value = 97, value[:1].ljust(17, "0")

        with pytest.raises(LocalProtocolError) as caught:
            encode(Message(mti, {element: value}), dialect(name))

        assert caught.value.element == element
        assert value not in str(caught.value)

    def test_odd_packed_numbers_are_filled_on_the_left_and_tracks_on_the_right(self) -> None:
        pos = dialect("pos-bcd87")

        raw = encode(Message("0100", {22: "051", 35: "4242D25"}), pos)

        assert raw.endswith(bytes.fromhex("0051" + "07" + "4242D25F"))
        assert decode(raw, pos).fields == {22: "051", 35: "4242D25"}

    def test_a_wrong_pad_is_refused(self) -> None:
        raw = encode(Message("0100", {22: "051"}), dialect("pos-bcd87"))

        with pytest.raises(RemoteProtocolError) as caught:
            decode(raw[:-2] + b"\x10\x51", dialect("pos-bcd87"))

        assert caught.value.element == 22

    @each_dialect
    def test_an_empty_variable_element_is_accepted(self, name: str) -> None:
        message = Message(f"{dialect(name).version_digit}100", {32: ""})

        again = decode(encode(message, dialect(name)), dialect(name))

        assert again[32] == ""

    def test_a_third_bitmap_is_refused(self) -> None:
        raw = b"0800" + b"8" + b"0" * 15 + b"8" + b"0" * 15 + b"0" * 16

        with pytest.raises(RemoteProtocolError) as caught:
            decode(raw, dialect("ascii87"))

        assert caught.value.element == 65


class TestMti:
    """An MTI that cannot exist, or is of another version, is refused with the MTI so that it can be answered."""

    @pytest.mark.parametrize("mti", ["1100", "0000", "0900", "0190", "0107"])
    def test_it_is_named_in_the_error(self, mti: str) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            decode(mti.encode() + b"0" * 16, dialect("ascii87"))

        assert (caught.value.element, caught.value.mti) == (0, mti)

    def test_four_bytes_that_are_no_digits_have_no_mti(self) -> None:
        with pytest.raises(RemoteProtocolError) as caught:
            decode(b"GET / HTTP/1.1\r\n\r\n", dialect("ascii87"))

        assert caught.value.mti is None

    def test_it_is_not_written_either(self) -> None:
        with pytest.raises(LocalProtocolError):
            encode(Message("1100", {}), dialect("ascii87"))


class TestMac:
    """Where a dialect wants a MAC, every message ends in one."""

    def test_eight_bytes_are_reserved_at_the_end(self) -> None:
        raw = encode(authorisation_request(), dialect("net-bin87"))

        assert raw.endswith(b"\x00" * 8)
        assert decode(raw, dialect("net-bin87"))[64] == "0" * 16

    def test_it_moves_to_128_with_the_second_bitmap(self) -> None:
        stale = network_message("001").with_fields({64: "11" * 8})

        again = decode(encode(stale, dialect("net-bin87")), dialect("net-bin87"))

        assert again == network_message("001").with_fields({128: "0" * 16})

    def test_a_message_without_one_is_refused(self) -> None:
        plain = encode(authorisation_request(), dialect("ascii87"))
        bitmap = bytes.fromhex(plain[4:20].decode())

        with pytest.raises(RemoteProtocolError) as caught:
            decode(plain[:4] + bitmap + plain[20:], dialect("net-bin87"))

        assert caught.value.element == 64


class TestHeader:
    """A TPDU is kept, and a message without one gets the dialect's."""

    def test_the_default_is_written(self) -> None:
        raw = encode(network_message(), dialect("pos-bcd87"))

        assert raw[:5].hex() == "6000010002"

    def test_a_header_of_another_dialect_is_refused(self) -> None:
        with pytest.raises(LocalProtocolError):
            encode(network_message().with_header("6000"), dialect("pos-bcd87"))

    def test_a_dialect_without_a_header_ignores_it(self) -> None:
        raw = encode(network_message().with_header("6000010002"), dialect("ascii87"))

        assert raw.startswith(b"0800")


class TestForeignSpecifications:
    """A pyiso8583 specification becomes a dialect or is refused in one line that names the element."""

    @given(value=values(FOREIGN["packed"].formats[2]))
    def test_both_pads_work(self, value: str) -> None:
        packed = FOREIGN["packed"]

        assert decode(encode(Message("0100", {2: value}), packed), packed)[2] == value

    def test_a_binary_length_of_two_bytes_reaches_beyond_9999(self) -> None:
        message = Message("0100", {55: "AB" * 12000})

        assert decode(encode(message, FOREIGN["packed"]), FOREIGN["packed"]) == message

    @pytest.mark.parametrize(
        "change",
        [{"data_enc": "klingon"}, {"len_enc": "klingon", "len_type": 2}, {"max_len": "long"}, {"data_enc": None}],
    )
    def test_a_bad_one_is_named(self, change: dict[str, Any]) -> None:
        spec: dict[str, Any] = copy.deepcopy(specs.default)
        spec["37"] |= change

        with pytest.raises(ConfigError) as caught:
            Dialect.from_pyiso8583(spec, name="mine")

        assert "mine" in str(caught.value)
        assert "37" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_header_of_fixed_length_is_kept(self) -> None:
        spec: dict[str, Any] = copy.deepcopy(specs.default)
        spec["h"]["max_len"] = 4
        mine = Dialect.from_pyiso8583(spec, name="mine")

        message = decode(b"ISO1" + encode(network_message(), FOREIGN["default"]), mine)

        assert bytes.fromhex(message.header) == b"ISO1"
        assert encode(message, mine).startswith(b"ISO1")

    def test_a_tpdu_can_be_added(self) -> None:
        mine = Dialect.from_pyiso8583(specs.default, name="mine", header="tpdu")

        assert encode(network_message().with_header("6000010002"), mine).hex().startswith("6000010002")

    @pytest.mark.parametrize(
        ("changes", "options"),
        [
            ({"h": {"max_len": 4, "len_type": 1}}, {}),
            ({"h": {"max_len": 4}}, {"header": "tpdu"}),
            ({"1": {"data_enc": "ascii"}}, {}),
            ({"t": {"data_enc": "klingon"}}, {}),
            ({}, {"version": "2087"}),
            ({}, {"header": "vap"}),
        ],
    )
    def test_what_no_dialect_can_do_is_refused(self, changes: dict[str, Any], options: dict[str, str]) -> None:
        spec: dict[str, Any] = copy.deepcopy(specs.default)
        for key, change in changes.items():
            spec[key] |= change

        with pytest.raises(ConfigError):
            Dialect.from_pyiso8583(spec, name="mine", **options)

    def test_a_missing_key_is_named(self) -> None:
        spec = {key: row for key, row in specs.default.items() if key != "t"}

        with pytest.raises(ConfigError, match="t = None"):
            Dialect.from_pyiso8583(spec, name="mine")

    def test_elements_beyond_128_are_left_out(self) -> None:
        spec = specs.default | {"129": specs.default["128"]}

        assert max(Dialect.from_pyiso8583(spec, name="mine").formats) == 128
