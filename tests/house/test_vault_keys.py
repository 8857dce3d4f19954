"""An operator changes the vault's keys while shops pay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulator.cli import main
from tests.support.house import HouseHandle, running_house

pytestmark = pytest.mark.house


def pay(house: HouseHandle) -> str:
    bought = {"amount": 2000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    return str(house.stripe().v1.payment_intents.create(bought).status)  # type: ignore[arg-type]


class TestRotation:
    """Tokens made under the key before go on working, and the change is told and audited."""

    def test_the_card_key_changes_between_two_payments(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with running_house(tmp_path) as house:
            ready = tmp_path / "ready.json"
            ready.write_text(json.dumps(house.ready))
            before = pay(house)

            code = main(["keys", "rotate", "card", "--ready-file", str(ready), "--json"])
            after = pay(house)
            again = main(["keys", "rotate", "retire-fingerprint", "--ready-file", str(ready)])
            assert house.eventually(lambda: not house.control.vault_rotation("hsm")["is_resealing"])
            shown = main(["keys", "rotate", "--ready-file", str(ready)])

        said = capsys.readouterr()
        assert (code, before, after) == (0, "succeeded", "succeeded")
        assert json.loads(said.out.splitlines()[0])["card_version"] == 2
        assert (again, "VJ" in said.err) == (1, True)
        assert shown == 0
        assert "card key         version 2  every card uses it" in said.out
