"""`cardrails card`: an issued card pays at a software terminal.

`card authorise` makes what a terminal would send: a real ARQC of the chip over what the terminal says, and a real PIN
block under the terminal's key. With `--verify` the HSMs of the card's network check both and the chip checks the
answer. `card answer` gives the chip the answer of another issuer.

Card and terminal are kept before anything is shown, so that no counter is used twice.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from emulator.chip.checking import Verified, check
from emulator.chip.files import CardFile, read_card, read_terminal, write_card, write_terminal
from emulator.chip.loading import load_terminal
from emulator.chip.parties import PUBLISHED, Network, house_network, published_network
from emulator.chip.softcard import Card, Kind
from emulator.chip.terminal import (
    Authorisation,
    Payment,
    PinBlock,
    PinKey,
    authorise,
    build_chip_data,
    read_chip_data,
)
from emulator.cli.amounts import minor_amount
from hsm_sim.core.errors import OK
from iso import ConfigError
from iso.subfields.emv import EMV_NAMES
from node.clock import system_entropy, wall_clock

_TERMINAL_FILE = "terminal.json"
_SERIAL = "CARDRAIL"
_DEVICE_BYTES = 8
_KINDS = {"online": Kind.ARQC, "offline": Kind.TC, "decline": Kind.AAC}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    pay = deeds.add_parser("authorise", help="pay: ARQC, PIN block, DE 55, ready for a message")
    pay.add_argument("--card", type=Path, required=True, metavar="FILE", help="of `cardrails cards issue --emv --out`")
    pay.add_argument("--amount", required=True, help="in major units: 42.00")
    pay.add_argument("--currency", default="usd", help="(default: usd)")
    pay.add_argument("--pin", metavar="DIGITS", help="what the cardholder types")
    pay.add_argument(
        "--pin-key",
        choices=[key.value for key in PinKey],
        default=PinKey.TPK.value,
        help="what enciphers it: the terminal's PIN key, TDES DUKPT, or AES DUKPT with format 4 (default: tpk)",
    )
    pay.add_argument("--offline-pin", action="store_true", help="the card checks the PIN; nothing is enciphered")
    wish = pay.add_mutually_exclusive_group()
    for kind, what in (
        ("online", "the shop wants it online (default: the terminal decides so too)"),
        ("offline", "the terminal asks for an approval; the card may want to go online"),
        ("decline", "the terminal declines"),
    ):
        wish.add_argument(f"--{kind}", action="store_const", const=kind, dest="wish", help=what)
    pay.add_argument("--terminal", type=Path, metavar="FILE", help="(default: terminal.json beside the card)")
    pay.add_argument("--country", default="840", metavar="NNN", help="of a new terminal (default: 840)")
    pay.add_argument("--device", metavar="HEX", help="of a new terminal: 16 digits for its DUKPT serial numbers")
    pay.add_argument("--un", metavar="HEX", help="unpredictable number, 8 digits (default: by chance)")
    pay.add_argument("--at", metavar="TIME", help="of the terminal, as 2026-03-14T09:26 (default: now)")
    pay.add_argument("--verify", action="store_true", help="let the HSMs check ARQC and PIN, and the card the answer")
    answer = deeds.add_parser("answer", help="give the chip its issuer's answer")
    answer.add_argument("--card", type=Path, required=True, metavar="FILE")
    answer.add_argument("--chip-data", required=True, metavar="HEX", help="DE 55 of the response, with tag 91")
    answer.add_argument("--declined", action="store_true", help="the issuer declined")
    for one in (pay, answer):
        one.add_argument("--data-dir", type=Path, help="where the card's house is now, if it was moved")
        one.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Pay; 1 if it is declined or a check fails."""
    kept = read_card(arguments.card)
    card = kept.card()
    if card is None:
        raise ConfigError(arguments.card, "chip", "none", "must have a chip: `cardrails cards issue --emv`")
    return _answer(arguments, kept, card) if arguments.deed == "answer" else _pay(arguments, kept, card)


def _pay(arguments: argparse.Namespace, kept: CardFile, card: Card) -> int:
    payment = _payment(arguments)
    folder = _folder(arguments, kept)
    place = arguments.terminal or arguments.card.with_name(_TERMINAL_FILE)
    terminal = read_terminal(place, folder)
    network = _network(kept, folder, payment.at) if terminal is None or arguments.verify else None
    if terminal is None:
        assert network is not None
        terminal = load_terminal(network.acquirer, _SERIAL, arguments.country, _device(arguments), system_entropy)
    block, offline_pin = None, None
    if arguments.pin is not None and arguments.offline_pin:
        offline_pin, card = card.verify_pin(arguments.pin)
    elif arguments.pin is not None:
        block, terminal = terminal.encipher_pin(PinKey(arguments.pin_key), arguments.pin, kept.pan, system_entropy)
    wanted = _KINDS[arguments.wish or "online"]
    made, card, terminal = authorise(card, terminal, payment, wanted, block, offline_pin)
    write_terminal(place, terminal, folder)
    kept = kept.after(card, build_chip_data(made.tags))
    write_card(arguments.card, kept)
    verified = None
    if arguments.verify:
        assert network is not None
        verified, card = check(network, card, made, kept.pvki, kept.pvv)
        write_card(arguments.card, kept.after(card, build_chip_data(made.tags)))
    shown = _shown(made, card, verified)
    print(json.dumps(shown) if arguments.json else "\n".join(_lines(shown, made)))
    return 0 if shown["approved"] is not False else 1


