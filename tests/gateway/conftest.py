"""A shop for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, Shop, all_events, open_shop, step
from tests.support.oracle import Oracle


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    opened, oracle = Gateway(), Oracle()
    yield opened
    oracle.see_events(step(all_events(opened.store)))
    oracle.verdict()


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "gateway.db" if request.param == "sqlite" else None) as opened:
        yield opened


@pytest.fixture
def memory_shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened
