"""An example of every body and answer, from a data file; a test holds each of them against its model."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


def answer(operation: str) -> Any:
    """Return the example of an operation's answer."""
    return _examples()[operation]["answer"]


def body(operation: str) -> dict[str, Any]:
    """Return the examples of an operation's body, by name."""
    return {name: {"value": value} for name, value in _examples()[operation]["bodies"].items()}


@cache
def _examples() -> dict[str, Any]:
    text = (resources.files("gateway") / "data" / "emu_examples.json").read_text("utf-8")
    examples: dict[str, Any] = json.loads(text)
    return examples
