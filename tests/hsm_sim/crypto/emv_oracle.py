"""pyemv as an oracle: an independent implementation of EMV, whose author checked it with an HSM."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pyemv

from hsm_sim.core.crypto.versions import TERMINAL_TAGS

CVNS: dict[str, Any] = {
    "VISA_10": pyemv.cvn.VisaCVN10,
    "VISA_18": pyemv.cvn.VisaCVN18,
    "VISA_22": pyemv.cvn.VisaCVN22,
    "INTERAC_133": pyemv.cvn.InteracCVN133,
    "MASTERCARD_16": pyemv.cvn.MasterCardCVN16,
    "MASTERCARD_17": pyemv.cvn.MasterCardCVN17,
    "MASTERCARD_20": pyemv.cvn.MasterCardCVN20,
    "MASTERCARD_21": pyemv.cvn.MasterCardCVN21,
}
BY_ARQC = ("VISA_22", "INTERAC_133", "MASTERCARD_16", "MASTERCARD_17", "MASTERCARD_20", "MASTERCARD_21")
STATELESS_ANSWER = ("VISA_10", "MASTERCARD_16", "MASTERCARD_17")


def quiet(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call it without the warnings about where it takes its ciphers from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **named)


class Card:
    """One card of one cryptogram version, as pyemv sees it."""

    def __init__(self, name: str, keys: tuple[bytes, bytes, bytes], pan: str, psn: str) -> None:
        self.name = name
        self._cvn = quiet(CVNS[name], *keys, pan, psn)

    def cryptogram(self, tags: Mapping[str, bytes]) -> bytes:
        """Return the application cryptogram."""
        terminal = [tags[tag] for tag in TERMINAL_TAGS]
        return bytes(quiet(self._cvn.generate_ac, *terminal, *self._signed(tags["9F10"])))

    def answer(self, tags: Mapping[str, bytes], arqc: bytes, response: bytes) -> bytes:
        """Return the ARPC."""
        if self.name in STATELESS_ANSWER:
            return bytes(quiet(self._cvn.generate_arpc, arqc, response))
        if self.name == "INTERAC_133":
            return bytes(quiet(self._cvn.generate_arpc, arqc, tags["9F37"], tags["9F36"], response))
        return bytes(quiet(self._cvn.generate_arpc, arqc, tags["9F36"], response))

    def script_mac(self, header: bytes, atc: bytes, arqc: bytes, data: bytes) -> bytes:
        """Return the MAC of a script command."""
        if self.name == "INTERAC_133":
            return bytes(quiet(self._cvn.generate_command_mac, header, arqc, data))
        return bytes(quiet(self._cvn.generate_command_mac, header, arqc, atc, data))

    def enciphered(self, data: bytes, atc: bytes, arqc: bytes) -> bytes:
        """Return the enciphered data of a script command."""
        return bytes(quiet(self._cvn.encrypt_command_data, data, arqc if self.name in BY_ARQC else atc))

    def pin_change(self, pin: str, atc: bytes, arqc: bytes, current: str | None) -> bytes:
        """Return a PIN change command."""
        if self.name == "INTERAC_133":
            return bytes(quiet(self._cvn.generate_pin_change_command, pin, arqc))
        if self.name.startswith("VISA"):
            return bytes(quiet(self._cvn.generate_pin_change_command, pin, arqc, atc, current))
        return bytes(quiet(self._cvn.generate_pin_change_command, pin, arqc, atc))

    def _signed(self, iad: bytes) -> tuple[bytes, ...]:
        if self.name == "VISA_10":
            return (iad[3:7],)
        if self.name in ("MASTERCARD_16", "MASTERCARD_20"):
            return (iad[2:8],)
        if self.name in ("MASTERCARD_17", "MASTERCARD_21"):
            return (iad[2:8], iad[10:18])
        return (iad,)
