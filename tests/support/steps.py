"""What a piece of work calls: for tests that count steps, or compare them, instead of time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def steps_of(work: Callable[[], object]) -> list[str]:
    """Return every function that is called, in order."""
    seen: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            seen.append(frame.f_code.co_qualname if event == "call" else argument.__qualname__)

    former = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(former)
    return seen
