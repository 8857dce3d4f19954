"""Makes the function that writes messages with one set of elements: the counterpart of `iso.compile_read`.

The values of a message become the local variables of a function in one unpacking; neighbours that end up in the same
alphabet are joined by one f-string, checked by one call per kind and turned into bytes at once. Again it declines what
it cannot vouch for, and the slow path finds the element to blame.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from iso.compile_read import field_class, mti_table, text_tables
from iso.elements import MAC_ELEMENTS
from iso.formats import FieldFormat
from iso.generic import bitmap_of, mac_elements, with_base1_length
from iso.wire import TABLE_LIMIT, capacity, write_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from iso.dialect import Dialect

__all__ = ["compile_writer"]

Write = Callable[[str, "Iterable[str]", str], bytes | None]

_Z_SHOWN = "0123456789=D>"


class _Writer:
    """The text of one function while it is written."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"unhex": binascii.a2b_hex, "SIGN": {"C": "43", "D": "44"}}
        # Finished byte expressions, then the open chunk: its alphabet and its f-string parts by kind.
        self.pieces: list[str] = []
        self.alphabet = ""
        self.parts: list[tuple[str, str]] = []

    def name(self, prefix: str, what: Any) -> str:
        name = f"{prefix}{len(self.names)}"
        self.names[name] = what
        return name

    def say(self, line: str) -> None:
        self.lines.append(line)

    def refuse(self, *rules: str) -> None:
        self.lines.append(f"if {' or '.join(rules)}: return None")

    def add(self, alphabet: str, kind: str, part: str) -> None:
        """Put a part of an f-string into the chunk of this alphabet: "hex" or a character set."""
        if alphabet != self.alphabet:
            self.close()
            self.alphabet = alphabet
        self.parts.append((kind, part))

    def close(self) -> None:
        """Check and convert the open chunk."""
        if not self.parts:
            return
        groups: list[list[str]] = []
        for kind, part in self.parts:
            if groups and groups[-1][0] == kind:
                groups[-1][1] += part
            else:
                groups.append([kind, part])
        text = ""
        for kind, parts in groups:
            rule = _RULES.get(kind)
            if rule is None:
                text += parts
                continue
            name = f"g{len(self.lines)}"
            self.say(f"{name} = {_joined(parts)}")
            self.refuse(rule.format(name))
            text += f"{{{name}}}"
        whole = _joined(text)
        if self.alphabet == "hex":
            self.pieces.append(f"unhex({whole})")
        else:
            tables = text_tables(self.alphabet)
            turned = f".translate({self.name('T', tables[1])})" if tables else ""
            self.pieces.append(f"{whole}.encode('ascii'){turned}")
        self.parts = []

    def piece(self, expression: str) -> None:
        self.close()
        self.alphabet = ""
        self.pieces.append(expression)

    def prefix(self, field: FieldFormat, value: str, alphabet: str, *, doubled: bool = False) -> None:
        """Write a length prefix; a value that is too long makes the look-up fail."""
        width, encoding = field.prefix_bytes, field.prefix_encoding
        limit = min(field.size, capacity(width, encoding))
        wide = limit > TABLE_LIMIT
        if wide:
            half = f"len({value}) >> 1" if doubled else f"len({value})"
            self.refuse(f"len({value}) > {2 * limit if doubled else limit}")
            self.piece(f"{self.name('W', write_prefix)}({half}, {width}, {encoding!r})")
        elif alphabet == "hex":
            self.add(
                "hex", "", f"{{{self.name('P', _prefixes(width, encoding, limit, doubled, 'hex'))}[len({value})]}}"
            )
        elif encoding == alphabet or (encoding not in ("b", "bcd") and _alike(encoding, alphabet)):
            if alphabet == self.alphabet or not doubled:
                digits = _prefixes(width, encoding, limit, doubled, "digits")
                self.add(alphabet, "", f"{{{self.name('P', digits)}[len({value})]}}")
            else:
                self.piece(f"{self.name('P', _prefixes(width, encoding, limit, doubled, 'bytes'))}[len({value})]")
        else:
            self.piece(f"{self.name('P', _prefixes(width, encoding, limit, doubled, 'bytes'))}[len({value})]")

    def element(self, element: int) -> None:
        field, value = self.dialect.formats[element], f"v{element}"
        how = field_class(field)
        if how == "slow":
            self.piece(f"{self.name('W', self.dialect.writers[element])}({value})")
        elif how == "text":
            self.text(field, value)
        elif how == "raw":
            # A hex string of odd length has no prefix, and is no fixed length either.
            if field.prefix_bytes:
                self.prefix(field, value, self.raw_alphabet(field), doubled=True)
                if field.size > TABLE_LIMIT:
                    self.refuse(f"len({value}) & 1")
            else:
                self.refuse(f"len({value}) != {2 * field.size}")
            self.add("hex", "", f"{{{value}}}")
        elif how == "signed":
            self.refuse(f"len({value}) != {field.size}", f"not {value}[1:].isdigit()")
            self.add("hex", "", f"{{SIGN[{value}[0]]}}{{{value}[1:]}}")
        else:
            self.packed(field, value)

    def raw_alphabet(self, field: FieldFormat) -> str:
        return "hex" if field.prefix_encoding in ("b", "bcd") else field.prefix_encoding

    def text(self, field: FieldFormat, value: str) -> None:
        if field.prefix_bytes:
            self.prefix(field, value, field.encoding)
        else:
            self.refuse(f"len({value}) != {field.size}")
        if field.kind == "x+n":
            self.refuse(f"{value}[0] not in SIGN", f"not {value}[1:].isdigit()")
        if field.prefix_bytes and field.kind in ("n", "a", "an"):
            # Alone: an empty one is legal, and would hide in no group.
            self.refuse(f"{value} and {_RULES[field.kind].format(value)}")
            self.add(field.encoding, "", f"{{{value}}}")
        elif field.kind == "z":
            self.refuse(f"{value}.strip({_Z_SHOWN!r})")
            self.add(field.encoding, "", f"{{{value}}}")
        else:
            self.add(field.encoding, field.kind, f"{{{value}}}")

    def packed(self, field: FieldFormat, value: str) -> None:
        left, right = field.left_pad, field.right_pad
        if field.kind == "z":
            self.say(f"{value} = {value}.replace('=', 'D')")
            self.refuse(f"{value}.strip('0123456789D')")
        if not field.prefix_bytes:
            self.refuse(f"len({value}) != {field.size}")
            odd = field.size & 1
            self.add("hex", "n", f"{left if odd else ''}{{{value}}}{right if odd else ''}")
            return
        self.prefix(field, value, self.raw_alphabet(field))
        if field.kind == "n":
            self.refuse(f"{value} and not {value}.isdigit()")
        if left or right:
            # The prefix is looked up later, from the length without the pad.
            padded = f"{left!r} + {value}" if left else f"{value} + {right!r}"
            self.say(f"p{value} = {padded} if len({value}) & 1 else {value}")
            value = f"p{value}"
        else:
            self.refuse(f"len({value}) & 1")
        self.add("hex", "", f"{{{value}}}")

    def head(self, elements: tuple[int, ...]) -> None:
        dialect = self.dialect
        encoding, bitmap = dialect.bitmap_encoding, bitmap_of(elements)
        written = bitmap if encoding == "b" else bitmap.hex().upper().encode(encoding)
        if dialect.header_bytes:
            self.say(f"header = header or {dialect.default_header!r}")
            self.refuse(f"len(header) != {2 * dialect.header_bytes}")
            self.piece("unhex(header)")
        mtis = _mtis(dialect.mti_encoding, dialect.version_digit)
        self.piece(f"{self.name('M', mtis)}[mti]")
        self.piece(self.name("B", written))

    def source(self, given: tuple[int, ...], written: tuple[int, ...]) -> str:
        values = "".join(f"v{element}, " for element in given)
        self.say(f"{values}= values" if given else "")
        self.head(written)
        for element in written:
            if element in given:
                self.element(element)
                if self.dialect.mac and element in MAC_ELEMENTS:
                    self.lines.append(f"if not v{element}: return None")
            else:
                self.add("hex", "", "0" * 2 * self.dialect.formats[element].size)
        self.close()
        whole = " + ".join(self.pieces) if len(self.pieces) < 4 else f"b''.join(({', '.join(self.pieces)}))"
        if self.dialect.header == "base1":
            whole = f"{self.name('B', with_base1_length)}({whole})"
        self.say(f"return {whole}")
        return "def write(mti, values, header):\n" + "".join(f" {line}\n" for line in self.lines if line)


