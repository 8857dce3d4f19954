"""What holds for every test of the project."""

from __future__ import annotations

from hypothesis import settings

# A shared machine can stall any example: time is measured in bench/, never in a test.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
