"""Makes the functions that read and write one layout: source text from the table's fields, compiled once.

A layout's fields say what is right, one call each (`hsm_sim.core.commands.groups.Plan`). A function made here does the
same for the fields that nearly every command has in one go: neighbouring digits in one slice, all texts in one string.
What it cannot vouch for it declines, and then the fields decide, with their own error codes; a field of another kind
is asked in its place. So the table stays the only thing that says what a command looks like.

The source is made of names, sizes and marks of the table. Nothing that was ever on the wire becomes part of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from hsm_sim.core.commands.fields import (
    DIGITS,
    HEX,
    Block,
    Counted,
    Delimited,
    Field,
    Fixed,
    MacField,
    Raw,
    Value,
    Values,
)
from hsm_sim.core.commands.keyfields import PLACES, KeyField, places_written
from hsm_sim.core.commands.runs import Run

Read: TypeAlias = Callable[[bytes, int, dict[str, Value]], int]
Write: TypeAlias = Callable[[Values], bytes]

_COUNTS: Final = {b"%02d" % count: count for count in range(100)}
_TEXT_COUNTS: Final = tuple(f"{count:02d}" for count in range(100))


class Branch(NamedTuple):
    """Steps that are there if the values before them say so."""

    applies: Callable[[Values], bool]
    steps: "Sequence[Step]"


class Group(NamedTuple):
    """Any other group, with the functions that read and write it."""

    parse: Read
    encode: Write


Step: TypeAlias = Field | Run | Branch | Group


class _Source:
    """The text of one function while it is written, and the objects that it uses."""

    def __init__(self, head: str, slow: Callable[..., Any]) -> None:
        self.names: dict[str, Any] = {"slow": slow}
        self.depth = 2
        self._lines = [head, "    try:"]

    def name(self, what: object) -> str:
        """Hand an object over to the function; return the name that it has there."""
        name = f"x{len(self.names)}"
        self.names[name] = what
        return name

    def say(self, *lines: str) -> None:
        self._lines += ["    " * self.depth + line for line in lines]

    def function(self, name: str, tail: str) -> Any:
        """Compile the lines; whatever was caught ends in `tail`."""
        self._lines += ["    except DECLINED:", "        pass", f"    return {tail}"]
        self.names["DECLINED"] = (AttributeError, TypeError, UnicodeDecodeError)
        exec(compile("\n".join(self._lines), "<layout>", "exec"), self.names)
        return self.names[name]


def compile_reader(steps: Sequence[Step], slow: Read) -> Read:
    """Return a function that does what `slow` does, and asks it in all doubtful cases."""
    source = _Source("def read(data, at, values):\n    start = at", slow)
    _Reader(source).steps(steps)
    source.say("return at")
    read: Read = source.function("read", "slow(data, start, values)")
    return read


def compile_writer(steps: Sequence[Step], slow: Write) -> Write:
    """Return a function that does what `slow` does, and asks it in all doubtful cases."""
    source = _Source("def write(values):", slow)
    source.say(f"return {_Writer(source).steps(steps)}")
    write: Write = source.function("write", "slow(values)")
    return write


class _Reader:
    """Writes the lines that read."""

    def __init__(self, source: _Source) -> None:
        self._source = source

    def steps(self, steps: Sequence[Step]) -> None:
        digits: list[Fixed] = []
        for step in steps:
            if type(step) is Fixed and step.alphabet is DIGITS:
                digits.append(step)
                continue
            self._digits(digits)
            digits = []
            _KINDS_READ.get(type(step), _Reader._field)(self, step)
        self._digits(digits)

    def _decline_if(self, condition: str) -> None:
        self._source.say(f"if {condition}: return slow(data, start, values)")

    def _digits(self, fields: list[Fixed]) -> None:
        """Read neighbouring fields of digits, all checked at once."""
        if not fields:
            return
        length = sum(field.length for field in fields)
        self._source.say(f"raw = data[at:at + {length}]")
        self._decline_if(f"len(raw) != {length} or not raw.isdigit()")
        self._source.say("text = raw.decode()")
        at = 0
        for field in fields:
            part = "text" if len(fields) == 1 else f"text[{at}:{at + field.length}]"
            self._source.say(f"values[{field.name!r}] = {part}")
            at += field.length
        self._source.say(f"at += {length}")

    def _run(self, run: Run) -> None:
        self._source.say(f"known = {self._source.name(run.known)}.get(data[at:at + {run.length}])")
        self._decline_if("known is None")
        self._source.say("values.update(known)", f"at += {run.length}")

    def _branch(self, branch: Branch) -> None:
        self._source.say(f"if {self._source.name(branch.applies)}(values):")
        self._source.depth += 1
        self._source.say("pass")
        self.steps(branch.steps)
        self._source.depth -= 1

    def _group(self, group: Group) -> None:
        self._source.say(f"at = {self._source.name(group.parse)}(data, at, values)")

    def _field(self, field: Field) -> None:
        self._source.say(f"values[{field.name!r}], at = {self._source.name(field.read)}(data, at, values)")

    def _key(self, field: KeyField) -> None:
        name, read = self._source.name(PLACES), self._source.name(field.read)
        self._source.say(
            f"known = {name}.get(data[at:at + 4])",
            f"if known is None: values[{field.name!r}], at = {read}(data, at, values)",
            "else:",
            f"    values[{field.name!r}] = known",
            "    at += 4",
        )

    def _fixed(self, field: Fixed) -> None:
        allowed = self._source.name(bytes(sorted(field.alphabet)))
        self._source.say(f"raw = data[at:at + {field.length}]")
        self._decline_if(f"len(raw) != {field.length} or raw.translate(None, {allowed})")
        self._source.say(f"values[{field.name!r}] = raw.decode()", f"at += {field.length}")

    def _delimited(self, field: Delimited) -> None:
        self._source.say(f"end = data.find(b';', at, at + {field.longest + 1})")
        self._decline_if(f"end < at + {field.shortest}")
        self._source.say("raw = data[at:end]")
        self._decline_if("raw and not raw.isdigit()")
        self._source.say(f"values[{field.name!r}] = raw.decode()", "at = end + 1")

    def _counted(self, field: Counted) -> None:
        self._source.say(f"count = {self._source.name(_COUNTS)}.get(data[at:at + 2])")
        self._decline_if("count is None")
        self._source.say("end = at + 2 + count")
        self._decline_if("end > len(data)")
        self._source.say(f"values[{field.name!r}] = data[at + 2:end].decode()", "at = end")

    def _block(self, field: Block) -> None:
        if field.in_hex is not None:
            self._source.say(f"if {self._source.name(field.in_hex)}(values):")
            self._source.depth += 1
            self._field(field)
            self._source.depth -= 1
            self._source.say("else:")
            self._source.depth += 1
        allowed = self._source.name(bytes(sorted(HEX if field.base == 16 else DIGITS)))
        self._source.say(f"count = data[at:at + {field.digits}]")
        self._decline_if(f"len(count) != {field.digits} or count.translate(None, {allowed})")
        self._source.say(f"at += {field.digits}", f"end = at + int(count, {field.base})")
        self._decline_if("end > len(data)")
        self._source.say(f"values[{field.name!r}] = data[at:end]", "at = end")
        if field.in_hex is not None:
            self._source.depth -= 1

    def _raw(self, field: Raw) -> None:
        self._source.say(f"end = at + {field.length}")
        self._decline_if("end > len(data)")
        self._source.say(f"values[{field.name!r}] = data[at:end]", "at = end")

    def _mac(self, field: MacField) -> None:
        allowed = self._source.name(bytes(sorted(HEX)))
        self._source.say(f"end = at + (16 if values.get({field.size!r}) == '1' else 8)", "raw = data[at:end]")
        self._decline_if(f"end > len(data) or raw.translate(None, {allowed})")
        self._source.say(f"values[{field.name!r}] = raw.decode()", "at = end")


_KINDS_READ: Final[Mapping[type, Callable[[_Reader, Any], None]]] = {
    Run: _Reader._run,
    Branch: _Reader._branch,
    Group: _Reader._group,
    KeyField: _Reader._key,
    Fixed: _Reader._fixed,
    Delimited: _Reader._delimited,
    Counted: _Reader._counted,
    Block: _Reader._block,
    Raw: _Reader._raw,
    MacField: _Reader._mac,
}


class _Writer:
    """Writes the lines that write."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._count = 0

    def steps(self, steps: Sequence[Step]) -> str:
        """Return the expression of what the steps write; texts that follow each other are one text."""
        parts: list[str] = []
        texts: list[str] = []
        for step in steps:
            text = _TEXTS_WRITTEN.get(type(step))
            if text is not None and (type(step) is not Fixed or step.alphabet is DIGITS):
                texts.append(text(self, step))
                continue
            parts += _encoded(texts)
            texts = []
            parts.append(_KINDS_WRITTEN.get(type(step), _Writer._field)(self, step))
        parts += _encoded(texts)
        if not parts:
            return "b''"
        return parts[0] if len(parts) == 1 else f"b''.join(({', '.join(parts)}))"

    def _variable(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _taken(self, name: str) -> str:
        variable = self._variable()
        self._source.say(f"{variable} = values[{name!r}]")
        return variable

    def _decline_unless(self, condition: str) -> None:
        self._source.say(f"if not ({condition}): return slow(values)")

    # Of a text these give what stands in an f-string. Only a str has `isdecimal`.

    def _digits(self, field: Fixed) -> str:
        value = self._taken(field.name)
        self._decline_unless(f"{value}.isdecimal() and {value}.isascii() and len({value}) == {field.length}")
        return f"{{{value}}}"

    def _delimited(self, field: Delimited) -> str:
        value = self._taken(field.name)
        content = f"({value}.isdecimal() or not {value}) and {value}.isascii()"
        self._decline_unless(f"{content} and {field.shortest} <= len({value}) <= {field.longest}")
        return f"{{{value}}};"

    def _counted(self, field: Counted) -> str:
        value, counts = self._taken(field.name), self._source.name(_TEXT_COUNTS)
        self._decline_unless(f"{value}.__class__ is str and {value}.isascii() and len({value}) <= 99")
        return f"{{{counts}[len({value})]}}{{{value}}}"

    # Of anything else they give an expression of bytes.

    def _run(self, run: Run) -> str:
        variable, written = self._variable(), self._source.name(run.written)
        self._source.say(f"{variable} = {written}.get({self._source.name(run.of)}(values))")
        self._source.say(f"if {variable} is None: {variable} = {self._source.name(run.encode)}(values)")
        return variable

    def _branch(self, branch: Branch) -> str:
        variable = self._variable()
        self._source.say(f"{variable} = b''", f"if {self._source.name(branch.applies)}(values):")
        self._source.depth += 1
        self._source.say(f"{variable} = {self.steps(branch.steps)}")
        self._source.depth -= 1
        return variable

    def _group(self, group: Group) -> str:
        variable = self._variable()
        self._source.say(f"{variable} = {self._source.name(group.encode)}(values)")
        return variable

    def _field(self, field: Field) -> str:
        variable = self._variable()
        self._source.say(f"{variable} = {self._source.name(field.write)}(values[{field.name!r}], values)")
        return variable

    def _key(self, field: KeyField) -> str:
        value, variable, write = self._taken(field.name), self._variable(), self._source.name(field.write)
        self._source.say(f"{variable} = {self._source.name(places_written)}.get({value})")
        self._source.say(f"if {variable} is None: {variable} = {write}({value}, values)")
        return variable

    def _fixed(self, field: Fixed) -> str:
        variable, allowed = self._taken(field.name), self._source.name(bytes(sorted(field.alphabet)))
        self._source.say(f"{variable} = {variable}.encode()")
        self._decline_unless(f"len({variable}) == {field.length} and not {variable}.translate(None, {allowed})")
        return variable

    def _block(self, field: Block) -> str:
        value = self._taken(field.name)
        variable, letter = self._variable(), "X" if field.base == 16 else "d"
        self._decline_unless(f"{value}.__class__ is bytes and len({value}) < {field.base**field.digits}")
        plain = f"{variable} = b'%0{field.digits}{letter}%b' % (len({value}), {value})"
        if field.in_hex is None:
            self._source.say(plain)
            return variable
        self._source.say(
            f"if {self._source.name(field.in_hex)}(values):",
            f"    {variable} = {self._source.name(field.write)}({value}, values)",
            f"else: {plain}",
        )
        return variable

    def _raw(self, field: Raw) -> str:
        variable = self._taken(field.name)
        self._decline_unless(f"{variable}.__class__ is bytes and len({variable}) == {field.length}")
        return variable

    def _mac(self, field: MacField) -> str:
        variable, allowed = self._taken(field.name), self._source.name(bytes(sorted(HEX)))
        self._source.say(f"{variable} = {variable}.encode()")
        length = f"(16 if values.get({field.size!r}) == '1' else 8)"
        self._decline_unless(f"len({variable}) == {length} and not {variable}.translate(None, {allowed})")
        return variable


def _encoded(texts: list[str]) -> list[str]:
    """Return the expression of some texts as one, in a list; an empty one if there are none."""
    return [f'f"{"".join(texts)}".encode()'] if texts else []


_TEXTS_WRITTEN: Final[Mapping[type, Callable[[_Writer, Any], str]]] = {
    Fixed: _Writer._digits,
    Delimited: _Writer._delimited,
    Counted: _Writer._counted,
}
_KINDS_WRITTEN: Final[Mapping[type, Callable[[_Writer, Any], str]]] = {
    Run: _Writer._run,
    Branch: _Writer._branch,
    Group: _Writer._group,
    KeyField: _Writer._key,
    Fixed: _Writer._fixed,
    Block: _Writer._block,
    Raw: _Writer._raw,
    MacField: _Writer._mac,
}