def _answer(arguments: argparse.Namespace, kept: CardFile, card: Card) -> int:
    tags = read_chip_data(_bytes(arguments.chip_data, "--chip-data"))
    is_content = None
    if "91" in tags:
        is_content, card = card.check_arpc(tags["91"])
    last, card = card.finish(read_chip_data(kept.payment), not arguments.declined)
    write_card(arguments.card, kept.after(card, b""))
    shown: dict[str, Any] = {
        "approved": last.kind is Kind.TC,
        "issuer_authenticated": is_content,
        "cryptogram": {"kind": last.kind.name, "value": last.value.hex().upper()},
        "atc": card.memory.atc,
    }
    if arguments.json:
        print(json.dumps(shown))
    else:
        said = {True: "right", False: "wrong", None: "none came"}[is_content]
        print(f"issuer's answer: {said}\n{last.kind.name} {last.value.hex().upper()}  ATC {card.memory.atc}")
    return 0 if shown["approved"] else 1


def _shown(made: Authorisation, card: Card, verified: Verified | None) -> dict[str, Any]:
    kind = made.cryptogram.kind
    shown: dict[str, Any] = {
        "approved": {Kind.TC: True, Kind.AAC: False, Kind.ARQC: None}[kind],
        "cryptogram": {"kind": kind.name, "value": made.cryptogram.value.hex().upper()},
        "atc": card.memory.atc,
        "fields": made.fields,
        "chip_data": {tag: value.hex().upper() for tag, value in read_chip_data(made.chip_data).items()},
        "pin": None if made.pin is None else _pin_json(made.pin),
    }
    if verified is not None:
        last = verified.last
        is_right = verified.cryptogram == OK and all(step.code == OK for step in verified.pin)
        shown["verified"] = {
            "cryptogram": verified.cryptogram,
            "pin": [step._asdict() for step in verified.pin],
            "issuer_data": verified.issuer_data.hex().upper(),
            "issuer_authenticated": verified.is_card_content,
            "last": None if last is None else {"kind": last.kind.name, "value": last.value.hex().upper()},
        }
        shown["approved"] = is_right and (last.kind if last is not None else kind) is Kind.TC
    return shown


def _pin_json(pin: PinBlock) -> dict[str, str]:
    shown = pin._asdict()
    return {**shown, "key": pin.key.value}


def _lines(shown: dict[str, Any], made: Authorisation) -> list[str]:
    lines = [f"{shown['cryptogram']['kind']} {shown['cryptogram']['value']}  ATC {shown['atc']}"]
    lines += [f"DE {element:<3} {value}" for element, value in made.fields.items()]
    lines += [f"  {tag:<5} {EMV_NAMES.get(tag, '')[:34]:<34}  {value}" for tag, value in shown["chip_data"].items()]
    if made.pin is not None:
        pin = made.pin
        lines.append(f"PIN block {pin.block}  format {pin.format}  under {pin.key.value}")
        if pin.ksn:
            lines.append(f"KSN {pin.ksn}  descriptor {pin.descriptor}")
    verified = shown.get("verified")
    if verified is not None:
        lines.append(f"cryptogram at the issuer's HSM: {verified['cryptogram']}")
        lines += [f"PIN at {step['party']}: {step['deed']}: {step['code']}" for step in verified["pin"]]
        if verified["last"] is not None:
            said = "right" if verified["issuer_authenticated"] else "wrong"
            lines.append(f"issuer's answer (tag 91) {verified['issuer_data']} at the card: {said}")
            lines.append(f"{verified['last']['kind']} {verified['last']['value']}")
    lines.append({True: "approved", False: "declined", None: "waits for its issuer"}[shown["approved"]])
    return lines


def _payment(arguments: argparse.Namespace) -> Payment:
    unpredictable = system_entropy(4) if arguments.un is None else _bytes(arguments.un, "--un")
    if len(unpredictable) != 4:
        raise ConfigError("command line", "--un", arguments.un, "must be 8 hexadecimal digits")
    return Payment(
        minor_amount(arguments.amount, arguments.currency),
        arguments.currency,
        _time(arguments.at),
        unpredictable,
        forced_online=arguments.wish == "online",
        floor_minor=10**12 if arguments.wish == "offline" else 0,
    )


def _time(text: str | None) -> datetime:
    if text is None:
        return wall_clock()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ConfigError("command line", "--at", text, "must be a time such as 2026-03-14T09:26")


def _device(arguments: argparse.Namespace) -> str:
    if arguments.device is None:
        return system_entropy(_DEVICE_BYTES).hex().upper()
    device = _bytes(arguments.device, "--device")
    if len(device) != _DEVICE_BYTES:
        raise ConfigError("command line", "--device", arguments.device, "must be 16 hexadecimal digits")
    return device.hex().upper()


def _bytes(text: str, option: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    raise ConfigError("command line", option, text, "must be hexadecimal digits")


def _folder(arguments: argparse.Namespace, kept: CardFile) -> str:
    """Return where the house of the card is; "" for the published test keys."""
    if kept.network == PUBLISHED:
        return ""
    return str(arguments.data_dir.resolve()) if arguments.data_dir is not None else kept.data_dir


def _network(kept: CardFile, folder: str, at: datetime) -> Network:
    if kept.network == PUBLISHED:
        return published_network(at, system_entropy)
    return house_network(Path(folder), kept.network, at, system_entropy)
