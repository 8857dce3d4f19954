"""Programs that tests ask for a second opinion: skipped where they are missing, except where everything is required."""

from __future__ import annotations

import os
import shutil

import pytest


def require(name: str) -> str:
    """Return the path of a program, or skip the test; with `CARDRAILS_REQUIRE_ALL=1` its absence is a failure."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("CARDRAILS_REQUIRE_ALL") == "1":
            pytest.fail(f"{name} is not installed, and CARDRAILS_REQUIRE_ALL=1 says that nothing may be left out")
        pytest.skip(f"{name} is not installed")
    return path
