"""tshark as an independent reader of our captures."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.programs import require

STANDARD = ("-o", "iso8583.len_endian:bigendian", "-o", "iso8583.charset:ascii", "-o", "iso8583.binencode:ascii")
"""How tshark's own dissector is told what we write; an unknown word here is ignored in silence, so always assert."""
STRICT = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")


def read(
    capture: Path, port: int, protocol: str, fields: Sequence[str], *, lua: Path | None = None, only: str = ""
) -> list[list[str]]:
    """Return the fields of every packet that passes the filter `only` (by default: those of the protocol)."""
    command = [require("tshark"), "-r", str(capture), "-d", f"tcp.port=={port},{protocol}", *STRICT]
    command += STANDARD if lua is None else ("-X", f"lua_script:{lua}")
    command += ["-Y", only or protocol, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]
