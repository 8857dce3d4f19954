"""A shop for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, Shop, check_events, open_shop


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    opened = Gateway()
    yield opened
    check_events(opened.store)


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(tmp_path / "gateway.db" if request.param == "sqlite" else None) as opened:
        yield opened


@pytest.fixture
def memory_shop() -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened
