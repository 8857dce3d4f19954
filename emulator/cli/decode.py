"""`cardrails decode`: the bytes of one message as a table or JSON. Imports only the language of the house."""

from __future__ import annotations

import argparse
import json
import sys

from emulator.cli.inputs import (
    add_bytes,
    add_reading,
    hint_for,
    read_bytes,
    reading,
    unframed,
)
from emulator.render import message_lines
from iso import RemoteProtocolError
from iso.masks import masked_window
from iso.remarks import decode_with_remarks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_bytes(parser)
    add_reading(parser)
    parser.add_argument("--reveal-test-pan", action="store_true", help="show DE 2 and the secret elements as they are")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Decode and print; 1 if the bytes are not a message of the dialect."""
    data = read_bytes(arguments)
    spoken, framed = reading(arguments, data)
    try:
        if framed is not None:
            data = unframed(data, framed)
        message, remarks = decode_with_remarks(data, spoken)
    except RemoteProtocolError as error:
        problem = {"error": str(error), "element": error.element, "offset": error.offset}
        window = masked_window(data, error.offset or 0)
    else:
        shown = dict(sorted(message.fields.items())) if arguments.reveal_test_pan else message.masked()
        if arguments.json:
            fields = {str(de): value for de, value in shown.items()}
            answer = {"dialect": spoken.name, "mti": message.mti, "header": message.header, "fields": fields}
            print(json.dumps({**answer, "remarks": [remark._asdict() for remark in remarks]}))
        else:
            print("\n".join(message_lines(message.mti, shown, spoken)))
            for remark in remarks:
                print(f"note: {remark.words}", file=sys.stderr)
        return 0
    if arguments.json:
        print(json.dumps({**problem, "window": window}))
    else:
        at = "" if problem["offset"] is None else f" at byte {problem['offset']}"
        print(f"no {spoken.name} message{at}: {problem['error']}\n{window}", file=sys.stderr)
        if hint := hint_for(data, spoken):
            print(hint, file=sys.stderr)
    return 1
