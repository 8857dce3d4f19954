"""What the reading tools take: bytes in the forms in which people have them, a dialect, and elements as `4=...`.

Light on purpose: it imports the language of the house and nothing else.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from emulator.explain import frame_bounds
from iso import CardrailsError, ConfigError, Dialect, RemoteProtocolError, decode, dialect
from iso.detect import NO_FRAMING, candidates
from iso.dialect_file import dialect_from_toml
from iso.dialects import DIALECT_NAMES

DEFAULT_DIALECT = "ascii87"
AUTO = "auto"
DIALECT_FILE_HELP = "a dialect of your own: TOML, or the JSON of a pyiso8583 specification"
HEADERS = ("none", "tpdu", "base1")
STANDARD_INPUT = "-"

# `hexdump -C` shows what it dumped twice; the copy between bars is not hexadecimal.
_DUMP_LINE = re.compile(r"^[0-9A-Fa-f]{4,8}:?\s+((?:[0-9A-Fa-f]{2}\s+)+)\|.*\|$")
_DUMP_END = re.compile(r"^[0-9A-Fa-f]{8}$")
_NOISE = re.compile(r"0x|\\x|[\s:,;\-_]", re.IGNORECASE)


def add_bytes(parser: argparse.ArgumentParser, what: str = "the message") -> None:
    """Declare where the bytes come from."""
    parser.add_argument(
        "hex",
        nargs="*",
        metavar="HEX",
        help=f"{what} as hexadecimal; spaces, colons, 0x and `hexdump -C` are understood; - or none: standard input",
    )
    parser.add_argument("--file", type=Path, help="read raw bytes from a file instead; - is standard input")


def add_dialect(parser: argparse.ArgumentParser, also: str = "", default: str = DEFAULT_DIALECT) -> None:
    """Declare how the dialect is chosen."""
    names = f"{also}one of {', '.join(DIALECT_NAMES)} (default: {default})"
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--dialect", default=DEFAULT_DIALECT, metavar="NAME", help=names)
    chosen.add_argument("--dialect-file", type=Path, metavar="FILE", help=DIALECT_FILE_HELP)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Declare in which ways the bytes may differ from the dialect, and that it may be found."""
    add_dialect(parser, f"{AUTO}: whatever fits; or ")
    add_framing(parser)
    parser.add_argument(
        "--header-form", choices=HEADERS, help="what stands before the MTI, if not what the dialect has"
    )
    parser.add_argument(
        "--lenient", action="store_true", help="take a bitmap of 16 bytes that does not announce its second half, too"
    )


def add_framing(parser: argparse.ArgumentParser) -> None:
    """Declare that something stands around the message."""
    parser.add_argument("--framed", action="store_true", help="with the length prefix that the dialect has")
    parser.add_argument("--framing", metavar="NAME", help="with this length prefix instead; implies --framed")


def chosen_dialect(arguments: argparse.Namespace) -> Dialect:
    """Give the dialect that was asked for.

    Raises
    ------
    ConfigError
        There is none of this name, or the file is wrong.
    """
    if arguments.dialect_file is not None:
        spoken = dialect_of_file(arguments.dialect_file)
    else:
        spoken = dialect(arguments.dialect)
    return spoken


def reading(arguments: argparse.Namespace, data: bytes) -> tuple[Dialect, str | None]:
    """Say how to read bytes: the dialect, with the differences that `add_reading` declares, and the framing or None.

    Raises
    ------
    CardrailsError
        The dialect was to be found, and none fits.
    """
    if arguments.dialect == AUTO and arguments.dialect_file is None:
        return _found(data)
    spoken = _with_header(chosen_dialect(arguments), arguments.header_form)
    return spoken.relaxed() if arguments.lenient else spoken, framing_name(arguments, spoken)


def _found(data: bytes) -> tuple[Dialect, str | None]:
    best = next((candidate for candidate in candidates(data) if candidate.fits), None)
    if best is None:
        raise CardrailsError("no dialect and framing explain every byte; `cardrails identify` says where each fails")
    if len(best.messages) != 1:
        raise CardrailsError(f"{len(best.messages)} messages in {best.framing} frames; one is wanted")
    around = "" if best.framing == NO_FRAMING else f" in a {best.framing} frame"
    print(f"note: read as {best.dialect}{around}, header: {best.header}", file=sys.stderr)
    return _with_header(dialect(best.dialect), best.header), None if best.framing == NO_FRAMING else best.framing


