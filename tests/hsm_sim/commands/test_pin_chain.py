"""A PIN's whole way: terminal, acquirer, switch, issuer, each with keys of its own."""

from __future__ import annotations

import pytest

from hsm_sim.core import indexes
from hsm_sim.core.crypto.ciphers import Tdes
from hsm_sim.core.crypto.translation import encipher_pin
from hsm_sim.requests import (
    MakePvv,
    PinTranslated,
    TranslateDukptPin,
    TranslatePin,
    TranslateTerminalPin,
    VerifyPinPvv,
)
from tests.hsm_sim.commands.pins import ACCOUNT, AES_KSN, KSN, PAN, dukpt_block, injected
from tests.support.hsm import Hsm, seeded

PIN = "2580"
TERMINALS = ("static key", "TDES DUKPT", "AES DUKPT")


def _zpk(role: str, code: str) -> str:
    return indexes.zpk(role, aes=code == "48")


def _entered(house: Hsm, terminal: str, pin: str, code: str) -> PinTranslated:
    """Enter a PIN at a terminal; return what the acquirer makes of it for the switch, in the format of a code."""
    zpk = _zpk("switch", code)
    if terminal == "static key":
        key = Tdes(injected(house, "acquirer", indexes.TPK))
        data = encipher_pin(key, "01", pin, ACCOUNT, seeded()).hex().upper()
        return house.ask("acquirer", TranslateTerminalPin(indexes.TPK, zpk, data, "01", code, PAN))
    if terminal == "TDES DUKPT":
        data = dukpt_block(injected(house, "acquirer", indexes.BDK), KSN, pin)
        return house.ask("acquirer", TranslateDukptPin(indexes.BDK, zpk, KSN, data, "01", code, PAN))
    data = dukpt_block(injected(house, "acquirer", indexes.BDK_AES), AES_KSN, pin, "48")
    return house.ask("acquirer", TranslateDukptPin(indexes.BDK_AES, zpk, AES_KSN, data, "48", code, PAN))


def _pvv(house: Hsm, pin: str) -> str:
    """Return the PVV that the issuer has on file."""
    zpk = indexes.zpk("switch")
    key = Tdes(injected(house, "issuer-a", zpk))
    data = encipher_pin(key, "01", pin, ACCOUNT, seeded()).hex().upper()
    return house.ask("issuer-a", MakePvv(zpk, indexes.PVK, data, "01", PAN)).pvv


def _verified(house: Hsm, terminal: str, pin: str, way: tuple[str, str], pvv: str) -> list[str]:
    """Bring a PIN from a terminal to the issuer, in two formats on the way; return every party's answer code."""
    first, second = way
    at_switch = _entered(house, terminal, pin, first)
    onward = TranslatePin(_zpk("acquirer", first), _zpk("issuer", second), at_switch.block, first, second, PAN)
    at_issuer = house.ask("switch", onward)
    checked = VerifyPinPvv(_zpk("switch", second), indexes.PVK, at_issuer.block, second, PAN, "1", pvv)
    return [at_switch.code, at_issuer.code, house.ask("issuer-a", checked).code]


class TestThePinsWay:
    """The issuer verifies what was entered, and no key is shared by more than two parties."""

    @pytest.mark.parametrize("terminal", TERMINALS)
    @pytest.mark.parametrize("way", [("01", "01"), ("01", "47"), ("47", "48"), ("48", "48"), ("48", "01")])
    def test_from_every_kind_of_terminal_over_every_format(self, terminal: str, way: tuple[str, str]) -> None:
        house = Hsm()
        pvv = _pvv(house, PIN)

        assert _verified(house, terminal, PIN, way, pvv) == ["00", "00", "00"]
        assert _verified(house, terminal, "2581", way, pvv) == ["00", "00", "01"]

    def test_the_switch_cannot_verify_and_the_acquirer_cannot_read_the_issuer_s_zone(self) -> None:
        house = Hsm()
        at_switch = _entered(house, "static key", PIN, "01")
        onward = TranslatePin(indexes.zpk("acquirer"), indexes.zpk("issuer"), at_switch.block, "01", "01", PAN)
        at_issuer = house.ask("switch", onward).block
        zpk = indexes.zpk("switch")

        checked = VerifyPinPvv(indexes.zpk("issuer"), "KF05", at_issuer, "01", PAN, "1", "1234")
        again = TranslatePin(zpk, zpk, at_issuer, "01", "01", PAN)

        assert house.ask("switch", checked).code == "68"
        assert house.ask("acquirer", again).code == "20"
