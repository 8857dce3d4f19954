"""`cardrails send`: one message, or the same one several times, to a host; and what the host answers, with timing.

The link is that of every node. Nothing secret is shown unless test card numbers are asked for.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import anyio
from anyio.abc import TaskGroup

from emulator.cli.encode import add_draft
from emulator.cli.inputs import DEFAULT_DIALECT, add_dialect, dialect_of_file, elements_of
from emulator.drafts import AUTO, changed, filled, read_draft
from emulator.peer import Exchange, Outcome, Peer
from emulator.report import (
    exchange_json,
    exchange_line,
    exchange_lines,
    is_as_expected,
    response_code,
    summary,
    summary_line,
)
from iso import CardrailsError, ConfigError, Dialect, Message, dialect, framing
from node.clock import system_entropy, wall_clock
from node.core.link import LinkProfile
from node.link import Protector
from node.pipes import Pipes, closing
from node.tls import TlsSettings

_SESSION_VERSIONS = ("1987", "1993")
NO_SESSION_CODES = frozenset({"91", "907"})


class Target(NamedTuple):
    """Where to send: a pipe URL, what is spoken there, and the HSM that makes MACs where the house has one."""

    address: str
    dialect: str | None
    hsm: str | None
    is_node: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_draft(parser)
    add_dialect(parser, default=f"that of the node, else {DEFAULT_DIALECT}")
    parser.set_defaults(dialect=None)
    parser.add_argument(
        "--to", required=True, metavar="WHERE", help="HOST:PORT, tls://HOST:PORT, or a node of a running house"
    )
    parser.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="of a running house (default: .cardrails/ready.json)"
    )
    parser.add_argument("--framing", metavar="NAME", help="the length prefix, if it is not that of the dialect")
    parser.add_argument(
        "--sign-on",
        action=argparse.BooleanOptionalAction,
        help="sign on first (default: yes to a node of the house, except for network management; else no)",
    )
    for option, what in (
        ("authorities", "who may sign the host's certificate (default: those of the operating system)"),
        ("certificate", "our certificate, with --tls-private-key, for a host that asks for one"),
        ("private-key", "of our certificate"),
    ):
        parser.add_argument(f"--tls-{option}", type=Path, metavar="PEM", help=f"for tls://HOST:PORT: {what}")
    parser.add_argument("--tls-server-name", metavar="NAME", help="what its certificate names, if it is not HOST")
    parser.add_argument("--repeat", type=_positive, default=1, metavar="N", help="send N messages, one after another")
    parser.add_argument("--stan", type=_stan, metavar="N", help="the first STAN (default: any)")
    parser.add_argument("--timeout", type=_seconds, default=10.0, metavar="S", help="for an answer (default: 10 s)")
    parser.add_argument("--connect-timeout", type=_seconds, default=5.0, metavar="S", help="(default: 5 s)")
    parser.add_argument("--expect", metavar="CODE", help="exit 0 if DE 39 is CODE (default: if it is an approval)")
    parser.add_argument("--explain", action="store_true", help="show both messages byte by byte")
    parser.add_argument("--reveal-test-pan", action="store_true", help="show DE 2 and the secret elements as they are")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Send and print; 0 if every answer came and was as expected."""
    target = _target(arguments)
    spoken = _dialect(arguments, target)
    draft = changed(read_draft(arguments.message, arguments.mti), elements_of(arguments.field), spoken)
    if arguments.header is not None:
        draft = draft.with_header(arguments.header.upper())
    # What pairs an answer with its request must differ each time; whoever sets it himself means it.
    draft = draft.with_fields({element: draft.get(element) or AUTO for element in (7, 11)})
    signs_on = arguments.sign_on
    if signs_on is None:
        signs_on = target.is_node and draft.mti_class != "8"
    if signs_on and spoken.version not in _SESSION_VERSIONS:
        raise ConfigError("command line", "--sign-on", spoken.name, f"a dialect of {' or '.join(_SESSION_VERSIONS)}")
    exchanges: list[Exchange] = []
    notes: list[str] = []
    anyio.run(_converse, arguments, target, spoken, draft, signs_on, exchanges, notes)
    if not signs_on and any(response_code(exchange, spoken) in NO_SESSION_CODES for exchange in exchanges):
        notes.append("the host may want a sign-on first: --sign-on")
    good = [is_as_expected(exchange, spoken, arguments.expect) for exchange in exchanges]
    if arguments.json:
        answer: dict[str, Any] = {"to": target.address, "dialect": spoken.name, "signed_on": signs_on}
        answer["exchanges"] = [
            exchange_json(exchange, spoken, reveal=arguments.reveal_test_pan) for exchange in exchanges
        ]
        print(json.dumps({**answer, "notes": notes, "summary": summary(exchanges, good)}))
    else:
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        if arguments.repeat > 1:
            print(summary_line(exchanges, good))
    return 0 if good and all(good) else 1