_RULES = {
    # What is not ASCII passes here and fails where the text becomes bytes.
    "n": "not {}.isdigit()",
    # Spaces alone are text as well.
    "a": "not {0}.isalpha() and {0}.strip(' ') and not {0}.replace(' ', '').isalpha()",
    "an": "not {0}.isalnum() and {0}.strip(' ') and not {0}.replace(' ', '').isalnum()",
    "ans": "not {}.isprintable()",
}


def _joined(parts: str) -> str:
    """Give an expression for the parts of an f-string; one variable alone is itself."""
    inner = parts[1:-1]
    return inner if parts == f"{{{inner}}}" and inner.isidentifier() else f'f"{parts}"'


def _alike(encoding: str, alphabet: str) -> bool:
    return "0123456789".encode(encoding) == "0123456789".encode(alphabet)


@lru_cache(maxsize=64)
def _mtis(encoding: str, version_digit: str) -> dict[str, bytes]:
    return {mti: raw for raw, mti in mti_table(encoding, version_digit).items()}


@lru_cache(maxsize=256)
def _prefixes(width: int, encoding: str, limit: int, doubled: bool, form: str) -> tuple[str | bytes | None, ...]:
    """Give a table by length of the value in characters; where two make a byte, odd lengths have no entry."""
    written: list[str | bytes]
    if form == "digits":
        written = [f"{length:0{width}d}" for length in range(limit + 1)]
    else:
        raw = [write_prefix(length, width, encoding) for length in range(limit + 1)]
        written = [one.hex() for one in raw] if form == "hex" else list(raw)
    if not doubled:
        return tuple(written)
    return tuple(None if length & 1 else written[length >> 1] for length in range(2 * len(written) - 1))


def compile_writer(dialect: Dialect, given: tuple[int, ...]) -> Write | None:
    """Make the function that writes messages with these elements.

    Parameters
    ----------
    dialect
        How to write them.
    given
        The elements of a message in the order in which it holds them.

    Returns
    -------
    Write | None
        `write(mti, values, header) -> bytes`, or None, or an exception, where the slow path must decide; None if such
        messages cannot be written by a compiled function at all.
    """
    written = tuple(sorted(given))
    if dialect.mac:
        last, absent = mac_elements(given)
        written = tuple(sorted({*given, last} - {absent}))
    if any(element not in dialect.formats for element in written) or (written and written[-1] > 128):
        return None
    writer = _Writer(dialect)
    try:
        source = writer.source(given, written)
    except (LookupError, ValueError):  # a character set that is not one byte a character
        return None
    exec(compile(source, f"<{dialect.name}: write>", "exec"), writer.names)
    made: Write = writer.names["write"]
    return made
