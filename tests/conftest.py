"""What holds for every test of the project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.postgres import PostgresServer, postgres_server

# A shared machine can stall any example: time is measured in bench/, never in a test.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run, started by the first test that asks for it."""
    with postgres_server() as server:
        yield server
