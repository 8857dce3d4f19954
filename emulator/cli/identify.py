"""`cardrails identify`: what unknown bytes, or the streams of a capture, may be, and where each reading of them fails.

Imports only the language of the house.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from emulator.capture_reader import is_capture, tcp_streams
from emulator.cli.inputs import DIALECT_FILE_HELP, add_bytes, dialect_of_file, from_hexadecimal, read_bytes
from iso import CardrailsError, Dialect, dialect
from iso.detect import NO_FRAMING, Candidate, candidates
from iso.dialects import DIALECT_NAMES

_MTIS_SHOWN = 4
_HEXADECIMAL = frozenset(b"0123456789ABCDEFabcdef \t\r\n")


class Source(NamedTuple):
    """Bytes of one origin and how they can be read, best first; `is_lenient`: what fits does so only leniently."""

    name: str
    data: bytes
    found: list[Candidate]
    is_lenient: bool

    @property
    def fitting(self) -> list[Candidate]:
        """The readings that explain every byte."""
        return [candidate for candidate in self.found if candidate.fits]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_bytes(parser, "one direction of a stream from its beginning, or one message,")
    parser.add_argument(
        "--dialect-file", type=Path, action="append", default=[], metavar="FILE", help=f"try {DIALECT_FILE_HELP}, too"
    )
    parser.add_argument("--all", action="store_true", help="every reading, not only those that fit and the next best")
    parser.add_argument("--json", action="store_true", help="one JSON object with every reading")


def run(arguments: argparse.Namespace) -> int:
    """Try and print; 0 if some dialect and framing explain every byte of some source."""
    tried = {name: dialect(name) for name in DIALECT_NAMES}
    files: dict[str, Path] = {}
    for file in arguments.dialect_file:
        own = dialect_of_file(file)
        tried[own.name], files[own.name] = own, file
    data = read_bytes(arguments)
    sources = [_read(name, found, tried.values()) for name, found in _sources(data, arguments.file)]
    if arguments.json:
        print(json.dumps({"sources": [_source_json(source, tried, files) for source in sources]}))
    else:
        print("\n".join(line for source in sources for line in _lines(source, tried, files, show_all=arguments.all)))
    return 0 if any(source.fitting for source in sources) else 1


def _sources(data: bytes, file: Path | None) -> list[tuple[str, bytes]]:
    if is_capture(data):
        streams = [(f"{stream.source} -> {stream.destination}", stream.data) for stream in tcp_streams(data)]
        if not streams:
            raise CardrailsError("no TCP payload in the capture")
        return streams
    if not data:
        raise CardrailsError("no bytes to identify")
    name = str(file) if file is not None else "the bytes"
    if file is not None and data and _HEXADECIMAL.issuperset(data):
        # A text file of hexadecimal could itself be a message of characters: both are tried.
        try:
            return [(name, data), (f"{name}, as hexadecimal", from_hexadecimal(data.decode("ascii")))]
        except CardrailsError:
            pass
    return [(name, data)]


def _read(name: str, data: bytes, tried: Iterable[Dialect]) -> Source:
    found = candidates(data, tried)
    if any(candidate.fits for candidate in found):
        return Source(name, data, found, is_lenient=False)
    relaxed = [candidate for candidate in candidates(data, [one.relaxed() for one in tried]) if candidate.fits]
    return Source(name, data, relaxed + found, is_lenient=True)


def _next_best(source: Source) -> list[Candidate]:
    """Give for each dialect that does not fit the reading that goes furthest."""
    named = {candidate.dialect for candidate in source.fitting}
    kept: dict[str, Candidate] = {}
    for candidate in source.found:
        if candidate.dialect not in named:
            kept.setdefault(candidate.dialect, candidate)
    return list(kept.values())


def _lines(source: Source, tried: dict[str, Dialect], files: dict[str, Path], *, show_all: bool) -> Iterable[str]:
    yield f"{source.name}: {len(source.data)} bytes"
    shown = source.found if show_all else source.fitting + _next_best(source)
    for candidate in shown:
        fits = "lenient" if source.is_lenient else "fits"
        state = fits if candidate.fits else "partly" if candidate.messages else "fails"
        yield (
            f"  {state:<9}{candidate.dialect:<13}framing {candidate.framing:<20}header {candidate.header:<6}"
            f" {_verdict(candidate)}"
        )
    if source.fitting and len(source.fitting[0].messages) == 1:
        yield f"  read it with: {_command(source.fitting[0], source, tried, files)}"
    elif not source.fitting:
        yield "  no dialect and framing explain every byte"


def _verdict(candidate: Candidate) -> str:
    words = []
    if candidate.messages:
        mtis = [message.mti for message in candidate.messages[:_MTIS_SHOWN]]
        more = len(candidate.messages) - len(mtis)
        words.append(" ".join(mtis) + (f" and {more} more" if more else ""))
    if candidate.remarks:
        words.append(f"{candidate.remarks} odd value{'s' if candidate.remarks > 1 else ''}")
    if not candidate.fits:
        words.append(f"byte {candidate.offset}: {candidate.rule}")
    return "; ".join(words)


def _command(candidate: Candidate, source: Source, tried: dict[str, Dialect], files: dict[str, Path]) -> str:
    """Say how to read bytes in the way of a candidate."""
    spoken = tried[candidate.dialect]
    file = files.get(candidate.dialect)
    words = ["cardrails explain", f"--dialect-file {file}" if file else f"--dialect {spoken.name}"]
    if candidate.framing != NO_FRAMING:
        words.append("--framed" if candidate.framing == spoken.framing else f"--framing {candidate.framing}")
    if candidate.header != spoken.header:
        words.append(f"--header-form {candidate.header}")
    if candidate.fits and source.is_lenient:
        words.append("--lenient")
    return " ".join(words)


def _source_json(source: Source, tried: dict[str, Dialect], files: dict[str, Path]) -> dict[str, Any]:
    readings = []
    for candidate in source.found:
        messages = [{"mti": message.mti, "elements": sorted(message.fields)} for message in candidate.messages]
        reading = {**candidate._asdict(), "messages": messages}
        readings.append({**reading, "command": _command(candidate, source, tried, files)})
    return {"source": source.name, "bytes": len(source.data), "fits": bool(source.fitting), "candidates": readings}
