"""Makes the function that reads messages of one bitmap: source text from a dialect's tables, compiled once.

A bitmap fixes which elements follow, so everything but the lengths of variable elements is known beforehand. The
function takes neighbouring elements in one slice, checks all their characters with one call per kind, cuts the values
out of one string, looks up a length prefix and its limit in one step, and lets one comparison at the end catch all
truncations. What it cannot vouch for it declines: it returns None or raises, and the slow path decides.

The source is made of element numbers, sizes and offsets of the dialect; encodings and tables come as objects. Nothing
that was ever on the wire becomes part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from iso.formats import CONTENT, FieldFormat
from iso.message import Message
from iso.mti import is_valid
from iso.wire import TABLE_LIMIT, prefix_table

if TYPE_CHECKING:
    from iso.dialect import Dialect

__all__ = ["TEXT_KINDS", "compile_reader", "field_class", "mti_table", "text_tables"]

Read = Callable[[bytes], Message | None]

TEXT_KINDS = ("n", "a", "an", "ans", "z", "x+n")
_ANS = CONTENT["ans"].encode("ascii")


def text_tables(encoding: str) -> tuple[bytes, bytes] | None:
    """Give the tables from and to ASCII of a character set, or None where it writes ASCII as ASCII.

    Each maps what is not a printable character to FF or to itself: it never makes a wrong character a right one.

    Raises
    ------
    LookupError, ValueError
        The character set has more than one byte for a printable character, or lacks one.
    """
    written = CONTENT["ans"].encode(encoding)
    if len(written) != len(_ANS):
        raise ValueError("not one byte for each character")
    if written == _ANS:
        return None
    into_ascii = bytearray(b"\xff" * 256)
    for ours, theirs in zip(_ANS, written, strict=True):
        into_ascii[theirs] = ours
    return bytes(into_ascii), bytes.maketrans(_ANS, written)


def field_class(field: FieldFormat) -> str:
    """Say how the compiled functions treat an element: "text", "packed", "raw", "signed", or "slow" (its closure)."""
    if field.encoding != "b":
        if field.nibbles or field.kind == "hex" or (field.kind == "x+n" and field.prefix_bytes):
            return "slow"
        return "text" if field.kind in TEXT_KINDS or field.encoding == "ascii" else "slow"
    if field.kind == "x+n":
        return "slow" if field.prefix_bytes else "signed"
    if not field.nibbles:
        return "raw"
    if field.left_pad and field.right_pad:
        return "slow"
    if field.kind == "z":
        return "packed" if field.prefix_bytes else "slow"
    even = field.prefix_bytes or not field.size & 1
    return "packed" if field.kind == "n" and (even or (field.left_pad or field.right_pad) == "0") else "slow"


class _Reader:
    """The text of one function while it is written."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"new": object.__new__, "Message": Message, "SIGN": {0x43: "C", 0x44: "D"}}
        # The place of the next byte is `base` + `ahead`; `base` is "" until the first variable element.
        self.base, self.ahead = "", dialect.bitmap_at
        self.views: dict[str, str] = {}
        # True where the prefix of the next element came with the run before it.
        self.has_length = False

    def name(self, prefix: str, what: Any) -> str:
        """Hand an object over to the function and give the name it has there."""
        for known, value in self.names.items():
            if known.startswith(prefix) and value is what:
                return known
        name = f"{prefix}{len(self.names)}"
        self.names[name] = what
        return name

    def say(self, line: str, *checks: str) -> None:
        self.lines.append(line)
        if checks:
            self.lines.append(f"if {' or '.join(checks)}: return None")

    def place(self, more: int = 0) -> str:
        ahead = self.ahead + more
        if not self.base:
            return str(ahead)
        return f"{self.base}+{ahead}" if ahead else self.base

    def view(self, encoding: str) -> str:
        """Give the variable that holds the frame with this character set turned into ASCII."""
        if encoding not in self.views:
            tables = text_tables(encoding)
            if tables is None:
                self.views[encoding] = "s"
            else:
                view = self.views[encoding] = f"t{len(self.views)}"
                self.lines.insert(0, f"{view} = s.translate({self.name('T', tables[0])})")
        return self.views[encoding]

    def text_run(self, run: list[tuple[int, FieldFormat]], follower: FieldFormat | None) -> None:
        """Read neighbouring text elements of fixed length, and the length of a variable one that follows."""
        prefix = _prefix_beside(run[0][1], follower)
        total = sum(field.size for _, field in run) + prefix
        self.say(f"r = {self.view(run[0][1].encoding)}[{self.place()}:{self.place(total)}]")
        at, checks, groups = 0, [], list[tuple[str, int, int]]()
        for _, field in run:
            if groups and groups[-1][0] == field.kind and field.kind != "x+n":
                groups[-1] = (field.kind, groups[-1][1], at + field.size)
            else:
                groups.append((field.kind, at, at + field.size))
            at += field.size
        if prefix and groups[-1][0] in _WITH_DIGITS:
            groups[-1] = (*groups[-1][:2], total)
        for kind, start, end in groups:
            checks += self.content(kind, "r" if end - start == total else f"r[{start}:{end}]", "r", start, end)
        if checks:
            self.say("", *checks)
        self.cut(run, prefix)
        self.ahead += total
        if prefix and follower is not None:
            self.say(f"n = {self.name('P', _lengths(prefix, min(follower.size, 10**prefix - 1)))}[q]")
            self.has_length = True

    def cut(self, run: list[tuple[int, FieldFormat]], prefix: int) -> None:
        """Cut the text of a run into its values."""
        variables, slices, at = [], [], 0
        for element, field in run:
            variables.append(f"f[{element}]")
            slices.append(slice(at, at + field.size))
            at += field.size
        if prefix:
            variables.append("q")
            slices.append(slice(at, at + prefix))
        if len(slices) == 1:
            self.say(f"{variables[0]} = r.decode('ascii')")
        else:
            self.say(f"{', '.join(variables)} = {self.name('G', itemgetter(*slices))}(r.decode('ascii'))")

    def content(self, kind: str, what: str, whole: str, start: int, end: int) -> list[str]:
        """Give the conditions under which text is not of its kind."""
        if kind == "n":
            return [f"not {what}.isdigit()"]
        if kind in ("a", "an"):
            quick = "isalpha" if kind == "a" else "isalnum"
            return [f"(not {what}.{quick}() and {what}.translate(None, {self.name('K', _kept(kind))}))"]
        if kind in ("ans", "z"):
            return [f"{what}.translate(None, {self.name('K', _kept(kind))})"]
        if kind == "x+n":
            return [f"{whole}[{start}] not in SIGN", f"not {whole}[{start + 1}:{end}].isdigit()"]
        return []

    def packed_run(self, run: list[tuple[int, FieldFormat]]) -> None:
        """Read neighbouring packed numbers of fixed length."""
        total = sum((field.size + 1) // 2 for _, field in run)
        self.say(f"h = s[{self.place()}:{self.place(total)}].hex()")
        at, checks, slices = 0, ["not h.isdigit()"], []
        for _, field in run:
            end = at + field.size
            if field.size & 1:
                end += 1
                checks.append(f"h[{at if field.left_pad else end - 1}] != '0'")
                slices.append(slice(at + 1, end) if field.left_pad else slice(at, end - 1))
            else:
                slices.append(slice(at, end))
            at = end
        self.say("", *checks)
        variables = ", ".join(f"f[{element}]" for element, _ in run)
        if len(run) == 1:
            whole = slices[0] == slice(0, at)
            self.say(f"{variables} = h" if whole else f"{variables} = h[{slices[0].start}:{slices[0].stop}]")
        else:
            self.say(f"{variables} = {self.name('G', itemgetter(*slices))}(h)")
        self.ahead += total

    def raw(self, element: int, field: FieldFormat) -> None:
        self.say(f"f[{element}] = s[{self.place()}:{self.place(field.size)}].hex().upper()")
        self.ahead += field.size

    def signed(self, element: int, field: FieldFormat) -> None:
        digits = (field.size - 1) // 2
        self.say(f"h = s[{self.place(1)}:{self.place(1 + digits)}].hex()", "not h.isdigit()")
        self.say(f"f[{element}] = SIGN[s[{self.place()}]] + h")
        self.ahead += 1 + digits

    def length(self, field: FieldFormat) -> None:
        """Read a length prefix into `n`; the value begins at `i`."""
        if self.has_length:
            self.has_length = False
            self.say(f"i = {self.place()}")
            self.base, self.ahead = "o", 0
            return
        width, place = field.prefix_bytes, self.place()
        limit = min(field.size, TABLE_LIMIT)
        self.ahead += width
        if field.prefix_encoding == "b" and field.size > TABLE_LIMIT:
            self.say(f"n = int.from_bytes(s[{place}:{self.place()}], 'big')", f"n > {field.size}")
        else:
            table = prefix_table(width, field.prefix_encoding, limit)
            if width == 1:
                self.say(f"n = {self.name('P', _by_byte(width, field.prefix_encoding, table))}[s[{place}]]")
            else:
                self.say(f"n = {self.name('P', table)}[s[{place}:{self.place()}]]")
        self.say(f"i = {self.place()}")
        self.base, self.ahead = "o", 0

    def variable(self, element: int, field: FieldFormat, how: str) -> None:
        self.length(field)
        value = f"f[{element}]"
        if how == "text":
            self.say("o = i + n")
            self.say(f"r = {self.view(field.encoding)}[i:o]")
            rules = self.content(field.kind, "r", "r", 0, 0)
            self.say(f"{value} = r.decode('ascii')", *(f"n and {rule}" for rule in rules))
        elif how == "raw":
            self.say("o = i + n")
            self.say(f"{value} = s[i:o].hex().upper()")
        else:
            self.say("o = i + (n + 1 >> 1)")
            self.say(f"h = s[i:o].hex(){'' if field.kind == 'n' else '.upper()'}")
            wrong = "n and not h.isdigit()"
            if field.kind == "z":
                wrong = "h.strip('0123456789D')"
            pad = field.left_pad or field.right_pad
            if pad:
                end, rest = ("h[0]", "h[1:]") if field.left_pad else ("h[-1]", "h[:-1]")
                self.say("if n & 1:")
                self.say(f" if {end} != {(pad if field.kind == 'z' else pad.lower())!r}: return None")
                self.say(f" h = {rest}")
            else:
                wrong = f"n & 1 or {wrong}"
            self.say(f"{value} = h", wrong)

    def slow(self, element: int) -> None:
        reader = self.name("R", self.dialect.readers[element])
        self.say(f"f[{element}], o = {reader}(s, {self.place()})")
        self.base, self.ahead = "o", 0

    def elements(self, elements: tuple[int, ...]) -> None:
        formats, waiting = self.dialect.formats, list(elements)
        while waiting:
            element = waiting[0]
            field = formats[element]
            how = field_class(field)
            run = 1
            if how in ("text", "packed") and not field.prefix_bytes:
                while run < len(waiting) and _joins(field, how, formats[waiting[run]]):
                    run += 1
                pairs = [(number, formats[number]) for number in waiting[:run]]
                if how == "text":
                    self.text_run(pairs, formats[waiting[run]] if run < len(waiting) else None)
                else:
                    self.packed_run(pairs)
            elif how == "slow":
                self.slow(element)
            elif field.prefix_bytes:
                self.variable(element, field, how)
            else:
                (self.raw if how == "raw" else self.signed)(element, field)
            del waiting[:run]

    def source(self, elements: tuple[int, ...], bitmap_bytes: int) -> str:
        dialect = self.dialect
        header = dialect.header_bytes
        self.ahead += bitmap_bytes
        width = 2 if dialect.mti_encoding == "b" else 4
        mtis = self.name("M", mti_table(dialect.mti_encoding, dialect.version_digit))
        if dialect.header == "base1":
            self.say("", "s[0] != 22")
        self.say(f"m = {mtis}[s[{header}:{header + width}]]")
        # Copying a dictionary of the right size and filling it is quicker than building one.
        self.say(f"f = {self.name('D', dict.fromkeys(elements, ''))}.copy()")
        self.elements(elements)
        self.say("", f"len(s) != {self.place()}")
        self.say("message = new(Message)")
        self.say("message._mti = m")
        self.say("message._fields = f")
        self.say("message._private = None")
        self.say(f"message._header = s[:{header}].hex().upper()" if header else "message._header = ''")
        self.say("return message")
        return "def read(s):\n" + "".join(f" {line}\n" for line in self.lines if line)


@lru_cache(maxsize=256)
def _lengths(width: int, limit: int) -> dict[str, int]:
    return {f"{length:0{width}d}": length for length in range(limit + 1)}


_WITH_DIGITS = ("n", "an", "ans", "z")


def _prefix_beside(run: FieldFormat, follower: FieldFormat | None) -> int:
    """Give the width of the next element's length prefix where it is text of the same character set, else 0."""
    if follower is None or field_class(follower) == "slow" or follower.prefix_encoding != run.encoding:
        return 0
    return follower.prefix_bytes


def _joins(first: FieldFormat, how: str, field: FieldFormat) -> bool:
    return field_class(field) == how and not field.prefix_bytes and field.encoding == first.encoding


_kept_tables: dict[str, bytes] = {}


def _kept(kind: str) -> bytes:
    return _kept_tables.setdefault(kind, CONTENT[kind].encode("ascii"))


_by_byte_tables: dict[tuple[int, str, int], tuple[int | None, ...]] = {}


def _by_byte(width: int, encoding: str, table: dict[bytes, int]) -> tuple[int | None, ...]:
    """Give a one-byte prefix table by the byte itself; None (which no arithmetic takes) is illegal."""
    key = (width, encoding, len(table))
    if key not in _by_byte_tables:
        _by_byte_tables[key] = tuple(table.get(bytes((byte,))) for byte in range(256))
    return _by_byte_tables[key]


_mti_tables: dict[tuple[str, str], dict[bytes, str]] = {}


def mti_table(encoding: str, version_digit: str) -> dict[bytes, str]:
    """Map every MTI of a version, as it is written, to its digits."""
    key = (encoding, version_digit)
    if key not in _mti_tables:
        _mti_tables[key] = {
            (bytes.fromhex(mti) if encoding == "b" else mti.encode(encoding)): mti
            for rest in range(1000)
            if is_valid(mti := f"{version_digit}{rest:03d}")
        }
    return _mti_tables[key]


def compile_reader(dialect: Dialect, elements: tuple[int, ...], bitmap_bytes: int) -> Read | None:
    """Make the function that reads messages with these elements.

    Parameters
    ----------
    dialect
        How they are written.
    elements
        What the bitmap announces, in order.
    bitmap_bytes
        How long the bitmap is on the wire.

    Returns
    -------
    Read | None
        `read(frame) -> Message`, or None, or an exception, where the slow path must decide; None if the dialect cannot
        be compiled.
    """
    if any(element not in dialect.formats for element in elements):
        return None
    writer = _Reader(dialect)
    try:
        source = writer.source(elements, bitmap_bytes)
    except (LookupError, ValueError):  # a character set that is not one byte a character
        return None
    exec(compile(source, f"<{dialect.name}: read>", "exec"), writer.names)
    made: Read = writer.names["read"]
    return made
