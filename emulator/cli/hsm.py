"""`cardrails hsm`: send a host command and read its answer, look up layouts, check the audit log, provoke faults."""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator.house import DEFAULT_DATA_DIR
from emulator.hsm.hosts import add_host, chosen_host
from emulator.hsm.wording import (
    answer_lines,
    layout_json,
    layout_lines,
    layout_of,
    list_lines,
    read_answer,
    read_command,
)
from emulator.running import add_house, control_of
from hsm_sim.audit_file import AuditFile
from hsm_sim.core.audit import Checkpoint, Finding, Record
from hsm_sim.core.commands.table import COMMANDS
from iso import CardrailsError, ConfigError
from node.control_client import ControlClient

_NEWEST = 20
_FINDINGS_SHOWN = 20
_ACTIONS = ("delay", "error", "parity", "silence", "close")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    tools = parser.add_subparsers(dest="tool", metavar="TOOL", required=True)
    _add_send(tools.add_parser("send", help="send a host command and show its answer decoded"))
    commands = tools.add_parser("commands", help="the commands, or the layout of one")
    commands.add_argument("code", nargs="?", metavar="CODE", help="for example CW")
    commands.add_argument("--json", action="store_true")
    commands.set_defaults(act=_commands)
    _add_audit(tools.add_parser("audit", help="the audit log of a house, and whether anybody changed it"))
    faults = tools.add_parser("faults", help="what goes wrong at the HSM of a running house")
    _add_faults(faults.add_subparsers(dest="deed", metavar="DEED", required=True))


def run(arguments: argparse.Namespace) -> int:
    """Run one tool; 1 if the HSM refused or the log is not whole."""
    return int(arguments.act(arguments))


def _add_send(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="+",
        metavar="COMMAND",
        help=r"as on the wire (CW..., bytes as \x1F, or hex:4357...), or its code and NAME=VALUE for each field",
    )
    parser.add_argument("--lmk", type=_lmk, metavar="ID", help="LMK identifier, two digits: adds %%ID")
    add_host(parser)
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(act=_send)


def _send(arguments: argparse.Namespace) -> int:
    asked = read_command(arguments.words, arguments.lmk or "")
    host = chosen_host(arguments)
    answer = host.exchange(asked.data)
    said = read_answer(asked, answer)
    if arguments.json:
        print(json.dumps({"answered_by": host.label, "command": asked.code, **said._asdict(), "raw": answer.hex()}))
    else:
        print("\n".join([*answer_lines(said), f"answered by {host.label}"]))
    return 0 if said.is_done else 1


def _commands(arguments: argparse.Namespace) -> int:
    rows = list(COMMANDS.values()) if arguments.code is None else [layout_of(arguments.code)]
    if arguments.json:
        print(json.dumps({"commands": [layout_json(row) for row in rows]}))
    else:
        print("\n".join(list_lines() if arguments.code is None else layout_lines(rows[0])))
    return 0


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verify", action="store_true", help="exit 1 if the chain of records is broken")
    parser.add_argument("--since", metavar="CHECKPOINT", help="with --verify: one that an earlier run printed")
    parser.add_argument("--last", type=_count, default=_NEWEST, metavar="N", help="records to show (default: 20)")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR, help="of the house (default: .cardrails)")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(act=_audit)


def _audit(arguments: argparse.Namespace) -> int:
    since = None if arguments.since is None else _read_checkpoint(arguments.since)
    found: list[Finding] = []
    with AuditFile(arguments.data_dir) as log:
        if arguments.verify:
            found = list(log.verify(since))
        records = deque(log.records(), arguments.last)
        checkpoint = log.checkpoint()
    at = "none" if checkpoint is None else f"{checkpoint.sequence}:{checkpoint.mac.hex().upper()}"
    if arguments.json:
        shown: dict[str, Any] = {"records": [_record_json(record) for record in records]}
        if arguments.verify:
            findings = [finding._asdict() for finding in found]
            shown |= {"whole": not found, "findings": findings, "checkpoint": at}
        print(json.dumps(shown))
    else:
        lines = [_record_line(record) for record in records]
        lines += [f"record {one.sequence}: {one.problem}: {one.about}" for one in found[:_FINDINGS_SHOWN]]
        if arguments.verify:
            lines.append(f"broken: {len(found)} findings" if found else f"whole; checkpoint {at}")
        print("\n".join(lines))
    return 1 if found else 0