async def _converse(
    arguments: argparse.Namespace,
    target: Target,
    spoken: Dialect,
    draft: Message,
    signs_on: bool,
    exchanges: list[Exchange],
    notes: list[str],
) -> None:
    pipes = Pipes(_tls(arguments) if target.address.startswith("tls:") else None)
    stream = await pipes.dial(target.address, arguments.connect_timeout)
    problem: CardrailsError | None = None
    async with closing(stream), anyio.create_task_group() as tasks:
        try:
            protector = await _protector(target, spoken, pipes, tasks)
            profile = LinkProfile(sign_on=signs_on, sign_on_timeout_s=arguments.timeout)
            peer = Peer(stream, spoken, wall_clock, profile, protector)
            tasks.start_soon(peer.run)
            await _ask(arguments, spoken, draft, peer, exchanges, notes)
        except CardrailsError as error:
            problem = error
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem


async def _ask(
    arguments: argparse.Namespace,
    spoken: Dialect,
    draft: Message,
    peer: Peer,
    exchanges: list[Exchange],
    notes: list[str],
) -> None:
    await peer.ready(arguments.timeout)
    for number, trace in enumerate(_numbers(arguments), 1):
        exchange = await peer.exchange(filled(draft, wall_clock(), trace), arguments.timeout)
        exchanges.append(exchange)
        _show(arguments, spoken, number, exchange)
        if exchange.outcome in (Outcome.LOST, Outcome.NOT_SENT):
            break
    notes += peer.notes


async def _protector(target: Target, spoken: Dialect, pipes: Pipes, tasks: TaskGroup) -> Protector | None:
    """Ask the house's HSM for MACs, as the acquirer would; elsewhere nobody here has the key."""
    if target.hsm is None or not spoken.mac:
        return None
    from hsm_sim.client import TcpClient
    from hsm_sim.core.indexes import zak
    from hsm_sim.protect import HsmProtector

    client = TcpClient(pipes, target.hsm)
    await tasks.start(client.run)
    return HsmProtector(client, zak("switch"))


def _show(arguments: argparse.Namespace, spoken: Dialect, number: int, exchange: Exchange) -> None:
    if arguments.json:
        return
    if arguments.repeat > 1:
        print(exchange_line(number, exchange, spoken))
    else:
        lines = exchange_lines(
            exchange, spoken, as_bytes=arguments.explain, reveal=arguments.reveal_test_pan, to=arguments.to
        )
        print("\n".join(lines))


def _numbers(arguments: argparse.Namespace) -> range:
    # Any first number will do, as long as two runs do not begin with the same.
    first = arguments.stan or int.from_bytes(system_entropy(4), "big") + 1
    return range(first, first + arguments.repeat)


def _target(arguments: argparse.Namespace) -> Target:
    where: str = arguments.to
    if "://" in where:
        return Target(where, None, None, is_node=False)
    host, colon, port = where.rpartition(":")
    if colon and host and port.isdigit():
        return Target(f"tcp://{where}", None, None, is_node=False)
    return _node(where, arguments.ready_file)


def _tls(arguments: argparse.Namespace) -> TlsSettings:
    return TlsSettings(
        certificate=arguments.tls_certificate,
        private_key=arguments.tls_private_key,
        authorities=arguments.tls_authorities,
        server_name=arguments.tls_server_name,
    )


def _node(name: str, ready_file: Path | None) -> Target:
    from emulator.house import read_ready

    ready = read_ready(ready_file)
    if ready is None:
        rule = "HOST:PORT, or a node of a running house (none is running here: `cardrails up`, or --ready-file)"
        raise ConfigError("command line", "--to", name, rule)
    node = ready["nodes"].get(name, {})
    if "dialect" not in node:
        speakers = [known for known, about in ready["nodes"].items() if "dialect" in about]
        raise ConfigError("command line", "--to", name, f"HOST:PORT, or one of {', '.join(speakers)}")
    hsm = ready["nodes"].get("hsm", {}).get("parties", {}).get("acquirer") if name == "switch" else None
    return Target(_tcp(node), node["dialect"], _tcp(hsm) if hsm else None, is_node=True)


def _tcp(place: dict[str, Any]) -> str:
    return f"tcp://{place['host']}:{place['port']}"


def _dialect(arguments: argparse.Namespace, target: Target) -> Dialect:
    if arguments.dialect_file is not None:
        spoken = dialect_of_file(arguments.dialect_file)
    else:
        spoken = dialect(arguments.dialect or target.dialect or DEFAULT_DIALECT)
    if arguments.framing:
        framing(arguments.framing)
        spoken = replace(spoken, framing=arguments.framing)
    return spoken


def _positive(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError("a number from 1")


def _stan(text: str) -> int:
    number = _positive(text)
    if number > 999_999:
        raise argparse.ArgumentTypeError("a number from 1 to 999999")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if isfinite(seconds) and seconds > 0:
        return seconds
    raise argparse.ArgumentTypeError("seconds, more than 0")
