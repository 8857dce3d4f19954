"""`cardrails encode`: JSON, a template or single elements as the bytes of one message.

It takes what `decode --json --reveal-test-pan` prints. Imports only the language of the house.
"""

from __future__ import annotations

import argparse
import json
import sys

from emulator.cli.inputs import add_dialect, add_framing, chosen_dialect, elements_of, framing_name
from emulator.drafts import TEMPLATE_NAMES, changed, filled, in_version_of, read_draft
from iso import encode, framing
from node.clock import wall_clock

FIRST_STAN = 1


def add_draft(parser: argparse.ArgumentParser) -> None:
    """Declare how a message is written down; `send` takes the same."""
    parser.add_argument(
        "message",
        nargs="?",
        metavar="MESSAGE",
        help=f"JSON, a .json or .toml file, - for standard input, or a template: {', '.join(TEMPLATE_NAMES)}",
    )
    parser.add_argument("--mti", help="four digits; needed where MESSAGE does not say it")
    parser.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="ELEMENT=VALUE",
        help="set an element (4=1000) or a part of one (48.13=trace, 55.9F36=001A); 7, 11, 12, 13 and 37 take auto;"
        " an empty value drops the element; may be repeated",
    )
    parser.add_argument("--header", metavar="HEX", help="the header, for dialects that have one")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_draft(parser)
    add_dialect(parser)
    add_framing(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--raw", action="store_true", help="write the bytes themselves, not their hexadecimal")
    form.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Encode and print."""
    spoken = chosen_dialect(arguments)
    at = wall_clock()
    draft = read_draft(arguments.message, arguments.mti)
    draft = changed(draft, elements_of(arguments.field), spoken)
    if arguments.header is not None:
        draft = draft.with_header(arguments.header.upper())
    message = in_version_of(filled(draft, at, FIRST_STAN), spoken, at)
    data = encode(message, spoken)
    framed = framing_name(arguments, spoken)
    if framed is not None:
        data = framing(framed).encode(data)
    if arguments.raw:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif arguments.json:
        answer = {"dialect": spoken.name, "framing": framed, "mti": message.mti, "bytes": len(data)}
        print(json.dumps({**answer, "hex": data.hex().upper()}))
    else:
        print(data.hex().upper())
    return 0
