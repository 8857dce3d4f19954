"""Parts of a layout that are not always there: what a mark announces, what depends on a value, a fixed mark."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from hsm_sim.core.commands.compiled import Branch, Read, Step, Write, compile_reader, compile_writer
from hsm_sim.core.commands.compiled import Group as Other
from hsm_sim.core.commands.fields import Choice, Field, Value, Values
from hsm_sim.core.commands.runs import Run
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

    __slots__ = ("_first", "_plan", "mark", "parts")

    def __init__(self, mark: bytes, *parts: "Part") -> None:
        self.mark = mark
        self.parts = parts
        self._plan = Plan(parts)
        self._first = next((field.name for field in fields_of(parts)), None)

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
        if self._first is not None and self._first not in values:
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
_WHOLE: Final = (*GROUPS, Run)

COMPILED_AT: Final = 3
"""A layout is compiled when it is used for the third time: most commands never are."""


class Plan:
    """A layout made ready for reading and writing: compiled, once it is used often enough.

    Parameters
    ----------
    parts
        Fields and groups in order.

    Attributes
    ----------
    read
        `(data, at, values) -> at`: reads the parts in order into `values` and returns the offset behind the last.
        Absent values are not in it. `HsmError` has the code of the first part that is malformed.
    write
        `(values) -> bytes`: writes the parts in order; `KeyError` names a value that is missing, which is the caller's
        mistake.
    """

    __slots__ = ("_seen_read", "_seen_written", "_steps", "read", "write")

    def __init__(self, parts: "Sequence[Part]") -> None:
        self._steps = _with_runs(parts)
        self._seen_read = self._seen_written = 0
        self.read: Read = self._first_reads
        self.write: Write = self._first_writes

    def read_slowly(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        """Read field by field: this says what is right, the compiled function does the same."""
        for step in self._steps:
            if isinstance(step, _WHOLE):
                at = step.parse(data, at, values)
            else:
                values[step.name], at = step.read(data, at, values)
        return at

    def write_slowly(self, values: Values) -> bytes:
        """Write field by field: this says what is right, the compiled function does the same."""
        return b"".join(
            [
                step.encode(values) if isinstance(step, _WHOLE) else step.write(values[step.name], values)
                for step in self._steps
            ]
        )

    def compiled(self) -> tuple[Read, Write]:
        """Compile the layout now; return what reads and what writes from here on."""
        steps = _neutral(self._steps)
        self.read, self.write = compile_reader(steps, self.read_slowly), compile_writer(steps, self.write_slowly)
        return self.read, self.write

    def _first_reads(self, data: bytes, at: int, values: dict[str, Value]) -> int:
        self._seen_read += 1
        if self._seen_read == COMPILED_AT:
            self.read = compile_reader(_neutral(self._steps), self.read_slowly)
        return self.read_slowly(data, at, values)

    def _first_writes(self, values: Values) -> bytes:
        self._seen_written += 1
        if self._seen_written == COMPILED_AT:
            self.write = compile_writer(_neutral(self._steps), self.write_slowly)
        return self.write_slowly(values)


def _neutral(steps: "Sequence[Part | Run]") -> list[Step]:
    """Return steps as the compiler knows them. A group that derives from `When` has its own ways and is asked."""
    found: list[Step] = []
    for step in steps:
        if type(step) is When:
            found.append(Branch(step.applies, _neutral(_with_runs(step.parts))))
        elif isinstance(step, GROUPS):
            found.append(Other(step.parse, step.encode))
        else:
            found.append(step)
    return found


def _with_runs(parts: "Sequence[Part]") -> "list[Part | Run]":
    """Return the parts with choices in a row put together."""
    steps: list[Part | Run] = []
    run: list[Choice] = []
    for part in parts:
        if isinstance(part, Choice):
            run.append(part)
            continue
        if run:
            steps.append(Run(tuple(run)))
            run = []
        steps.append(part)
    return [*steps, Run(tuple(run))] if run else steps


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
