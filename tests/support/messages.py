"""Builders of messages: random legal ones for each dialect, and the few that the house sends all day."""

from __future__ import annotations

import string

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from iso import Dialect, Message
from iso.formats import CONTENT, FieldFormat
from iso.mti import is_valid
from iso.original import OriginalData
from iso.pan import luhn_digit
from iso.private import build_private

DIGITS = string.digits
TEST_PAN = "4242424242424242"

VALID_MTIS = tuple(
    mti
    for version in "012"
    for rest in range(1000)
    if is_valid(mti := f"{version}{rest:03d}") and mti[2] in "0123" and mti[3] in "01"
)


def authorisation_request(**changes: str | None) -> Message:
    """A 0100 of the house; `de4="000000000500"` changes an element, None drops it."""
    fields: dict[int, str] = {
        2: TEST_PAN,
        3: "000000",
        4: "000000001999",
        7: "1122131155",
        11: "000001",
        12: "131155",
        13: "1122",
        14: "3012",
        18: "5999",
        22: "810",
        25: "59",
        32: "123456",
        37: "632613000001",
        41: "TERM0001",
        42: "MERCHANT0000001",
        43: "The Shop, Main Street, Springfield".ljust(40),
        49: "840",
    }
    return _changed(Message("0100", fields), changes)


def reversal_of(
    original: Message, stan: str = "000900", transmitted: str = "1122131220", **changes: str | None
) -> Message:
    """The 0420 that undoes `original` after a timeout."""
    kept = {
        element: value for element, value in original.fields.items() if element not in (14, 35, 48, 52, 55, 64, 128)
    }
    fields = kept | {7: transmitted, 11: stan, 39: "68", 90: OriginalData.of(original).to_de90()}
    return _changed(Message("0420", fields), changes)


def network_message(code: str = "301", **changes: str | None) -> Message:
    """An 0800: 001 sign-on, 002 sign-off, 301 echo."""
    return _changed(Message("0800", {7: "1122131155", 11: "000007", 70: code}), changes)


def _changed(message: Message, changes: dict[str, str | None]) -> Message:
    return message.with_fields({int(name.removeprefix("de")): value for name, value in changes.items()})


def pans() -> SearchStrategy[str]:
    """Luhn-valid numbers of 13 to 19 digits that do not start with 0."""
    partial = st.tuples(st.sampled_from("3456"), st.text(DIGITS, min_size=11, max_size=17)).map("".join)
    return partial.map(lambda digits: digits + luhn_digit(digits))


