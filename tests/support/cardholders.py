"""Cards in people's hands, for an issuer on the bench: made with the issuer's own keys, as its key custodian can.

The custodian's engine has the same keys as the bench's, because both draw them from one seed; it alone is in the
authorised state.
"""

from __future__ import annotations

from typing import Any

from banks.issuer.seeding import CardSeed
from emulator.chip.issuing import Issued, Order, issue
from emulator.chip.parties import Desk, Issuer
from emulator.chip.softcard import Card as Chip
from emulator.chip.softcard import Kind as Cryptogram
from emulator.chip.terminal import Payment, Terminal, authorise, read_chip_data
from hsm_sim.core import indexes
from hsm_sim.core.policy import Policy
from hsm_sim.requests import KeepPin, MakeCvv, MakePinBlock
from hsm_sim.requests.generic import HostCommand
from tests.support.banks import a_card
from tests.support.hsm import EPOCH, Hsm, seeded

PARTY = "issuer-a"
PIN = "4711"
TERMINAL = Terminal("CARDRAIL", "840", bytes(16), bytes(16), bytes(10), bytes(16), bytes(12))


class Custodian:
    """Who may ask the issuer's HSM for what a live issuer may not."""

    def __init__(self) -> None:
        self._hsm = Hsm(policies={PARTY: Policy(authorised=True)})
        self._entropy = seeded("cardholder")

    def exchange(self, party: str, command: bytes) -> bytes:
        """Carry out a command without header; what `emulator.chip.parties.Desk` asks."""
        return self._hsm.frame(party, command)

    def card(self, version: int = 10, pin: str = PIN, bin_: str = "990001") -> Issued:
        """Issue a card with a chip of this cryptogram version, a stripe and a PIN."""
        keys = (indexes.CVK, indexes.PVK, indexes.MK_AC, indexes.MK_SMI, indexes.MK_SMC, indexes.MK_CVC3)
        issuer = Issuer(Desk(self, PARTY), *keys, *_ZONE)  # type: ignore[arg-type]
        return issue(issuer, Order(bin_, "credit", True, "3012", "DOE/JANE", pin, version), self._entropy)

    def block(self, pin: str, pan: str, form: str = "01", key: str = "") -> str:
        """Return a PIN block as the network would send it."""
        account = pan[:-1][-12:]
        kept = self._hsm.ask(PARTY, HostCommand("BA", {"clear": f"{pin}F", "account": account}))
        made = self._hsm.ask(PARTY, MakePinBlock(key or _ZONE[form == "48"], str(kept.values["pin"]), form, pan))
        assert made.code == "00", made
        return made.block

    def offset(self, pin: str, pan: str) -> str:
        """Return the IBM 3624 offset of a PIN, by the rule for cards without validation data of their own."""
        kept = self._hsm.ask(PARTY, KeepPin(_ZONE[0], self.block(pin, pan), "01", pan)).pin
        values: dict[str, Any] = {"pvk": indexes.PVK_IBM, "pin": kept, "check": "04", "account": pan[:-1][-12:]}
        values |= {"table": "0123456789012345", "validation": pan[:11] + "N"}
        made = self._hsm.ask(PARTY, HostCommand("DE", values))
        assert made.code == "00", made
        return str(made.values["offset"]).rstrip("F")

    def cavv(self, pan: str, results: str = "000", once: str = "4242") -> str:
        """Return DE 48.07 for a cardholder who was authenticated."""
        value = self._hsm.ask(PARTY, MakeCvv(indexes.CVK, pan, once, results)).cvv
        return f"0{results[0]}{results[1:]}01{value}0{once}".ljust(40, "0")


_ZONE = (indexes.zpk("switch"), indexes.zpk("switch", aes=True))


def row_of(issued: Issued, **columns: Any) -> CardSeed:
    """Return the seed of an issued card, as its issuer files it."""
    assert issued.card is not None
    own = {"scheme": issued.card.profile.scheme, "psn": issued.card.profile.psn, "cvc_rule": "check"}
    pin = {"pin_method": "pvv", "pvki": issued.pvki, "pin_value": issued.pvv}
    return a_card(issued.pan, **{**own, **pin, "service_code": issued.service_code, **columns})


def pay(chip: Chip, amount_minor: int = 4_200, un: str = "01020304") -> tuple[dict[str, str], Chip]:
    """Let a chip sign a payment; return what the terminal adds to its request, and the chip afterwards."""
    payment = Payment(amount_minor, "usd", EPOCH, bytes.fromhex(un))
    made, after, _ = authorise(chip, TERMINAL, payment, Cryptogram.ARQC)
    wanted = ("22", "23", "35", "55")
    return {f"de{element}": made.fields[element] for element in wanted}, after


def check_answer(chip: Chip, data: str) -> tuple[bool, Chip]:
    """Let a chip check DE 55 of an answer."""
    return chip.check_arpc(read_chip_data(bytes.fromhex(data))["91"])
