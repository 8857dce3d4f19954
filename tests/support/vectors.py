"""The corpus of known answers, for tests that need no HSM around them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_CORPUS = Path(__file__).parent.parent / "corpus" / "hsm.json"


def vectors(operation: str) -> list[dict[str, Any]]:
    """Return the known answers of an operation, each with inputs, expected and source."""
    found = [vector for vector in _corpus() if vector["operation"] == operation]
    assert found, operation
    return found


@cache
def _corpus() -> list[dict[str, Any]]:
    return list(json.loads(_CORPUS.read_text("utf-8")))