def _with_header(spoken: Dialect, header: str | None) -> Dialect:
    if header in (None, spoken.header):
        return spoken
    return replace(spoken, header=header, header_bytes=0, default_header="")


def dialect_of_file(file: Path) -> Dialect:
    """Read a dialect of the user's own: TOML, or a specification of pyiso8583 as JSON.

    Raises
    ------
    ConfigError
        One line: file, key, value, rule.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
    else:
        return _spec_of_json(text, file) if file.suffix == ".json" else dialect_from_toml(text, str(file))
    raise ConfigError("command line", "--dialect-file", str(file), problem)


def _spec_of_json(text: str, file: Path) -> Dialect:
    try:
        spec = json.loads(text)
    except ValueError as error:
        problem = f"JSON: {error}"
    else:
        if isinstance(spec, dict) and all(isinstance(row, dict) for row in spec.values()):
            return Dialect.from_pyiso8583(spec, name=file.stem)
        problem = "a table of tables, as iso8583.decode takes it"
    raise ConfigError(file, "(file)", "", problem)


def framing_name(arguments: argparse.Namespace, spoken: Dialect) -> str | None:
    """Give the framing that was asked for, or None if the bytes are a bare message."""
    if arguments.framing:
        return str(arguments.framing)
    return spoken.framing if arguments.framed else None


def unframed(data: bytes, name: str) -> bytes:
    """Take the one message out of its frame; RemoteProtocolError if there is not exactly one whole frame."""
    start, end = frame_bounds(data, name)
    return data[start:end]


def read_bytes(arguments: argparse.Namespace) -> bytes:
    """Give the bytes that were named.

    Raises
    ------
    CardrailsError
        The file cannot be read, or the text is not hexadecimal.
    """
    if arguments.file is not None:
        return read_file(arguments.file)
    text = sys.stdin.read() if arguments.hex in ([], [STANDARD_INPUT]) else " ".join(arguments.hex)
    return from_hexadecimal(text)


def read_file(file: Path) -> bytes:
    """Read a whole file, or standard input for `-`; one line if that fails."""
    if str(file) == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        problem = f"{file}: {error.strerror}"
    raise CardrailsError(problem)


def from_hexadecimal(text: str) -> bytes:
    r"""Read hexadecimal as people paste it.

    Parameters
    ----------
    text
        Digits with or without spaces, colons, commas, `0x` or `\x`; or the output of `hexdump -C`.

    Returns
    -------
    bytes

    Raises
    ------
    CardrailsError
        Anything else.

    Examples
    --------
    >>> from_hexadecimal("0x30 31:30,30"), from_hexadecimal("00000000  30 31 30 30   |0100|\n00000004\n")
    (b'0100', b'0100')
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    dumped = [_DUMP_LINE.match(line) for line in lines]
    if lines and any(dumped) and all(found or _DUMP_END.match(line) for found, line in zip(dumped, lines, strict=True)):
        return bytes.fromhex("".join(found[1] for found in dumped if found))
    try:
        return bytes.fromhex(_NOISE.sub("", text))
    except ValueError:
        pass
    raise CardrailsError("the bytes must be given as hexadecimal digits, two for each byte (or raw, with --file)")


def hint_for(data: bytes, spoken: Dialect) -> str:
    """Say what would read bytes that are no message of a dialect."""
    for option, framed, tried in (("--lenient", None, spoken.relaxed()), ("--framed", spoken.framing, spoken)):
        try:
            decode(unframed(data, framed) if framed else data, tried)
        except RemoteProtocolError:
            continue
        return f"with {option} it is a message; see also `cardrails identify`"
    return "`cardrails identify` says which dialects and framings fit"


def element_of(text: str) -> tuple[int, str, str]:
    """Split `4=000000001000` or `48.13=trace` into element, path inside it ("" for all of it) and value.

    Raises
    ------
    CardrailsError
        It has another form.
    """
    name, equals, value = text.partition("=")
    number, _, path = name.strip().partition(".")
    if equals and re.fullmatch("[0-9]{1,3}", number) and "." not in (path[:1], path[-1:]):
        return int(number), path, value
    raise CardrailsError("--field takes ELEMENT=VALUE or ELEMENT.TAG=VALUE, for example 4=000000001000 or 48.13=trace")


def elements_of(texts: Sequence[str]) -> list[tuple[int, str, str]]:
    """Split every `--field`; see `element_of`."""
    return [element_of(text) for text in texts]
