"""`cardrails trace`: one payment at every node of a running house, or everything as it crosses.

A payment is shown as `/emu/v1/traces/{id}` has it: HTTP requests, HSM commands, messages and postings, in order.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

from emulator.render import dim, wants_colour
from emulator.running import add_house, answering, control_of
from gateway.core.telling import headline, message_lines, remark_line, silence_lines, story_lines
from gateway.core.trail import Trail, View
from gateway.emu.story import tell
from iso.errors import CardrailsError, ConfigError
from node.clock import wall_clock
from node.control_client import ControlClient

POLL_S = 2
"""How long a node is asked to wait for messages before it is asked again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rrn", metavar="RRN", help="retrieval reference number, DE 37")
    which.add_argument("--stan", metavar="STAN", help="system trace audit number, DE 11; may find several payments")
    which.add_argument(
        "--payment",
        metavar="ID",
        help="pi_..., ch_..., re_..., request id (req_...) or trace id (HTTP header Emu-Trace-Id)",
    )
    parser.add_argument(
        "--node", action="append", default=[], metavar="NAME", help="only at this node; may be repeated"
    )
    parser.add_argument("--bytes", action="store_true", help="with the masked bytes of each message")
    parser.add_argument(
        "--follow", action="store_true", help="show what crosses from now on, a line each, until Ctrl-C"
    )
    parser.add_argument("--count", type=int, metavar="N", help="with --follow: stop after so many")
    parser.add_argument("--seconds", type=float, metavar="S", help="with --follow: stop after so long")
    parser.add_argument("--json", action="store_true", help="with --follow: one object a line")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show it; 1 if nothing was found."""
    for option, least in (("count", 1), ("seconds", 0)):
        given = getattr(arguments, option)
        if given is not None and not given >= least:
            raise ConfigError("command line", f"--{option}", str(given), f"must be at least {least}")
    with control_of(arguments.ready_file) as client:
        nodes = _nodes(arguments.node, client)
        if arguments.follow:
            return _follow(arguments, client, nodes)
        wanted = _wanted(arguments)
        if wanted is None:
            raise ConfigError("command line", "payment", "(absent)", "needs --rrn, --stan or --payment; or --follow")
        story = tell(client, nodes, wanted)
    if arguments.json:
        print(json.dumps({**story._asdict(), "steps": story.steps()}))
    else:
        paint = dim if wants_colour() else str
        lines = story_lines(story.steps(), with_bytes=arguments.bytes, paint=paint)
        print("\n".join(lines) or "nothing is kept of it")
        for line in silence_lines(story.silent):
            print(line, file=sys.stderr)
    return 1 if story.is_empty else 0


def trail_lines(trail: Trail, *, with_bytes: bool) -> list[str]:
    """Return a payment for people: both sides of every hop, in order, and the remarks where they were made."""
    lines: list[str] = []
    for number, message in enumerate(trail.messages, 1):
        lines += message_lines(number, message, with_bytes=with_bytes)
    lines += [f"  !  {remark_line(remark)}" for remark in trail.remarks]
    return lines


def _nodes(names: list[str], client: ControlClient) -> list[str]:
    for name in names:
        if name not in client.nodes:
            raise CardrailsError(f"{name}: not a running node; there are {', '.join(client.nodes)}")
    return names or answering(client)


def _wanted(arguments: argparse.Namespace) -> str | dict[str, str] | None:
    """Return the name to look for: one that messages carry, or one that the gateway knows."""
    if arguments.rrn or arguments.stan:
        return {"rrn": arguments.rrn} if arguments.rrn else {"stan": arguments.stan.zfill(6)}
    payment: str | None = arguments.payment
    if payment is None or "_" in payment:
        return payment
    return {"trace": payment}


def _names(wanted: str | dict[str, str], client: ControlClient) -> list[dict[str, str]]:
    """Return the names that messages carry; a payment may have been sent under several trace ids."""
    if isinstance(wanted, dict):
        return [wanted]
    return [{"trace": trace} for trace in client.requests_of("gateway", wanted)["traces"]]


def _follow(arguments: argparse.Namespace, client: ControlClient, nodes: list[str]) -> int:
    wanted = _wanted(arguments)
    carried = [] if wanted is None else _names(wanted, client)
    names = {kind: {one[kind] for one in carried if kind in one} for kind in ("rrn", "stan", "trace")}
    ends_at = None if arguments.seconds is None else wall_clock() + timedelta(seconds=arguments.seconds)
    shown = 0
    for message in _live(client, nodes, ends_at):
        if wanted is not None and not _belongs(message, names):
            continue
        print(json.dumps(message) if arguments.json else _line(message), flush=True)
        shown += 1
        if shown == arguments.count:
            break
    return 0 if shown else 1


def _belongs(message: View, names: dict[str, set[str]]) -> bool:
    fields = message.get("fields", {})
    return (
        message.get("trace", "") in names["trace"]
        or fields.get("37") in names["rrn"]
        or (fields.get("11") or message.get("stan")) in names["stan"]
    )


def _line(message: View) -> str:
    if message["direction"] == "note":
        return remark_line(message)
    fields = message.get("fields", {})
    names = "  ".join(f"{name} {fields[de]}" for name, de in (("STAN", "11"), ("RRN", "37")) if de in fields)
    return f"{headline(message)}  {names}".rstrip()


def _live(client: ControlClient, nodes: list[str], ends_at: datetime | None) -> Iterator[View]:
    """Yield what crosses the links of some nodes from now on; each node is asked in a thread of its own."""
    after = {node: client.wait_messages(node, 0, limit=0)[1] for node in nodes}
    pool = ThreadPoolExecutor(len(nodes))
    asked: dict[Future[tuple[list[View], int]], str] = {}

    def ask(node: str) -> None:
        asked[pool.submit(client.wait_messages, node, after[node], wait_s=_patience(ends_at))] = node

    try:
        for node in nodes:
            ask(node)
        while asked:
            done, _ = wait(asked, return_when=FIRST_COMPLETED)
            for future in done:
                node = asked.pop(future)
                messages, _ = future.result()
                yield from messages
                if messages:
                    after[node] = messages[-1]["sequence"]
                if ends_at is None or wall_clock() < ends_at:
                    ask(node)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _patience(ends_at: datetime | None) -> int:
    """Return for how many whole seconds to wait: no longer than until the end."""
    if ends_at is None:
        return POLL_S
    return max(0, min(POLL_S, round((ends_at - wall_clock()).total_seconds())))
