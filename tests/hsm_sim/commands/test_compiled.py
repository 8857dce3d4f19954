"""Compiled layouts do what the fields of the table do, one by one: same values, same bytes, same refusals."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from hsm_sim.core.commands.fields import (
    HEX,
    TEXT,
    Block,
    Choice,
    Counted,
    Delimited,
    Digits,
    Field,
    Fixed,
    MacField,
    Raw,
    Rest,
    Value,
)
from hsm_sim.core.commands.groups import GROUPS, IfMore, Literal, Marked, Part, Plan, When
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.errors import HsmError
from iso.errors import LocalProtocolError

TABLE = [parts for row in COMMANDS.values() for parts in (row.fields, row.answer) if parts]
KINDS: list[tuple[Part, ...]] = [
    (Fixed("n", 3),),
    (Fixed("h", 4, HEX),),
    (Fixed("a", 2, TEXT),),
    (Delimited("d", 2, 5),),
    (Delimited("o", 0, 4),),
    (Counted("c"),),
    (Choice("x", "01"),),
    (Choice("y", ("AB", "CD")),),
    (Block("b"),),
    (Block("t", 3, 10),),
    (Block("e", in_hex=lambda values: values["mode"] == "1"),),
    (Raw("r", 3),),
    (MacField("m"),),
    (KeyField("k", None),),
    (When(lambda values: values["mode"] in ("0", "1"), "", Fixed("wn", 2), Counted("wc"), MacField("wm")),),
    (Marked(b";", Delimited("z", 1, 3)),),
    (Literal(b";"),),
]
MIXED = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True).map(lambda few: sum(few, ()))
LAYOUTS = st.one_of(st.sampled_from(TABLE), MIXED, MIXED)
KEYS = st.sampled_from(["K600", "KF00", "KFFF", "U" + "0123456789ABCDEF" * 2, "0123456789ABCDEF", "S1001612345678901"])
ODD = st.one_of(st.text(max_size=6), st.binary(max_size=6), st.sampled_from(["٣٣٣", "²²²²", "\ud800", "+1_2", "k600"]))
Outcome = tuple[object, ...]


def _content(field: Field, values: dict[str, Value]) -> st.SearchStrategy[Value]:
    """Return values that the field takes; for kinds without a rule here, hexadecimal digits, which many take."""
    if isinstance(field, Fixed):
        return st.text(sorted(map(chr, field.alphabet)), min_size=field.length, max_size=field.length)
    if isinstance(field, Delimited):
        return st.text("0123456789", min_size=field.shortest, max_size=field.longest)
    if isinstance(field, Counted):
        return st.text(max_size=40)
    if isinstance(field, Choice):
        return st.sampled_from(field.options)
    if isinstance(field, Block):
        return st.binary(max_size=40)
    if isinstance(field, Raw):
        return st.binary(min_size=field.length, max_size=field.length)
    if isinstance(field, Rest):
        return st.binary(max_size=20)
    if isinstance(field, Digits):
        length = field.length(values)
        return st.text(sorted(map(chr, field.alphabet)), min_size=length, max_size=length)
    if isinstance(field, MacField):
        length = 16 if values.get(field.size) == "1" else 8
        return st.text("0123456789ABCDEF", min_size=length, max_size=length)
    if isinstance(field, KeyField):
        return KEYS
    return st.text("0123456789ABCDEF", min_size=16, max_size=16)


def _fill(data: st.DataObject, parts: Sequence[Part], values: dict[str, Value]) -> None:
    """Draw a value for each field that is there."""
    for part in parts:
        if isinstance(part, When) and not part.applies(values):
            continue
        if isinstance(part, (Marked, IfMore)) and data.draw(st.booleans()):
            continue
        if isinstance(part, GROUPS):
            _fill(data, () if isinstance(part, Literal) else part.parts, values)
        elif part.name not in values:
            values[part.name] = data.draw(_content(part, values))


def _drawn(data: st.DataObject, parts: Sequence[Part]) -> dict[str, Value]:
    # Values that an answer's layout asks the command for.
    values: dict[str, Value] = {"mode": data.draw(st.sampled_from("0123")), "size": data.draw(st.sampled_from("01"))}
    try:
        _fill(data, parts, values)
    except (KeyError, HsmError):
        return values
    return values


def _spoilt(value: Value) -> st.SearchStrategy[Value]:
    """Return the value with another first character, of the same length."""
    if isinstance(value, bytes):
        return st.just(value[:-1])
    return st.sampled_from(["g", "٣", "²", " ", "F", ";"]).map(lambda first: first + value[1:])


def _written(write: object, values: dict[str, Value]) -> Outcome:
    try:
        return "bytes", write(dict(values))  # type: ignore[operator]
    except LocalProtocolError as error:
        return "refused", str(error)
    except (KeyError, HsmError, UnicodeEncodeError) as error:
        return type(error), error.args


def _read(read: object, frame: bytes, given_: dict[str, Value]) -> Outcome:
    values = dict(given_)
    try:
        return "values", read(frame, 2, values), values  # type: ignore[operator]
    except HsmError as error:
        return "refused", error.code
    except KeyError as error:
        return KeyError, error.args


@settings(max_examples=1000, deadline=None)
@given(st.data(), LAYOUTS)
def test_a_compiled_layout_writes_and_reads_what_its_fields_do(data: st.DataObject, layout: tuple[Part, ...]) -> None:
    plan = Plan(layout)
    read, write = plan.compiled()
    values = _drawn(data, layout)
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(values)))
        values[name] = data.draw(st.one_of(ODD, _spoilt(values[name])))

    written = _written(write, values)

    assert written == _written(plan.write_slowly, values)
    if written[0] != "bytes":
        return
    frame = bytearray(b"XX" + bytes(written[1]))  # type: ignore[call-overload]
    if data.draw(st.booleans()):
        del frame[data.draw(st.integers(0, len(frame))) :]
    elif data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(frame)))
        spoilt = st.sampled_from([b"", b"0", b"F", b";", b"\xb2", b"g"])
        frame[at : at + data.draw(st.integers(0, 2))] = data.draw(spoilt)
    asked = {name: values[name] for name in ("mode", "size") if name in values}

    assert _read(read, bytes(frame), asked) == _read(plan.read_slowly, bytes(frame), asked)


def test_a_layout_is_compiled_once_it_is_used_often() -> None:
    plan = Plan((Fixed("amount", 12), Delimited("pan", 12, 19)))
    frame = b"000000001999" + b"4" * 16 + b";"

    for _ in range(3):
        plan.read(frame, 0, {})
        plan.write({"amount": "000000001999", "pan": "4" * 16})

    assert "slow" in plan.read.__globals__  # type: ignore[attr-defined]
    assert plan.read(frame, 0, {}) == len(frame)
    assert plan.write({"amount": "000000001999", "pan": "4" * 16}) == frame
