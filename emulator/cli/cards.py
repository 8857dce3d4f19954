"""`cardrails cards`: every test card, what it does, and the CVC that its issuer will accept; and new cards.

The right CVC of a checked card is computed by the issuer's HSM at the moment of asking; it is stored nowhere.
`cards issue` makes a card of one's own: everything that is on it, and with `--emv` its chip. `cards put` puts it into
the file of the running issuer whose keys made it, with money on its account.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import anyio

from emulator.cards import UNKNOWN_CVC, CardLine, list_cards
from emulator.house import DEFAULT_DATA_DIR, read_ready
from iso import ConfigError

_COUNT_MAX = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _add_list(parser)
    deeds = parser.add_subparsers(dest="deed", metavar="DEED")
    _add_list(deeds.add_parser("list", help="the test cards of the house (what `cards` alone does)"))
    _add_put(deeds.add_parser("put", help="put an issued card into the file of its running issuer"))
    _add_issue(deeds.add_parser("issue", help="issue cards: number, expiry, CVVs, PIN, PVV, tracks, chip"))


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ready-file", type=Path, help="of a running house (default: .cardrails/ready.json)")
    parser.add_argument("--json", action="store_true")


def _add_issue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bin", required=True, metavar="DIGITS", help="6 to 11 digits of a test BIN: 400000, 99...")
    parser.add_argument("--product", choices=("credit", "debit", "prepaid"), default="credit")
    parser.add_argument("--emv", action="store_true", help="with a chip")
    parser.add_argument("--cvn", type=int, default=0, metavar="N", help="cryptogram version: 10, 18; 16, 17, 20, 21")
    parser.add_argument("--expiry", default="", metavar="YYMM", help="(default: the end of the year in three years)")
    parser.add_argument("--name", default="CARDHOLDER/TEST", help="as on the stripe: SURNAME/FIRST")
    parser.add_argument("--pin", default="", metavar="DIGITS", help="4 to 12 digits (default: four by chance)")
    parser.add_argument("--count", type=_count, default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument("--seed", metavar="TEXT", help="of numbers and PINs, so that a run can be repeated")
    parser.add_argument("--issuer", metavar="NAME", help="of a house, whose keys make the card (with --data-dir)")
    parser.add_argument("--data-dir", type=Path, help="of that house, with the officers' secret (default: .cardrails)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the card, mode 0600; with --count FILE-1, ...")
    parser.add_argument("--json", action="store_true")


def _add_put(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", type=Path, required=True, metavar="FILE", help="of `cards issue --issuer --out`")
    parser.add_argument("--balance", default="1000.00", metavar="AMOUNT", help="in each currency (default: 1000.00)")
    _add_list(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the cards, issue new ones, or put one into its issuer's file."""
    deeds = {"issue": _issue, "put": _put}
    return deeds.get(arguments.deed or "", _list)(arguments)


