"""`cardrails terminal`: a card terminal that pays at the acquirer of a running house, or at any other.

Chip (a real ARQC, and the answer checked by the card), contactless, stripe or typed in; PINs under a terminal key or
DUKPT; online, or approved by the terminal and told of later. What nobody answers is reversed, in the next run if need
be: whatever a terminal owes is settled before it does anything else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import anyio

from emulator.chip.enrolling import till_of, where_of
from emulator.chip.line import Heard, Line
from emulator.chip.paying import Paid, Wish, pay
from emulator.chip.sales import CANCELLED, DEEDS, Asked, Entry, completion_of, reversal_of, totals_of
from emulator.chip.terminal import PinKey
from emulator.chip.till import Duty, Sale
from emulator.cli.amounts import minor_amount
from emulator.running import add_house
from emulator.tables import money
from iso import CardrailsError, ConfigError, Message, RemoteProtocolError
from iso.amounts import AVAILABLE_BALANCE, LEDGER_BALANCE, parse_amounts
from iso.meanings import MEANINGS
from iso.money import currency
from node.clock import system_entropy, wall_clock

_CARD_DEEDS = {
    "purchase": "pay: one message, captured at once",
    "cash": "hand out notes",
    "cashback": "pay, and hand out notes (--cashback of the amount)",
    "refund": "give money back to a card, of a payment (--payment) or of none",
    "preauth": "reserve an amount that is captured later",
    "verify": "ask whether the card is good; no money",
    "balance": "ask for the balance",
    "pin-change": "choose another PIN (--new-pin)",
}
_OTHER_DEEDS = {
    "complete": "capture a reservation, or a part of it",
    "reverse": "take a payment back, or all but --remains of it",
    "batch": "close the batch: the totals of both sides",
    "settle": "send what is owed, and nothing else",
}
_WITHOUT_AMOUNT = frozenset({"verify", "balance", "pin-change"})
_NEEDS_PIN = frozenset({"pin-change"})
_ACCEPTED = "00"
_FIGURES = (*range(74, 78), *range(86, 90), 97)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    for name, summary in {**_CARD_DEEDS, **_OTHER_DEEDS}.items():
        one = deeds.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in _CARD_DEEDS:
            _add_card(one, name)
        if name in {"complete", "reverse", "refund"}:
            one.add_argument("--payment", default="", metavar="RRN", help="(default: the latest that it can be)")
        if name == "complete":
            one.add_argument("--amount", metavar="AMOUNT", help="(default: what is left of the reservation)")
            one.add_argument("--partial", action="store_true", help="more captures may follow")
        if name == "reverse":
            one.add_argument("--remains", metavar="AMOUNT", help="what is to remain (default: nothing)")
        one.add_argument("--currency", default="usd", help="(default: usd)")
        _add_terminal(one)


def _add_card(parser: argparse.ArgumentParser, deed: str) -> None:
    parser.add_argument("--card", type=Path, required=True, metavar="FILE", help="of `cardrails cards issue --out`")
    if deed not in _WITHOUT_AMOUNT:
        parser.add_argument("--amount", required=True, help="in major units: 12.50")
        parser.add_argument("--partial-approval", action="store_true", help="less is welcome too")
    if deed == "cashback":
        parser.add_argument("--cashback", required=True, metavar="AMOUNT", help="how much of the amount is notes")
    if deed == "pin-change":
        parser.add_argument("--new-pin", required=True, metavar="DIGITS", help="what the cardholder chooses")
    if deed in {"purchase", "preauth"}:
        parser.add_argument("--offline", action="store_true", help="the terminal approves it; the chip may not want to")
    entries = [entry.value for entry in Entry]
    parser.add_argument("--entry", choices=entries, default=Entry.CHIP.value, help="(default: chip)")
    parser.add_argument("--pin", metavar="DIGITS", help="what the cardholder types")


def _add_terminal(parser: argparse.ArgumentParser) -> None:
    keys = [key.value for key in PinKey]
    parser.add_argument("--pin-key", choices=keys, default=PinKey.TPK.value, help="of a new terminal (default: tpk)")
    parser.add_argument("--terminal", metavar="TID", help="DE 41 (default: one for each kind of PIN key)")
    parser.add_argument("--merchant", metavar="MID", help="DE 42, of a new terminal (default: the acquirer's first)")
    parser.add_argument("--file", type=Path, metavar="FILE", help="the terminal (default: terminals/TID.json)")
    parser.add_argument("--host", metavar="HOST", help="of another acquirer than a house's, with --port")
    parser.add_argument("--port", type=int, metavar="N")
    parser.add_argument("--dialect", metavar="NAME", help="(default: the acquirer's, else pos-bcd87)")
    parser.add_argument("--sign-on", action=argparse.BooleanOptionalAction, default=True, help="(default: yes)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="for an answer (default: 30)")
    parser.add_argument("--json", action="store_true")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 if it was declined, or nobody answered."""
    arguments.pin = getattr(arguments, "pin", None)
    if arguments.deed in _NEEDS_PIN and arguments.pin is None:
        raise ConfigError("command line", "--pin", None, f"must be the PIN, for {arguments.deed}")
    where = where_of(arguments)
    line = Line(till_of(arguments, wall_clock()), where, wall_clock)
    shown: dict[str, Any] = {}
    anyio.run(_converse, arguments, line, shown)
    shown |= {"terminal": line.kept.till.identifier, "owed": len(line.kept.till.duties)}
    print(json.dumps(shown) if arguments.json else "\n".join(_lines(shown)))
    return 0 if shown["approved"] and not shown["owed"] else 1