def values(field: FieldFormat) -> SearchStrategy[str]:
    """Legal values of one element, as decoding would give them."""
    smallest = 0 if field.prefix_bytes else field.size
    if field.kind == "x+n":
        digits = st.text(DIGITS, min_size=field.size - 1, max_size=field.size - 1)
        return st.tuples(st.sampled_from("CD"), digits).map("".join)
    if field.kind == "hex":
        even = st.integers(smallest // 2, min(field.size, 60) // 2)
        return even.flatmap(lambda size: st.text("0123456789ABCDEF", min_size=2 * size, max_size=2 * size))
    if field.encoding == "b" and not field.nibbles:
        return st.binary(min_size=smallest, max_size=min(field.size, 60)).map(lambda raw: raw.hex().upper())
    alphabet = CONTENT.get(field.kind, CONTENT["ans"])
    if field.encoding == "b":
        alphabet = {"n": DIGITS, "z": DIGITS + "D"}.get(field.kind, "0123456789ABCDEF")
    return st.text(alphabet, min_size=smallest, max_size=max(smallest, min(field.size, 60)))


@st.composite
def messages(draw: st.DrawFn, dialect: Dialect, most: int = 12) -> Message:
    """Random legal messages of a dialect, in the form in which decoding gives them back."""
    mti = draw(st.sampled_from([mti for mti in VALID_MTIS if mti[0] == dialect.version_digit]))
    usable = [element for element in dialect.formats if not (dialect.mac and element in (64, 128))]
    elements = draw(st.lists(st.sampled_from(usable), unique=True, max_size=most))
    fields = {element: draw(values(dialect.formats[element])) for element in sorted(elements)}
    if dialect.mac:
        last = 128 if any(element > 64 for element in fields) else 64
        fields[last] = draw(values(dialect.formats[last]))
    header = draw(st.binary(min_size=dialect.header_bytes, max_size=dialect.header_bytes))
    if dialect.header == "base1":
        header = b"\x16\x01\x02" + header[3:]
    return Message(mti, fields, header.hex().upper())


def _digits(size: int) -> SearchStrategy[str]:
    return st.text(DIGITS, min_size=size, max_size=size)


def _clock(*ranges: tuple[int, int]) -> SearchStrategy[str]:
    """Two digits for each range: dates and times that exist."""
    return st.tuples(*(st.integers(low, high).map("{:02d}".format) for low, high in ranges)).map("".join)


_DATE, _TIME = ((1, 12), (1, 28)), ((0, 23), (0, 59), (0, 59))
HOUSE_KINDS = tuple(
    f"0{mti_class}{function}{repeat}"
    for mti_class in "1248"
    for function in ("01" if mti_class == "8" else "0123")
    for repeat in ("0" if function in "13" else "01")
)


@st.composite
def house_messages(draw: st.DrawFn, codes: tuple[str, ...]) -> Message:
    """1987 messages of every kind that the house carries, with what each kind may hold; `codes` for DE 39."""
    mti = draw(st.sampled_from(HOUSE_KINDS))
    answers, mti_class = mti[2] in "13", mti[1]
    always: dict[int, SearchStrategy[str]] = {7: _clock(*_DATE, *_TIME), 11: _digits(6)}
    sometimes: dict[int, SearchStrategy[str]] = {32: _digits(6), 33: _digits(6), 37: _digits(12), 48: _private()}
    if mti_class == "8":
        always[70] = st.sampled_from(["001", "002", "101", "161", "162", "201", "301"])
    else:
        always |= {3: _digits(6), 4: _digits(12), 49: st.sampled_from(["840", "978", "392"])}
        sometimes |= {2: pans(), 41: st.text(DIGITS, min_size=8, max_size=8), 42: _digits(15), 15: _clock(*_DATE)}
        sometimes |= {
            54: st.just("0002840C000000001999"),
            55: st.just("9F360200A1"),
            62: st.just("INVOICE"),
            28: _fee(),
        }
        sometimes |= {5: _digits(12), 38: _digits(6), 23: _digits(3), 60: st.just("00"), 30: _fee()}
    if mti_class != "8" and not answers:
        read = st.sampled_from(["01", "02", "05", "07", "10", "80", "81", "90", "91"])
        entry = st.tuples(read, st.sampled_from("0128")).map("".join)
        sometimes |= {
            14: _digits(4),
            18: _digits(4),
            22: entry,
            25: st.sampled_from(["00", "06", "08", "59"]),
            26: st.just("12"),
        }
        sometimes |= {43: st.text("Shop ", min_size=40, max_size=40), 19: _digits(3)}
    if mti_class in "12" and mti[2] == "0":
        sometimes |= {35: st.just("4242424242424242=3012"), 52: st.just("0123456789ABCDEF"), 53: _digits(16)}
    if mti_class in "12" and not answers:
        sometimes[90] = original_elements()
    if mti_class == "4":
        always[90] = original_elements()
        sometimes[95] = _digits(12).map(lambda amount: amount + "0" * 12 + "C00000000" * 2)
    if answers or mti[2] == "2":
        always[39] = st.sampled_from(codes)
    if mti_class == "4" and not answers:
        always[39] = st.sampled_from(["17", "68", "00", "22"])
    chosen = draw(st.lists(st.sampled_from(sorted(sometimes)), unique=True))
    fields = {element: draw(what) for element, what in (always | {e: sometimes[e] for e in chosen}).items()}
    if draw(st.booleans()):
        fields |= {12: draw(_clock(*_TIME)), 13: draw(_clock(*_DATE))}
    return Message(mti, fields)


def _fee() -> SearchStrategy[str]:
    return st.tuples(st.sampled_from("CD"), _digits(8)).map("".join)


def _private() -> SearchStrategy[str]:
    tags = st.sampled_from(["02", "04", "06", "08", "13", "16", "17"])
    return st.dictionaries(tags, st.text(DIGITS, max_size=9), min_size=1).map(build_private)


def original_elements() -> SearchStrategy[str]:
    """DE 90 of messages that exist."""
    parts = st.tuples(
        st.sampled_from(["0100", "0200", "0120", "0220"]), _digits(6), _clock(*_DATE, *_TIME), _digits(6), _digits(6)
    )
    return parts.map(lambda found: OriginalData(*found).to_de90())