def _put(arguments: argparse.Namespace) -> int:
    from emulator.chip.files import read_card
    from emulator.chip.parties import PUBLISHED
    from emulator.cli.amounts import minor_amount
    from emulator.running import control_of
    from node.bank_client import BankClient

    card = read_card(arguments.card)
    if card.network == PUBLISHED:
        rule = "must be a card whose keys an issuer of the house has: `cards issue --issuer NAME`"
        raise ConfigError(arguments.card, "network", card.network, rule)
    columns: dict[str, Any] = {"expiry": card.expiry, "service_code": card.service_code}
    columns |= {"pin_method": "pvv", "pvki": card.pvki, "pin_value": card.pvv}
    if card.chip is not None:
        columns |= {"scheme": card.chip.scheme, "psn": card.chip.psn}
    balance_minor = minor_amount(arguments.balance, "usd", "--balance")
    with control_of(arguments.ready_file) as control:
        put = BankClient(control).issue(card.network, card.pan, balance_minor, **columns)
    if arguments.json:
        print(json.dumps({"issuer": card.network, "card": put}))
    else:
        print(f"{card.network} has the card that ends in {card.pan[-4:]}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    ready = read_ready(arguments.ready_file)
    cards = anyio.run(list_cards, ready)
    if arguments.json:
        print(json.dumps([card._asdict() for card in cards], indent=2))
    else:
        print("\n".join(_table(cards)))
        if any(card.cvc == UNKNOWN_CVC for card in cards):
            print("\nno house is running here: start one (`cardrails up`) to see the CVCs that are checked")
    return 0


def _issue(arguments: argparse.Namespace) -> int:
    from emulator.chip.files import card_file, write_card
    from emulator.chip.issuing import Order, check_order, issue, seeded
    from node.clock import system_entropy, wall_clock

    at = wall_clock()
    expiry = arguments.expiry or f"{(at.year + 3) % 100:02d}12"
    order = check_order(
        Order(arguments.bin, arguments.product, arguments.emv, expiry, arguments.name, arguments.pin, arguments.cvn)
    )
    files = _files(arguments)
    network, data_dir = _network(arguments, at)
    entropy = system_entropy if arguments.seed is None else seeded(arguments.seed)
    made = [issue(network.issuer, order, entropy) for _ in range(arguments.count)]
    cards = [card_file(issued, network.name, data_dir) for issued in made]
    for file, card in zip(files, cards, strict=False):
        write_card(file, card)
    shown = [card.model_dump(mode="json") for card in cards]
    if arguments.json:
        print(json.dumps({"cards": shown, "files": [str(file) for file in files]}))
    else:
        print("\n\n".join("\n".join(_card_lines(card)) for card in shown))
        print("\n".join([f"kept in {file}" for file in files]) or "not kept: --out FILE keeps it")
    return 0


def _network(arguments: argparse.Namespace, at: Any) -> tuple[Any, str]:
    """Return whose keys make the cards, and where they are kept."""
    from emulator.chip.parties import house_network, published_network
    from node.clock import system_entropy

    if arguments.issuer is None:
        if arguments.data_dir is not None:
            raise ConfigError("command line", "--issuer", None, "must name an issuer of the house in --data-dir")
        return published_network(at, system_entropy), ""
    folder = arguments.data_dir or DEFAULT_DATA_DIR
    return house_network(folder, arguments.issuer, at, system_entropy), str(folder.resolve())


def _files(arguments: argparse.Namespace) -> list[Path]:
    """Return where to keep each card; `ConfigError` if one lies there already: a card keeps its counter."""
    out: Path | None = arguments.out
    if out is None:
        return []
    if arguments.count == 1:
        files = [out]
    else:
        files = [out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(1, arguments.count + 1)]
    for file in files:
        if file.exists():
            raise ConfigError(
                "command line", "--out", str(file), "must not exist: a card that was used is not made anew"
            )
    return files


def _card_lines(card: dict[str, Any]) -> list[str]:
    names = ("pan", "expiry", "name", "product", "service_code", "cvv", "cvv2", "icvv", "pin", "pvki", "pvv")
    lines = [f"{name.ljust(13)}{card[name]}" for name in (*names, "track1", "track2")]
    chip = card["chip"]
    if chip is not None:
        lines.append(f"{'chip'.ljust(13)}{chip['label']}  AID {chip['aid']}  AIP {chip['aip']}  IAD {chip['iad']}")
        lines += [f"{('key ' + name[:8]).ljust(13)}{key}" for name, key in chip["keys"].items()]
    lines.append(f"{'keys of'.ljust(13)}{card['network']}")
    return lines


def _table(cards: list[CardLine]) -> list[str]:
    head = ("number", "expiry", "CVC", "issuer", "what happens")
    rows = [(card.number, card.expiry, card.cvc, card.issuer, card.behaviour) for card in cards]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(4)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in [head, *rows]
    ]


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= _COUNT_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"a number from 1 to {_COUNT_MAX}")
