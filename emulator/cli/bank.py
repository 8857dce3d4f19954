"""`cardrails bank`: accounts, statements, merchants and cards of the banks of a running house; captures presented."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from emulator.presenting import present_all
from emulator.running import add_house, answering, control_of
from emulator.tables import money, table
from iso.errors import ConfigError
from iso.money import numeric_code
from node.bank_client import BankClient
from node.bank_ports import LIMIT_MAX
from node.control_client import ControlError

ACQUIRER, ISSUER = "acquirer", "issuer"
_ABSENT = 404
_ROWS = 20
"""Rows that a person reads; `--limit` has more."""
_BALANCES = ("posted", "held", "available")
_LAST4 = 4


class Banks(NamedTuple):
    """The banks that answer. `kinds`: "acquirer" or "issuer" of each; `chosen`: which of them the command is about."""

    client: BankClient
    kinds: dict[str, str]
    chosen: list[str]

    def of(self, kind: str) -> list[str]:
        """Return the chosen banks of a kind."""
        return [node for node in self.chosen if self.kinds[node] == kind]

    def first(self, ask: Callable[[str], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        """Return the first bank that has something, and that; ControlError if none does."""
        refusal = ControlError("no bank of this house answers")
        for node in self.chosen:
            try:
                return node, ask(node)
            except ControlError as error:
                if error.status != _ABSENT:
                    raise
                refusal = error
        raise refusal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    accounts = _deed(deeds, "accounts", "balances: posted, held, available")
    accounts.add_argument("--last4", default="", metavar="DIGITS", help="only of cards that end in this")
    accounts.add_argument("--prefix", default="", metavar="NAME", help="only accounts whose names begin so")
    accounts.add_argument("--currency", default="", metavar="CODE", help="only of this currency: usd or 840")
    statement = _deed(deeds, "statement", "what happened on an account, newest first")
    statement.add_argument("account", metavar="ACCOUNT", help="as `accounts` names it")
    statement.add_argument("--before", default="", metavar="PLACE", help="go on where another page ended")
    merchants = _deed(deeds, "merchants", "who an acquirer takes payments for; one of them with its balances")
    merchants.add_argument("merchant", nargs="?", metavar="MID")
    cards = _deed(deeds, "cards", "an issuer's card file, without numbers")
    cards.add_argument("--last4", default="", metavar="DIGITS", help="only cards that end in this")
    payment = _deed(deeds, "payment", "what the banks have stored about a payment")
    payment.add_argument("reference", metavar="REFERENCE", help="of an entry, or an RRN")
    _deed(deeds, "present", "present every capture and refund that has not been, to the issuer of its card")


def _deed(deeds: Any, name: str, summary: str) -> argparse.ArgumentParser:
    description = summary[0].upper() + summary[1:] + "."
    parser: argparse.ArgumentParser = deeds.add_parser(name, help=summary, description=description)
    parser.add_argument("--node", help="only this bank (default: every bank that answers)")
    parser.add_argument("--limit", type=_limit, default=_ROWS, metavar="N", help=f"rows shown (default: {_ROWS})")
    parser.add_argument("--json", action="store_true")
    add_house(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Look or present; 1 if there is nothing of that name, or something could not be presented."""
    with control_of(arguments.ready_file) as control:
        client = BankClient(control)
        kinds = {node: str(ledger["kind"]) for node, ledger in client.banks(answering(control)).items()}
        if arguments.node is not None and arguments.node not in kinds:
            known = ", ".join(kinds) or "none"
            raise ConfigError("command line", "--node", arguments.node, f"must be a bank that answers: {known}")
        chosen = list(kinds) if arguments.node is None else [arguments.node]
        return _DEEDS[arguments.deed](Banks(client, kinds, chosen), arguments)


def _accounts(banks: Banks, arguments: argparse.Namespace) -> int:
    last4 = _last4(arguments.last4)
    wanted = {"prefix": arguments.prefix, "currency": _currency(arguments.currency), "last4": last4}
    found = [
        {"node": node, **row}
        for node in (banks.of(ISSUER) if last4 else banks.chosen)
        for row in banks.client.accounts(node, limit=arguments.limit, **wanted)
    ]
    rows = [
        (row["node"], row["account"], *(money(row[f"{kind}_minor"], row["currency"]) for kind in _BALANCES))
        for row in found
    ]
    return _show(arguments, {"accounts": found}, table(("bank", "account", *_BALANCES), rows, right=_BALANCES))


def _statement(banks: Banks, arguments: argparse.Namespace) -> int:
    account, limit, before = arguments.account, arguments.limit, arguments.before
    node, found = banks.first(lambda node: banks.client.statement(node, account, limit, before))
    code = found["currency"]
    balances = ", ".join(f"{money(found[f'{kind}_minor'], code)} {kind}" for kind in _BALANCES)
    rows = [
        (
            str(entry["sequence"]),
            f"{entry['at'][:19]}Z",
            entry["kind"],
            money(entry["change_minor"] or entry["amount_minor"], code),
            money(entry["balance_minor"], code),
            entry["other"] or entry["hold"],
            entry["reference"],
        )
        for entry in found["entries"]
    ]
    heads = ("entry", "at", "kind", "amount", "balance", "other", "reference")
    lines = [f"{found['account']} at {node}: {balances}", *table(heads, rows, right=("entry", "amount", "balance"))]
    more = [] if found["next"] is None else [f"more: --before={found['next']}"]
    return _show(arguments, {"node": node, **found}, lines + more)


