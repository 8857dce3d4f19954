"""Starts the contenders, each in a process of its own, and stops every one that it started."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

from emulator.topology import default_text

STOP_WITHIN_S = 10.0
CARDRAILS = (sys.executable, "-m", "emulator.cli")
_PORT = re.compile(r"127\.0\.0\.1:\d+")


class BenchError(RuntimeError):
    """A contender did not start, or gave a wrong answer: there is no figure."""


class Contender:
    """One running process. Read its first line to know that it is ready."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self.pid = process.pid
        self._process = process
        self._errors = errors
        self._usage = psutil.Process(process.pid)

    def line(self) -> str:
        """Wait for the next line of its output.

        Raises
        ------
        BenchError
            It ended instead; says what it said on standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise BenchError(f"process {self.pid} ended early: {self._errors.read()[-2000:]}")
        return line

    def cpu_s(self) -> float:
        """Return the processor seconds that it has used so far, user and system."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    def resident_mb(self) -> float:
        """Return its resident memory, in MB of 10^6 bytes."""
        return float(self._usage.memory_info().rss) / 1e6


class Processes(Contender):
    """Several processes that are one contender: what they used is what all of them used."""

    def __init__(self, members: Sequence[Contender], ready: Sequence[Contender] = ()) -> None:
        self._starting = tuple(members)
        self._members = (*ready, *members)
        self.pid = self._members[0].pid

    def line(self) -> str:
        """Wait for the next line of each that was not `ready` before; raises as `Contender.line`."""
        return "".join([member.line() for member in self._starting])

    def cpu_s(self) -> float:
        """Return the processor seconds that they have used so far, user and system."""
        return sum(member.cpu_s() for member in self._members)

    def resident_mb(self) -> float:
        """Return their resident memory, in MB of 10^6 bytes."""
        return sum(member.resident_mb() for member in self._members)


@contextmanager
def contender(command: Sequence[str]) -> Iterator[Contender]:
    """Run a command until the block ends, then stop it with SIGTERM, and with SIGKILL if it does not listen."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.PIPE, text=True)
        try:
            yield Contender(process, errors)
        finally:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stdin):
                if pipe is not None:
                    pipe.close()


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago, all different."""
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(sock.getsockname()[1]) for sock in taken]
    for sock in taken:
        sock.close()
    return ports


def topology_on_free_ports(folder: Path) -> Path:
    """Write the default topology with every address moved to a free port; for peers that dial before it is ready."""
    text = default_text()
    addresses = sorted(set(_PORT.findall(text)))
    moved = dict(zip(addresses, free_ports(len(addresses)), strict=True))
    file = folder / "topology.toml"
    file.write_text(_PORT.sub(lambda found: f"127.0.0.1:{moved[found.group()]}", text), "utf-8")
    return file


def address_of(url: Any) -> tuple[str, int]:
    """Return host and port of `tcp://host:port` or `http://host:port`."""
    host, _, port = str(url).rpartition("://")[2].rpartition(":")
    return host, int(port)
