"""`cardrails explain`: what every byte of a message is and means. Imports only the language of the house."""

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
)
from emulator.explain import Explanation, explain
from emulator.render import explanation_lines, wants_colour


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_bytes(parser)
    add_reading(parser)
    parser.add_argument("--reveal-test-pan", action="store_true", help="show DE 2 and the secret elements as they are")
    parser.add_argument("--json", action="store_true", help="one JSON object, with byte ranges")


def run(arguments: argparse.Namespace) -> int:
    """Explain and print, up to the first fault; 1 if there is one."""
    data = read_bytes(arguments)
    spoken, framed = reading(arguments, data)
    explained = explain(data, spoken, framed=framed, reveal=arguments.reveal_test_pan)
    if arguments.json:
        print(json.dumps(explained.as_json()))
    else:
        print("\n".join(explanation_lines(explained, colour=wants_colour())))
        if explained.error is not None:
            print(fault_line(explained), file=sys.stderr)
            if framed is None and (hint := hint_for(data, spoken)):
                print(hint, file=sys.stderr)
    return 0 if explained.error is None else 1


def fault_line(explained: Explanation) -> str:
    """Say in one line where a message stops being one."""
    assert explained.error is not None, "there is no fault to report"
    at = "" if explained.error.offset is None else f" at byte {explained.error.offset}"
    return f"no {explained.dialect.name} message{at}: {explained.error}"