def _merchants(banks: Banks, arguments: argparse.Namespace) -> int:
    if arguments.merchant is not None:
        acquirers = banks._replace(chosen=banks.of(ACQUIRER))
        node, one = acquirers.first(lambda node: banks.client.merchant(node, arguments.merchant))
        return _show(arguments, {"node": node, **one}, list(_merchant_lines(one)))
    found = [
        {"node": node, **row}
        for node in banks.of(ACQUIRER)
        for row in banks.client.merchants(node, limit=arguments.limit)
    ]
    heads = ("merchant", "name", "mcc", "country", "currency", "fee_plan", "status")
    rows = [tuple(str(row[head]) for head in heads) for row in found]
    return _show(arguments, {"merchants": found}, table(heads, rows))


def _merchant_lines(found: dict[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if not isinstance(value, list) and value != "":
            yield f"{name:<22}{value}"
    for terminal in found["terminals"]:
        yield f"{'terminal':<22}{terminal['terminal']}  PIN key: {terminal['pin_key']}"
    for balance in found["balances"]:
        for name, minor in balance.items():
            if name.endswith("_minor"):
                yield f"{name.removesuffix('_minor'):<22}{money(minor, balance['currency'])}"


def _cards(banks: Banks, arguments: argparse.Namespace) -> int:
    last4 = _last4(arguments.last4)
    found = [
        {"node": node, **row}
        for node in banks.of(ISSUER)
        for row in banks.client.cards(node, limit=arguments.limit, last4=last4)
    ]
    heads = ("node", "card", "last4", "status", "account")
    return _show(arguments, {"cards": found}, table(heads, [tuple(row[head] for head in heads) for row in found]))


def _payment(banks: Banks, arguments: argparse.Namespace) -> int:
    names = {arguments.reference: None}
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    # An issuer knows a payment by its whole name; an acquirer, which made the RRN, tells it.
    for node in (*banks.of(ACQUIRER), *banks.of(ISSUER)):
        stored: dict[str, list[dict[str, Any]]] = {}
        for name in list(names):
            for kind, more in banks.client.payment(node, name).items():
                stored.setdefault(kind, []).extend(row for row in more if row not in stored.get(kind, ()))
        names |= dict.fromkeys(str(row["payment"]) for row in stored.get("requests", ()) if row["payment"])
        if any(stored.values()):
            found[node] = stored
    rows = [_payment_row(node, row) for node, kinds in found.items() for more in kinds.values() for row in more]
    lines = table(("bank", "what", "at", "amount", "state", "code", "why"), rows, right=("amount",)) if found else []
    _show(arguments, {"nodes": found}, lines or ["no bank knows it"])
    return 0 if found else 1


def _payment_row(node: str, row: dict[str, Any]) -> tuple[str, ...]:
    what = row["kind"] if "arn" in row and "kind" in row else row["mti"] or "presentment"
    amount = money(row["amount_minor"], row["currency"])
    why = row.get("reason") or row.get("arn") or row.get("kind", "")
    return (node, what, f"{row['at'][:19]}Z", amount, row["state"], row.get("code", ""), why)


def _present(banks: Banks, arguments: argparse.Namespace) -> int:
    issuers = [node for node, kind in banks.kinds.items() if kind == ISSUER]
    done = [one for node in banks.of(ACQUIRER) for one in present_all(banks.client, node, issuers)]
    posted = sum(one.is_done for one in done)
    rows = [
        (one.arn, one.kind, one.rrn, money(one.amount_minor, one.currency), one.issuer, one.outcome)
        for one in done[: arguments.limit]
    ]
    lines = table(("ARN", "kind", "RRN", "amount", "issuer", "outcome"), rows, right=("amount",)) if rows else []
    summary = f"{len(done)} presented, {posted} posted" if done else "nothing is to be presented"
    _show(arguments, {"presented": [one._asdict() for one in done]}, [*lines, summary])
    return 0 if posted == len(done) else 1


_DEEDS: dict[str, Callable[[Banks, argparse.Namespace], int]] = {
    "accounts": _accounts,
    "statement": _statement,
    "merchants": _merchants,
    "cards": _cards,
    "payment": _payment,
    "present": _present,
}


def _show(arguments: argparse.Namespace, found: dict[str, Any], lines: list[str]) -> int:
    print(json.dumps(found) if arguments.json else "\n".join(lines))
    return 0


def _last4(text: str) -> str:
    if text and not (len(text) == _LAST4 and text.isascii() and text.isdigit()):
        raise ConfigError("command line", "--last4", text, "must be the last four digits of a card")
    return text


def _currency(text: str) -> str:
    if not text:
        return ""
    code = numeric_code(text)
    if code is None:
        raise ConfigError("command line", "--currency", text, "must be an ISO 4217 code that the house knows")
    return code


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LIMIT_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number from 1 to {LIMIT_MAX}")
