"""`cardrails metrics`: the counters of a running house as Prometheus text."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from emulator.running import add_house, answering, control_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("node", nargs="?", help="only of this node")
    add_house(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    with control_of(arguments.ready_file) as client:
        nodes = [arguments.node] if arguments.node else answering(client)
        print(merged(client.metrics(node) for node in nodes), end="")
    return 0


def merged(texts: Iterable[str]) -> str:
    """Return several expositions as one, in which each family stands once."""
    families: dict[str, list[str]] = {}
    for text in texts:
        family: list[str] = []
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = families.setdefault(line.split()[2], [line])
            elif not line.startswith("# TYPE ") or len(family) == 1:
                family.append(line)
    return "".join(f"{line}\n" for family in families.values() for line in family)