async def _converse(arguments: argparse.Namespace, line: Line, shown: dict[str, Any]) -> None:
    settled = await line.settle() if line.kept.till.duties else []
    if line.kept.till.duties:
        raise CardrailsError(f"{len(line.kept.till.duties)} messages of earlier payments are still not answered")
    shown |= {"deed": arguments.deed, "settled": len(settled), "approved": True}
    if arguments.deed in _CARD_DEEDS:
        shown |= _paid_json(await pay(line, _wish(arguments, line), system_entropy))
    elif arguments.deed == "batch":
        shown |= await _batch(arguments, line)
    elif arguments.deed in ("complete", "reverse"):
        shown |= await _follow(arguments, line)


def _asked(arguments: argparse.Namespace, amount_minor: int, cashback_minor: int = 0) -> Asked:
    at = wall_clock()
    code = currency(arguments.currency).numeric
    takes_partial = getattr(arguments, "partial_approval", False)
    return Asked(arguments.deed, amount_minor, code, at, at, cashback_minor, takes_partial)


def _wish(arguments: argparse.Namespace, line: Line) -> Wish:
    deed = arguments.deed
    amount_minor = 0 if deed in _WITHOUT_AMOUNT else _moved(arguments, arguments.amount)
    cashback_minor = _moved(arguments, arguments.cashback, "--cashback") if deed == "cashback" else 0
    if cashback_minor > amount_minor:
        raise ConfigError("command line", "--cashback", arguments.cashback, "must be a part of --amount")
    of = None
    if deed == "refund" and arguments.payment:
        of = _found(line, arguments.payment)
    return Wish(
        _asked(arguments, amount_minor, cashback_minor),
        arguments.card,
        Entry(arguments.entry),
        arguments.pin or "",
        getattr(arguments, "new_pin", None) or "",
        getattr(arguments, "offline", False),
        of,
    )


def _moved(arguments: argparse.Namespace, text: str, option: str = "--amount") -> int:
    """Return an amount that is to move: of zero a terminal would count a payment that its acquirer does not."""
    return minor_amount(text, arguments.currency, option, may_be_zero=False)


def _found(line: Line, rrn: str, deeds: tuple[str, ...] = ()) -> Sale:
    sale = line.kept.till.find(rrn, deeds)
    if sale is None:
        rule = "must be one that this terminal has seen and that stands"
        raise ConfigError("command line", "--payment", rrn or None, rule)
    return sale


def _left_of(sale: Sale) -> int:
    left_minor = sale.amount_minor - sale.captured_minor
    if left_minor <= 0:
        raise ConfigError("command line", "--payment", sale.rrn, "must be a reservation of which something is left")
    return left_minor


async def _follow(arguments: argparse.Namespace, line: Line) -> dict[str, Any]:
    """Capture or reverse: a message that is sent until it is answered."""
    till = line.kept.till
    if arguments.deed == "complete":
        sale = _found(line, arguments.payment, ("preauth",))
        amount_minor = _left_of(sale) if arguments.amount is None else _moved(arguments, arguments.amount)
        stan, till = till.numbered()
        message = completion_of(till, sale, _asked(arguments, amount_minor), stan, is_final=not arguments.partial)
    else:
        standing = (*(deed for deed in DEEDS if deed not in _WITHOUT_AMOUNT), "complete", "offline")
        sale = _found(line, arguments.payment, standing)
        remains = arguments.remains
        remains_minor = 0 if remains is None else minor_amount(remains, arguments.currency, "--remains")
        if remains_minor >= sale.amount_minor:
            raise ConfigError("command line", "--remains", remains, "must be less than there is")
        stan, till = till.numbered()
        message = reversal_of(till, sale, _asked(arguments, 0), stan, CANCELLED, remains_minor)
    line.kept.till = till.owing(Duty(message))
    heard = (await line.settle())[-1]
    return _heard_json(message, heard) | {"approved": _is_accepted(heard)}


