"""`cardrails ledger verify`: audit the ledgers of a house from its databases, every entry from the first one on.

It needs no running house and does not disturb one: it reads one snapshot of each database. A bank whose books it does
not find is named: what was not audited is not called whole.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from emulator.house import BANKS, DEFAULT_DATA_DIR, read_ready
from emulator.ledgers import Audited, audit, ledger_files
from emulator.tables import money
from emulator.topology import read_topology
from iso.errors import ConfigError
from node.database_url import DatabaseUrl

VERIFY = "verify"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=(VERIFY,))
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, help=f"where the databases are (default: {DEFAULT_DATA_DIR})")
    where.add_argument("--ready-file", type=Path, metavar="FILE", help="of a running house")
    parser.add_argument("--topology", type=Path, metavar="FILE", help="says which banks are on a database server")
    parser.add_argument("--node", help="only this bank (default: every bank of the house)")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Audit; 1 if a ledger is not what it should be."""
    folder = _folder(arguments)
    places = {**ledger_files(folder), **_servers(arguments.topology)}
    banks = [*places, *(bank for bank in _at_home(folder, arguments.ready_file) if bank not in places)]
    if arguments.node is not None and arguments.node not in banks:
        known = ", ".join(banks) or "none"
        raise ConfigError("command line", "--node", arguments.node, f"must be a bank in {folder}; there are: {known}")
    if not banks:
        raise ConfigError("command line", "--data-dir", str(folder), "must be a folder with the database of a bank")
    progress = _progress if sys.stderr.isatty() else None
    wanted = banks if arguments.node is None else [arguments.node]
    audits = [audit(node, places[node], progress) for node in wanted if node in places]
    elsewhere = [node for node in wanted if node not in places]
    is_whole = not elsewhere and not any(one.problems_found for one in audits)
    if arguments.json:
        print(json.dumps({"ok": is_whole, "ledgers": [one._asdict() for one in audits], "elsewhere": elsewhere}))
    else:
        hint = "; --topology says where" if arguments.topology is None else ", nor does the topology name a server"
        lines = [line for one in audits for line in _lines(one)]
        print("\n".join([*lines, *(f"{node}: its books are not in this folder{hint}" for node in elsewhere)]))
    return 0 if is_whole else 1


def _servers(topology: Path | None) -> dict[str, Path | DatabaseUrl]:
    """Return where the books are that no folder keeps, by bank."""
    if topology is None:
        return {}
    nodes = read_topology(topology).nodes
    servers = {bank: getattr(nodes, bank.replace("-", "_")).server for bank in BANKS}
    return {bank: server for bank, server in servers.items() if server is not None}


def _at_home(folder: Path, ready_file: Path | None) -> list[str]:
    """Return the banks that run in a folder, or have run there: their messages stay in it wherever their books are."""
    ready_files = [*([ready_file] if ready_file is not None else []), *folder.glob("ready*.json")]
    running = {node for file in ready_files for node in (read_ready(file) or {}).get("nodes", {})}
    return [bank for bank in BANKS if bank in running or (folder / f"{bank}.messages.db").exists()]


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
