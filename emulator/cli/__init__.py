"""The `cardrails` command. Each subcommand is a module; only the one that is called is imported.

Exit codes: 0 done, 1 the answer is no (a declined demo, bytes that do not decode), 2 the command or a file is wrong,
130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from iso.errors import CardrailsError, ConfigError

COMMANDS = {
    "up": "run the house, or some of its nodes, until Ctrl-C",
    "demo": "one checkout through a house of its own, every hop decoded",
    "decode": "read the bytes of one ISO 8583 message",
    "encode": "write one ISO 8583 message as bytes",
    "explain": "what every byte of a message is and means",
    "identify": "which dialect and framing unknown bytes or a capture may be",
    "send": "send a message to a host and show what it answers",
    "trace": "one payment at every node of a running house, or everything as it crosses",
    "verify": "whether the right messages crossed the links of a running house",
    "route": "where a card is routed and why; the routes in force, and others in their place",
    "metrics": "the counters of a running house as Prometheus text",
    "conform": "play a suite of conformance cases against a host, ours or a foreign one",
    "faults": "provoke faults on the links of a running house, list them, clear them",
    "saf": "what a node has stored and not yet forwarded; dead letters sent again",
    "totals": "what members' messages come to per settlement date; cut-over",
    "bank": "the banks of a running house: accounts, statements, merchants, cards; present captures",
    "ledger": "audit the ledgers of a house from its databases",
    "clock": "the business time of every node of a running house; move it forward",
    "cards": "the test cards; or issue new ones",
    "card": "pay with an issued card at a software terminal",
    "terminal": "a card terminal at an acquirer: chip, contactless, stripe; purchases, refunds, totals",
    "keys": "make, import, export, check and list keys of the HSM",
    "hsm": "send host commands, read layouts and the audit log, provoke faults",
}


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """Build the parser; only the arguments of `command` are filled in."""
    parser = argparse.ArgumentParser(prog="cardrails", description="A whole card network on one machine.")
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == command:
            importlib.import_module(f"emulator.cli.{name}").add_arguments(subparser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = next((word for word in words if not word.startswith("-")), None)
    parser = build_parser(command)
    chosen = parser.parse_args(words)
    if chosen.version:
        from importlib.metadata import version

        print(f"cardrails {version('cardrails')}")
        return 0
    if chosen.command is None:
        parser.print_help()
        return 2
    try:
        return int(importlib.import_module(f"emulator.cli.{chosen.command}").run(chosen))
    except ConfigError as error:
        problem, code = str(error), 2
    except CardrailsError as error:
        problem, code = str(error), 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`cardrails decode ... | head`).
        sys.stderr.close()
        return 0
    print(f"cardrails {chosen.command}: {problem}", file=sys.stderr)
    return code
