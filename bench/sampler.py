"""`python -m bench.sampler FILE up ...`: the `cardrails` command, with a look at its stack every millisecond of work.

The timer counts processor time, so waiting is not seen. What it found is written to FILE as JSON when the command
ends: how often each function was at the top of the stack, and how often it was anywhere on it.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from emulator.cli import main

EVERY_S = 0.001
_OURS = ("iso/", "node/", "hsm_sim/", "banks/", "switch/", "gateway/")
"""Where our own code is; compiled functions of the codec count to who called them."""
_ROOT = str(Path(__file__).resolve().parent.parent) + "/"


class Sampler:
    """Counts what the main thread is doing; cheap enough to leave the picture as it is."""

    def __init__(self) -> None:
        self.samples = 0
        self.top: Counter[str] = Counter()
        self.anywhere: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()

    def look(self, _number: int, frame: FrameType | None) -> None:
        """Take one sample; the handler of SIGPROF."""
        if frame is None:
            return
        self.samples += 1
        names = []
        while frame is not None:
            names.append(_name(frame))
            frame = frame.f_back
        self.top[names[0]] += 1
        self.anywhere.update(set(names))
        self.parts[_part(names)] += 1

    def clear(self, _number: int, _frame: FrameType | None) -> None:
        """Forget what was seen so far; the handler of SIGUSR1."""
        self.samples = 0
        self.top.clear()
        self.anywhere.clear()
        self.parts.clear()

    def write(self, file: Path) -> None:
        """Write the counts."""
        seen = {
            "samples": self.samples,
            "top": dict(self.top),
            "anywhere": dict(self.anywhere),
            "parts": dict(self.parts),
        }
        file.write_text(json.dumps(seen), "utf-8")


def _name(frame: FrameType) -> str:
    code = frame.f_code
    file = code.co_filename.removeprefix(_ROOT).rpartition("site-packages/")[2].rpartition("lib/python3.11/")[2]
    return f"{file}:{code.co_qualname}"


def _part(names: list[str]) -> str:
    """Return the file of ours that was at work, libraries counted to who called them; of `iso`, with who asked."""
    files = [name.partition(":")[0] for name in names if name.startswith(_OURS)]
    if not files:
        return "event loop and sockets"
    caller = next((file for file in files if not file.startswith("iso/")), "")
    return f"{files[0]} for {caller}" if files[0].startswith("iso/") and caller else files[0]


def run(arguments: list[str]) -> int:
    """Run the command under the sampler."""
    sampler = Sampler()
    signal.signal(signal.SIGPROF, sampler.look)
    signal.signal(signal.SIGUSR1, sampler.clear)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        return main(arguments[1:])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sampler.write(Path(arguments[0]))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
