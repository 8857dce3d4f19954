"""A running house as commands see it: found by its ready files, reached through its control ports alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.house import DEFAULT_DATA_DIR, READY_FILE, read_ready
from iso.errors import ConfigError
from node.control_access import SECRET_FILE
from node.control_client import ControlClient


def add_house(parser: argparse.ArgumentParser) -> None:
    """Declare where the running house is."""
    parser.add_argument(
        "--ready-file", type=Path, metavar="FILE", help=f"of a running house (default: {DEFAULT_DATA_DIR / READY_FILE})"
    )


def control_urls(ready_file: Path | None) -> tuple[dict[str, str], Path]:
    """Return the control URL of every running node of a house, and the folder of its databases.

    Nodes that run in processes of their own have ready files of their own in that folder.

    Raises
    ------
    ConfigError
        There is no such house, or no ready file.
    """
    folder = DEFAULT_DATA_DIR
    first = [ready_file] if ready_file is not None else []
    if ready_file is not None:
        ready = read_ready(ready_file)
        assert ready is not None
        folder = Path(ready.get("data_dir", ready_file.parent))
    urls: dict[str, str] = {}
    for file in [*first, *sorted(folder.glob("ready*.json"))]:
        found = read_ready(file) or {}
        for node in found.get("nodes", {}):
            urls.setdefault(node, found["control_url"])
    if not urls:
        raise ConfigError("command line", "--ready-file", str(folder / READY_FILE), "no house is running here")
    return urls, folder


@contextmanager
def control_of(ready_file: Path | None) -> Iterator[ControlClient]:
    """Hand out the control client of a running house.

    Raises
    ------
    ConfigError
        As `control_urls`, or the key that signs tokens cannot be read.
    """
    urls, folder = control_urls(ready_file)
    try:
        secret = (folder / SECRET_FILE).read_text("utf-8")
    except OSError as error:
        reason = error.strerror
    else:
        client = ControlClient(urls, secret)
        try:
            yield client
        finally:
            client.close()
        return
    raise ConfigError(folder / SECRET_FILE, "(file)", "(absent)", f"must be readable: {reason}")


def answering(client: ControlClient) -> list[str]:
    """Return the nodes of a house that answer, and say on standard error which do not: the others still have a say."""
    nodes = []
    for node in client.nodes:
        if client.answers(node):
            nodes.append(node)
        else:
            print(f"{node} does not answer and is left out", file=sys.stderr)
    return nodes