async def _batch(arguments: argparse.Namespace, line: Line) -> dict[str, Any]:
    code = currency(arguments.currency).numeric
    stan, line.kept.till = line.kept.till.numbered()
    message = totals_of(line.kept.till, code, _asked(arguments, 0), stan)
    heard = await line.ask(message, None)
    shown = _heard_json(message, heard) | {"approved": _is_accepted(heard), "batch": line.kept.till.batch}
    if heard.answer is not None and heard.answer.get(66) in ("1", "2"):
        line.kept.till = line.kept.till.next_batch()
        line.kept.write()
        shown["ours"] = {str(element): value for element, value in message.only(_FIGURES).items()}
        shown["theirs"] = {element: heard.answer.get(int(element), "") for element in shown["ours"]}
    return shown


def _is_accepted(heard: Heard) -> bool:
    return heard.answer is not None and heard.answer.response_code == _ACCEPTED


def _paid_json(paid: Paid) -> dict[str, Any]:
    shown: dict[str, Any] = {"approved": paid.is_approved}
    if paid.heard is None:
        shown |= {"mti": paid.request.mti, "outcome": "decided without the issuer"}
    else:
        shown |= _heard_json(paid.request, paid.heard)
    if paid.first is not None:
        last = None if paid.last is None else {"kind": paid.last.kind.name, "value": paid.last.value.hex().upper()}
        first = {"kind": paid.first.kind.name, "value": paid.first.value.hex().upper()}
        chip = {"cryptogram": first, "issuer_authenticated": paid.is_content, "last": last, "scripts": paid.scripts}
        shown["chip"] = chip
    return shown


def _heard_json(message: Message, heard: Heard) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "mti": message.mti,
        "stan": message.stan,
        "outcome": heard.outcome.value,
        "amount_minor": message.amount_minor,
        "currency": message.currency,
    }
    answer = heard.answer
    if answer is None:
        return shown
    code = answer.response_code
    shown |= {"code": code, "meaning": _meaning(code)}
    shown |= {"rrn": answer.rrn, "authorisation_code": answer.authorisation_code}
    if 4 in answer:
        shown["amount_minor"] = answer.amount_minor
    balances = _balances(answer)
    if balances:
        shown["balances"] = balances
    return shown


def _meaning(code: str) -> str:
    return MEANINGS["1987"][39](code) or ""


def _balances(answer: Message) -> dict[str, dict[str, Any]]:
    names = {LEDGER_BALANCE: "ledger", AVAILABLE_BALANCE: "available"}
    try:
        blocks = parse_amounts(answer.get(54) or "")
    except RemoteProtocolError:
        return {}
    return {
        names[block.amount_type]: {"minor": block.amount_minor, "currency": block.currency}
        for block in blocks
        if block.amount_type in names
    }


def _lines(shown: dict[str, Any]) -> list[str]:
    lines = []
    if shown["settled"]:
        lines.append(f"settled first: {shown['settled']} messages of earlier payments")
    if "outcome" in shown:
        amount = money(shown["amount_minor"], shown["currency"]) if shown.get("amount_minor") else ""
        said = f"{shown['code']} {shown['meaning']}".strip() if "code" in shown else shown["outcome"]
        lines.append("  ".join(part for part in (shown["deed"], amount, said) if part))
    if shown.get("rrn"):
        lines.append(f"RRN {shown['rrn']}  authorisation code {shown['authorisation_code'] or '-'}")
    for name, balance in shown.get("balances", {}).items():
        lines.append(f"{name} balance {money(balance['minor'], balance['currency'])}")
    chip = shown.get("chip")
    if chip is not None:
        said = {True: "right", False: "wrong", None: "none"}[chip["issuer_authenticated"]]
        last = f", then {chip['last']['kind']}" if chip["last"] is not None else ""
        lines.append(f"chip: {chip['cryptogram']['kind']}{last}; issuer's answer to the card: {said}")
    for element, ours in shown.get("ours", {}).items():
        theirs = shown["theirs"][element]
        lines.append(f"DE {element}  {ours}  acquirer {theirs}{'' if ours == theirs else '  DIFFERS'}")
    if shown["owed"]:
        lines.append(f"owed: {shown['owed']} messages without an answer; the next run sends them again")
    lines.append("approved" if shown["approved"] else "not approved")
    return lines
