"""Parts of a layout that are not always there: what a mark announces, what depends on a value, a fixed mark."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import itemgetter
from typing import Final, TypeAlias

from hsm_sim.core.commands.fields import Choice, Field, Value, Values
from hsm_sim.core.errors import BAD_DATA, HsmError


class Marked:
    """Fields that are there if their mark comes next: `;` + schemes, `#` + key block attributes.

    Parameters
    ----------
    mark
        One byte. When the parts are written, the mark is written if a value of the first field is given.
    parts
        What follows the mark.
    """

    __slots__ = ("_plan", "mark", "parts")

    def __init__(self, mark: bytes, *parts: "Part") -> None:
        self.mark = mark
        self.parts = parts
        self._plan = Plan(parts)

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"[`{self.mark.decode('ascii')}` {_layout(self.parts)}]"

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the parts if the mark comes next; return the offset behind them."""
        if data[at : at + 1] != self.mark:
            return at
        return self._plan.read(data, at + 1, values)

    def encode(self, values: Values) -> bytes:
        """Write mark and parts if the first field has a value."""
        first = next(fields_of(self.parts), None)
        if first is not None and first.name not in values:
            return b""
        return self.mark + self._plan.write(values)


class When:
    """Parts that are there if the values before them say so.

    Parameters
    ----------
    applies
        Of the values read so far.
    about
        When they are there, in words, for the documents.
    parts
        What is there then.
    """

    __slots__ = ("_plan", "about", "applies", "parts")

    def __init__(self, applies: Callable[[Values], bool], about: str, *parts: "Part") -> None:
        self.applies = applies
        self.about = about
        self.parts = parts
        self._plan = Plan(parts)

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"[{self.about}: {_layout(self.parts)}]"

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the parts if they apply; return the offset behind them."""
        return self._plan.read(data, at, values) if self.applies(values) else at

    def encode(self, values: Values) -> bytes:
        """Write the parts if they apply."""
        return self._plan.write(values) if self.applies(values) else b""


class Literal:
    """A mark that must be there."""

    __slots__ = ("mark", "parts")

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.parts: tuple[Part, ...] = ()

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"`{self.mark.decode('ascii')}`"

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Skip the mark; `HsmError` "15" if something else comes."""
        if not data.startswith(self.mark, at):
            raise HsmError(BAD_DATA)
        return at + len(self.mark)

    def encode(self, values: Values) -> bytes:
        """Write the mark."""
        return self.mark


class IfMore:
    """Parts that are there unless the data ends before them: what some answers carry only in the authorised state.

    Parameters
    ----------
    parts
        What is there then. They are written if the first field has a value.
    """

    __slots__ = ("_plan", "parts")

    def __init__(self, *parts: "Part") -> None:
        self.parts = parts
        self._plan = Plan(parts)

    @property
    def layout(self) -> str:
        """The notation of the documents."""
        return f"[{_layout(self.parts)}]"

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the parts if there is anything left; return the offset behind them."""
        return at if at == len(data) else self._plan.read(data, at, values)

    def encode(self, values: Values) -> bytes:
        """Write the parts if the first field has a value."""
        first = next(fields_of(self.parts))
        return self._plan.write(values) if first.name in values else b""


Group: TypeAlias = Marked | When | Literal | IfMore
Part: TypeAlias = Field | Group
GROUPS: Final = (Marked, When, Literal, IfMore)


class Plan:
    """A layout made ready for reading and writing: what each part needs is looked up once, not with each command.

    Parameters
    ----------
    parts
        Fields and groups in order.
    """

    __slots__ = ("_reads", "_writes")

    def __init__(self, parts: "Sequence[Part]") -> None:
        steps = _with_runs(parts)
        self._reads = _reading(steps)
        self._writes = _writing(steps)

    def read(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the parts in order into `values`; return the offset behind the last. Absent values are not in it.

        Raises
        ------
        HsmError
            The code of the first part that is malformed.
        """
        for name, read, parse in self._reads:
            if read is not None:
                values[name], at = read(data, at, values)
            else:
                at = parse(data, at, values)
        return at

    def write(self, values: Values) -> bytes:
        """Write the parts in order; `KeyError` names a value that is missing, which is the caller's mistake."""
        written = []
        for name, write, encode in self._writes:
            written.append(encode(values) if write is None else write(values[name], values))
        return b"".join(written)


_Parse: TypeAlias = Callable[[bytes, int, dict[str, Value]], int]
_Read: TypeAlias = Callable[[bytes, int, Values], tuple[Value, int]]
_Encode: TypeAlias = Callable[[Values], bytes]
_Write: TypeAlias = Callable[[Value, Values], bytes]


class _Run:
    """Choices in a row, taken as one: what stood there before is known. Only what was good is remembered."""

    __slots__ = ("_choices", "_known", "_length", "_of", "_written")

    def __init__(self, choices: Sequence[Choice]) -> None:
        self._choices = choices
        self._length = sum(choice.length for choice in choices)
        self._known: dict[bytes, tuple[tuple[str, str], ...]] = {}
        self._of: Callable[[Values], Hashable] = itemgetter(*[choice.name for choice in choices])
        self._written: dict[Hashable, bytes] = {}

    def parse(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read the choices; return the offset behind them."""
        end = at + self._length
        raw = data[at:end]
        known = self._known.get(raw)
        if known is None:
            pairs = []
            for choice in self._choices:
                value, at = choice.read(data, at, values)
                pairs.append((choice.name, value))
            known = self._known[raw] = tuple(pairs)
        for name, text in known:
            values[name] = text
        return end

    def encode(self, values: Values) -> bytes:
        """Write the choices."""
        chosen = self._of(values)
        written = self._written.get(chosen)
        if written is None:
            written = b"".join([choice.write(values[choice.name], values) for choice in self._choices])
            self._written[chosen] = written
        return written


def _with_runs(parts: "Sequence[Part]") -> "list[Part | _Run]":
    """Return the parts with choices in a row put together."""
    steps: list[Part | _Run] = []
    run: list[Choice] = []
    for part in parts:
        if isinstance(part, Choice):
            run.append(part)
            continue
        if run:
            steps.append(_Run(tuple(run)))
            run = []
        steps.append(part)
    return [*steps, _Run(tuple(run))] if run else steps


def _reading(steps: "list[Part | _Run]") -> list[tuple[str, _Read | None, _Parse]]:
    """Return name and reading function of each field, or the parsing function of each group."""
    return [
        ("", None, step.parse) if isinstance(step, (*GROUPS, _Run)) else (step.name, step.read, _no_parse)
        for step in steps
    ]


def _writing(steps: "list[Part | _Run]") -> list[tuple[str, _Write | None, _Encode]]:
    """Return name and writing function of each field, or the encoding function of each group."""
    return [
        ("", None, step.encode) if isinstance(step, (*GROUPS, _Run)) else (step.name, step.write, _no_encode)
        for step in steps
    ]


def _no_parse(data: bytes, at: int, values: dict[str, Value]) -> int:
    raise AssertionError("a field is read, not parsed")


def _no_encode(values: Values) -> bytes:
    raise AssertionError("a field is written, not encoded")


def fields_of(parts: Sequence[Part]) -> Iterator[Field]:
    """Return every field of a layout, the optional ones too, in order."""
    for part in parts:
        if isinstance(part, GROUPS):
            yield from fields_of(part.parts)
        else:
            yield part


def _layout(parts: Sequence[Part]) -> str:
    """Return the notation of some parts."""
    return ", ".join(part.layout if isinstance(part, GROUPS) else f"{part.name} {part.layout}" for part in parts)
