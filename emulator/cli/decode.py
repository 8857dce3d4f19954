"""`cardrails decode`: the bytes of one message as a table or JSON. Imports only the language of the house."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from emulator.render import message_lines
from iso import CardrailsError, Dialect, RemoteProtocolError, decode, dialect, framing
from iso.dialects import DIALECT_NAMES
from iso.masks import masked_window


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "hex", nargs="?", help="the message as hexadecimal; spaces are ignored; - or none: standard input"
    )
    parser.add_argument("--file", type=Path, help="read raw bytes from a file instead")
    parser.add_argument("--dialect", default="ascii87", choices=DIALECT_NAMES)
    parser.add_argument("--framed", action="store_true", help="the bytes begin with the dialect's length prefix")
    parser.add_argument("--reveal-test-pan", action="store_true", help="show DE 2 and the secret elements as they are")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Decode and print; 1 if the bytes are not a message of the dialect."""
    spoken = dialect(arguments.dialect)
    data = _bytes(arguments)
    try:
        if arguments.framed:
            data = _unframed(data, spoken)
        message = decode(data, spoken)
    except RemoteProtocolError as error:
        problem = {"error": str(error), "element": error.element, "offset": error.offset}
        window = masked_window(data, error.offset or 0)
    else:
        shown = dict(sorted(message.fields.items())) if arguments.reveal_test_pan else message.masked()
        if arguments.json:
            fields = {str(de): value for de, value in shown.items()}
            print(json.dumps({"dialect": spoken.name, "mti": message.mti, "header": message.header, "fields": fields}))
        else:
            print("\n".join(message_lines(message.mti, shown, spoken)))
        return 0
    if arguments.json:
        print(json.dumps({**problem, "window": window}))
    else:
        at = "" if problem["offset"] is None else f" at byte {problem['offset']}"
        print(f"not a {spoken.name} message{at}: {problem['error']}\n{window}", file=sys.stderr)
    return 1


def _unframed(data: bytes, spoken: Dialect) -> bytes:
    frames = framing(spoken.framing).decoder().feed(data)
    if len(frames) != 1:
        raise RemoteProtocolError(f"one whole frame expected, {len(frames)} found")
    return frames[0]


def _bytes(arguments: argparse.Namespace) -> bytes:
    if arguments.file is not None:
        try:
            return bytes(arguments.file.read_bytes())
        except OSError as error:
            problem = f"{arguments.file}: {error.strerror}"
        raise CardrailsError(problem)
    text = sys.stdin.read() if arguments.hex in (None, "-") else arguments.hex
    try:
        return bytes.fromhex("".join(text.split()))
    except ValueError:
        pass
    raise CardrailsError("the message must be given as hexadecimal digits")
