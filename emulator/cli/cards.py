"""`cardrails cards`: every test card, what it does, and the CVC that its issuer will accept.

The right CVC of a checked card is computed by the issuer's HSM at the moment of asking; it is stored nowhere.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import anyio

from emulator.cards import UNKNOWN_CVC, CardLine, list_cards
from emulator.house import read_ready


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--ready-file", type=Path, help="of a running house (default: .cardrails/ready.json)")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Print the cards; their CVCs if a house is running."""
    ready = read_ready(arguments.ready_file)
    cards = anyio.run(list_cards, ready)
    if arguments.json:
        print(json.dumps([card._asdict() for card in cards], indent=2))
    else:
        print("\n".join(_table(cards)))
        if any(card.cvc == UNKNOWN_CVC for card in cards):
            print("\nno house is running here: start one (`cardrails up`) to see the CVCs that are checked")
    return 0


def _table(cards: list[CardLine]) -> list[str]:
    head = ("number", "expiry", "CVC", "issuer", "what happens")
    rows = [(card.number, card.expiry, card.cvc, card.issuer, card.behaviour) for card in cards]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(4)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in [head, *rows]
    ]
