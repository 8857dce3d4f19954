"""The console examples of a document: what they say, and what really happens."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from emulator.cli import main

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TIME = re.compile(r"\d+\.\d\d(?= ms| / )")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Example(NamedTuple):
    """One command and what the document says that it prints."""

    command: str
    output: str


def examples(document: Path) -> list[Example]:
    """Find every `$ cardrails ...` of a document's console blocks; a line may go on after a backslash."""
    found: list[Example] = []
    for block in _BLOCK.findall(document.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.replace("\\\n", " ").partition("\n")
            found.append(Example(command, output.rstrip("\n")))
    return found


def write_files(document: Path, folder: Path) -> None:
    """Write the files that a document shows."""
    for name, text in _FILE.findall(document.read_text("utf-8")):
        (folder / name).write_text(text)


def run(command: str) -> str:
    """Run `cardrails ... | cardrails ...` in this process; give what it prints, errors after the rest."""
    taken = ""
    for stage in command.split(" | "):
        program, *arguments = shlex.split(stage)
        assert program == "cardrails"
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), patch("sys.stdin", io.StringIO(taken)):
            main(arguments)
        taken = out.getvalue()
    return steady((taken + err.getvalue()).rstrip("\n"))


def steady(text: str) -> str:
    """Replace what differs from run to run: times, and hashes over them."""
    return _HASH.sub("5" * 64, _INSTANT.sub("2026-03-14T09:26:53Z", _TIME.sub("1.00", text)))
