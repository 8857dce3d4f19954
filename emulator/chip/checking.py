"""What stands behind a terminal: the network's HSMs check cryptogram and PIN, the chip checks its issuer's answer."""

from __future__ import annotations

from typing import Final, NamedTuple

from emulator.chip.parties import Network, PinStep
from emulator.chip.softcard import Card, Cryptogram, Kind
from emulator.chip.terminal import Authorisation
from hsm_sim.core.errors import OK
from hsm_sim.requests.emv import VerifyArqc

_CODES: Final = {True: b"00", False: b"05"}
"""What an ARPC by method 1 covers: the two characters of DE 39."""

_UPDATES: Final = {True: bytes.fromhex("00800000"), False: bytes(4)}
"""What an ARPC by method 2 covers: a card status update; the bit that public decoders call "issuer approves"."""


class Verified(NamedTuple):
    """What the card's network and the chip said.

    Attributes
    ----------
    cryptogram
        "00" if the issuer's HSM found it right, "01" if not.
    pin
        The stations of the PIN; empty if none was sent.
    issuer_data
        Tag 91, the issuer's answer; empty if the card did not ask.
    is_card_content
        Whether the chip took the answer for its issuer's; None if there was none.
    last
        The card's second cryptogram, if it asked.
    """

    cryptogram: str
    pin: list[PinStep]
    issuer_data: bytes
    is_card_content: bool | None
    last: Cryptogram | None

    @property
    def is_right(self) -> bool:
        """Whether cryptogram and PIN are right."""
        return self.cryptogram == OK and all(step.code == OK for step in self.pin)


def check(network: Network, card: Card, made: Authorisation, pvki: str, pvv: str) -> tuple[Verified, Card]:
    """Let the network check what a terminal would send, and the card what its issuer answers.

    The issuer approves if the PIN is right, or none was sent: nobody asks for the cardholder's money here.

    Parameters
    ----------
    card
        As `terminal.authorise` left it.
    pvki, pvv
        Of the cardholder's PIN, as the issuer's record has them.

    Returns
    -------
    tuple
        What was found, and the card afterwards.

    Raises
    ------
    HsmError
        An HSM refused a command.
    """
    profile = card.profile
    steps = [] if made.pin is None else network.verify_pin(made.pin, profile.pan, pvki, pvv)
    is_approved = not steps or steps[-1].code == OK
    asks = made.cryptogram.kind is Kind.ARQC
    response = (_CODES if card.version.answer == 1 else _UPDATES)[is_approved]
    request = VerifyArqc(
        network.issuer.mk_ac,
        profile.pan,
        profile.psn,
        profile.scheme,
        made.tags,
        made.cryptogram.value,
        response if asks else b"",
    )
    checked = network.issuer.desk.ask(request)
    if not asks or checked.code != OK:
        return Verified(checked.code, steps, b"", None, None), card
    issuer_data = checked.arpc + response
    is_content, card = card.check_arpc(issuer_data)
    last, card = card.finish(made.tags, is_approved)
    return Verified(checked.code, steps, issuer_data, is_content, last), card
