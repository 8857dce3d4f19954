"""`cardrails totals`: what each member's messages come to per settlement date, and a cut-over on demand."""

from __future__ import annotations

import argparse
import json
from datetime import date
from typing import Any

from emulator.running import add_house, control_of
from iso.errors import ConfigError
from iso.money import format_amount, numeric_code

LIST, CUT_OVER = "list", "cut-over"
_KINDS = ("debits", "credit_reversals", "credits", "debit_reversals", "authorisations", "authorisation_reversals")
_COUNTED = ("inquiries", "transfers", "transfer_reversals")
_FEES = ("debit_fees", "credit_fees", "debit_processing_fees", "credit_processing_fees")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=(LIST, CUT_OVER), nargs="?", default=LIST)
    parser.add_argument("--node", default="switch", help="default: switch")
    parser.add_argument("--member", metavar="LINK", help="for list: only of this link of the switch")
    parser.add_argument("--date", metavar="YYYY-MM-DD", help="for list: only of this settlement date")
    parser.add_argument("--json", action="store_true")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """List totals, or begin the next settlement date."""
    if arguments.action == CUT_OVER and (arguments.member or arguments.date):
        raise ConfigError("command line", "--member", arguments.member or arguments.date, "belongs to list")
    _check_date(arguments.date)
    with control_of(arguments.ready_file) as client:
        if arguments.action == CUT_OVER:
            begun = client.cut_over(arguments.node)
            print(json.dumps({"date": begun}) if arguments.json else f"settlement date {begun}")
            return 0
        shown = client.totals(arguments.node, arguments.member, arguments.date)
    print(json.dumps(shown) if arguments.json else "\n".join(_lines(shown)))
    return 0


def _check_date(text: str | None) -> None:
    if text is None:
        return
    try:
        date.fromisoformat(text)
    except ValueError:
        problem = ConfigError("command line", "--date", text, "must be a day such as 2026-03-14")
    else:
        return
    raise problem


def _lines(shown: dict[str, Any]) -> list[str]:
    lines = [f"settlement date {shown['date']}"]
    for row in shown["totals"]:
        lines.append(f"{row['date']}  {row['member']}  net {_amount(row['net_minor'], row['currency'])}{_balance(row)}")
        for kind in _KINDS:
            if row[kind]:
                amount = _amount(row[f"{kind}_minor"], row["currency"])
                lines.append(f"  {kind.replace('_', ' '):<23} {row[kind]:>8}  {amount}")
        lines += [f"  {kind.replace('_', ' '):<23} {row[kind]:>8}" for kind in _COUNTED if row[kind]]
        for fee in _FEES:
            if row[f"{fee}_minor"]:
                amount = _amount(row[f"{fee}_minor"], row["currency"])
                lines.append(f"  {fee.replace('_', ' '):<32}  {amount}")
    return lines


def _balance(row: dict[str, Any]) -> str:
    found = row["reconciled"]
    if found is None:
        return ""
    if found["in_balance"]:
        return "  in balance"
    return f"  out of balance in DE {', '.join(map(str, found['differs']))}"


def _amount(minor: int, code: str) -> str:
    return format_amount(minor, code) if numeric_code(code) is not None else f"{minor} {code}".rstrip()
