"""One house for all clients, and a shop that uses one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.drivers import CLIENTS, Shop, connected
from tests.support.house import HouseHandle, running_house


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The SDK writes its telemetry id below the home directory."""
    folder = str(tmp_path_factory.mktemp("home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", folder)
        patch.setenv("XDG_CONFIG_HOME", folder)
        yield


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, home: None) -> Iterator[HouseHandle]:
    with running_house(tmp_path_factory.mktemp("house")) as handle:
        yield handle


@pytest.fixture(params=CLIENTS, scope="module")
def client(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def shop(house: HouseHandle, client: str) -> Iterator[Shop]:
    with connected(client, house.ready["gateway_url"], house.ready["secret_key"], house.oracle) as driver:
        yield Shop(driver)
