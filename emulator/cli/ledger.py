"""`cardrails ledger verify`: audit the ledgers of a house from their files, every entry from the first one on.

It needs no running house and does not disturb one: it reads one snapshot of each file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from emulator.house import DEFAULT_DATA_DIR, read_ready
from emulator.ledgers import Audited, audit, ledger_files
from emulator.tables import money
from iso.errors import ConfigError

VERIFY = "verify"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=(VERIFY,))
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, help=f"where the databases are (default: {DEFAULT_DATA_DIR})")
    where.add_argument("--ready-file", type=Path, metavar="FILE", help="of a running house")
    parser.add_argument("--node", help="only this bank (default: every bank in the folder)")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Audit; 1 if a ledger is not what it should be."""
    folder = _folder(arguments)
    files = ledger_files(folder)
    if arguments.node is not None and arguments.node not in files:
        known = ", ".join(files) or "none"
        raise ConfigError("command line", "--node", arguments.node, f"must be a bank in {folder}; there are: {known}")
    if not files:
        raise ConfigError("command line", "--data-dir", str(folder), "must be a folder with the database of a bank")
    progress = _progress if sys.stderr.isatty() else None
    wanted = files if arguments.node is None else {arguments.node: files[arguments.node]}
    audits = [audit(node, file, progress) for node, file in wanted.items()]
    is_whole = not any(one.problems_found for one in audits)
    if arguments.json:
        print(json.dumps({"ok": is_whole, "ledgers": [one._asdict() for one in audits]}))
    else:
        print("\n".join(line for one in audits for line in _lines(one)))
    return 0 if is_whole else 1


def _folder(arguments: argparse.Namespace) -> Path:
    if arguments.ready_file is not None:
        ready = read_ready(arguments.ready_file) or {}
        return Path(ready.get("data_dir", arguments.ready_file.parent))
    folder: Path = arguments.data_dir or DEFAULT_DATA_DIR
    if not folder.is_dir():
        raise ConfigError("command line", "--data-dir", str(folder), "must be the folder of a house")
    return folder


def _lines(found: Audited) -> list[str]:
    verdict = "broken" if found.problems_found else "whole"
    lines = [
        f"{found.node}: {verdict}; {found.entries} entries, {found.accounts} accounts",
        f"  head {found.hash}",
        f"  sums {', '.join(money(total, code) for code, total in found.totals.items()) or 'none'}",
    ]
    lines += [f"  {problem}" for problem in found.problems]
    more = found.problems_found - len(found.problems)
    return lines + ([f"  and {more} more"] if more > 0 else [])


def _progress(node: str, read: int, expected: int) -> None:
    print(f"{node}: {read:,} of {expected:,} entries", file=sys.stderr, flush=True)
