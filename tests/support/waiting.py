"""Waiting for something in another process to become true, without a fixed sleep."""

from __future__ import annotations

import threading
from collections.abc import Callable

from node.clock import stopwatch

POLL_S = 0.05


def eventually(holds: Callable[[], bool], within_s: float = 30.0) -> bool:
    """Return True as soon as `holds()`, False if it never did within the time."""
    started, never = stopwatch(), threading.Event()
    while not holds():
        if stopwatch() - started > within_s:
            return False
        never.wait(POLL_S)
    return True