def _record_line(record: Record) -> str:
    about = f"{record.party:<12}  {record.command:<6}  {record.code}  {record.subject}"
    return f"{record.sequence:>6}  {_time(record)}  {about}".rstrip()


def _record_json(record: Record) -> dict[str, Any]:
    shown = record._asdict()
    return {name: shown[name] for name in ("sequence", "party", "command", "code", "subject")} | {"at": _time(record)}


def _time(record: Record) -> str:
    try:
        return datetime.fromtimestamp(record.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return "(not a time)"  # somebody changed it; the chain says so


def _read_checkpoint(text: str) -> Checkpoint:
    sequence, _, mac = text.partition(":")
    try:
        return Checkpoint(int(sequence), bytes.fromhex(mac))
    except ValueError:
        pass
    raise ConfigError("command line", "--since", text, "must be NUMBER:HEX, as `hsm audit --verify` prints it")


def _add_faults(deeds: Any) -> None:
    add = deeds.add_parser("add", help="arm a fault")
    add.add_argument("action", choices=_ACTIONS)
    add.add_argument("--party", default="", metavar="NAME", help="whose commands (default: everybody's)")
    add.add_argument(
        "--command", action="append", default=[], dest="codes", metavar="CODE", help="which; may be repeated"
    )
    add.add_argument("--probability", type=float, default=1.0, metavar="P", help="from 0 to 1 (default: 1)")
    add.add_argument("--times", type=_count, default=0, metavar="N", help="how often (default, and 0: for ever)")
    add.add_argument("--delay", type=float, default=0.0, metavar="S", help="seconds, for delay")
    add.add_argument("--delay-max", type=float, default=0.0, metavar="S", help="with --delay: evenly between the two")
    add.add_argument("--code", default="", metavar="XX", help="error code, for error")
    add.add_argument("--seed", default="", metavar="TEXT", help="of the chances, so that a run can be repeated")
    for parser, deed in (
        (add, _add_fault),
        (deeds.add_parser("list", help="what struck so far"), _list_faults),
        (deeds.add_parser("clear", help="disarm all"), _clear_faults),
    ):
        add_house(parser)
        parser.add_argument("--json", action="store_true")
        parser.set_defaults(act=deed)


def _add_fault(arguments: argparse.Namespace) -> int:
    fault = {
        "action": arguments.action,
        "party": arguments.party,
        "commands": [code.upper() for code in arguments.codes],
        "probability": arguments.probability,
        "times": arguments.times,
        "delay_s": arguments.delay,
        "delay_max_s": arguments.delay_max,
        "code": arguments.code,
        "seed": arguments.seed,
    }
    with _control(arguments) as control:
        armed = control.provoke("hsm", fault)
    print(json.dumps(armed) if arguments.json else f"armed: {_fault_line(armed)}")
    return 0


def _list_faults(arguments: argparse.Namespace) -> int:
    with _control(arguments) as control:
        struck = control.struck("hsm")
    if arguments.json:
        print(json.dumps({"fired": struck}))
    else:
        print("\n".join(_fault_line(fault) for fault in struck) or "nothing struck so far")
    return 0


def _clear_faults(arguments: argparse.Namespace) -> int:
    with _control(arguments) as control:
        control.calm("hsm")
    print(json.dumps({"faults": []}) if arguments.json else "no faults are armed")
    return 0


def _fault_line(fault: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in fault.items() if value not in ("", [], None))


@contextmanager
def _control(arguments: argparse.Namespace) -> Iterator[ControlClient]:
    """Hand out the control client of a running house; `CardrailsError` if it has no HSM."""
    with control_of(arguments.ready_file) as control:
        if "hsm" not in control.nodes:
            raise CardrailsError("no HSM is running in this house")
        yield control


def _lmk(text: str) -> str:
    if len(text) == 2 and text.isascii() and text.isdigit():
        return text
    raise argparse.ArgumentTypeError("two digits")


def _count(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError("a number from 0")
