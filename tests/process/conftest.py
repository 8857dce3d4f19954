"""What holds for every test with processes: whatever was killed, every event that was written is one of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.oracle import Oracle


@pytest.fixture(scope="module", autouse=True)
def _every_event_is_one_of_the_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.getbasetemp()
    before = set(folder.rglob("gateway.db"))
    yield
    oracle = Oracle()
    for database in set(folder.rglob("gateway.db")) - before:
        oracle.see_database(database)
    oracle.verdict()
