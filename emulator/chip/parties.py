"""The banks behind a test card: whose keys make it, and who checks what it sends.

Two networks exist. The published one has one key of each kind under the public test LMK, at an engine in this process.
A house's one is the house's own: its issuer, its switch and its acquirer, each with its own LMK and key table, read by
the key custodian (`hsm_sim.offline`). The commands are the same; only the names of the keys differ.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from emulator.chip.terminal import PinBlock, PinKey
from emulator.hsm.keyring import BLOCK_LMK, key_field
from emulator.topology import PARTIES
from hsm_sim.core import indexes
from hsm_sim.core.crypto.pinblocks import ISO_0, ISO_4
from hsm_sim.core.errors import OK, VERIFICATION_FAILED, HsmError
from hsm_sim.core.keys.header import Entropy, Header
from hsm_sim.core.roles import ACQUIRER, ISSUER, ROLES, SWITCH
from hsm_sim.core.slots import OPEN_PARTY, Party
from hsm_sim.offline import OfflineHsm, custodian_hsm, open_hsm
from hsm_sim.requests import Request
from hsm_sim.requests.pins import PinTranslated, TranslateDukptPin, TranslatePin, TranslateTerminalPin, VerifyPinPvv
from iso import ConfigError

PUBLISHED: Final = "published test keys"
HOUSE_PARTIES: Final = tuple(Party(name, name if name in ROLES else ISSUER) for name in PARTIES)
HOUSE_ISSUERS: Final = tuple(party.name for party in HOUSE_PARTIES if party.role == ISSUER)


class Coded(Protocol):
    """Every typed answer: its first field is its code."""

    @property
    def code(self) -> str:
        """str[2]."""


AnswerT = TypeVar("AnswerT", bound=Coded)


class Desk:
    """One party at its HSM.

    Parameters
    ----------
    hsm
        The engine.
    party
        As whom to speak.
    suffix
        What chooses the LMK: `%02`, or nothing for the party's own.
    """

    def __init__(self, hsm: OfflineHsm, party: str, suffix: bytes = b"") -> None:
        self.party = party
        self._hsm = hsm
        self._suffix = suffix

    def ask(self, request: Request[AnswerT]) -> AnswerT:
        """Send a request; return its answer.

        Raises
        ------
        HsmError
            Any code but "00" and "01".
        """
        answer = request.parse(self._hsm.exchange(self.party, request.encode() + self._suffix))
        if answer.code not in (OK, VERIFICATION_FAILED):
            raise HsmError(answer.code)
        return answer

    def enter(self, header: Header, material: bytes) -> str:
        """Enter a clear key; see `OfflineHsm.enter`."""
        return self._hsm.enter(self.party, header, material, "S")


class Issuer(NamedTuple):
    """The issuer's desk and the names of its keys."""

    desk: Desk
    cvk: str
    pvk: str
    mk_ac: str
    mk_smi: str
    mk_smc: str
    mk_cvc3: str
    zpk: str
    zpk_aes: str


class Acquirer(NamedTuple):
    """The acquirer's desk and the names of its keys; the zone PIN keys are those that lead on."""

    desk: Desk
    tpk: str
    bdk: str
    bdk_aes: str
    zpk: str
    zpk_aes: str


class Switch(NamedTuple):
    """The switch's desk and its zone PIN keys: as they come from the acquirer, as they go to the issuer."""

    desk: Desk
    zpk_in: str
    zpk_in_aes: str
    zpk_out: str
    zpk_out_aes: str


class PinStep(NamedTuple):
    """One station of a PIN on its way: who did what, and with which result code."""

    party: str
    deed: str
    code: str


class Network(NamedTuple):
    """Everybody behind a test card. Without a switch, acquirer and issuer share a zone PIN key.

    Attributes
    ----------
    name
        `PUBLISHED`, or the issuer of a house.
    """

    name: str
    issuer: Issuer
    acquirer: Acquirer
    switch: Switch | None

    def verify_pin(self, sealed: PinBlock, pan: str, pvki: str, pvv: str) -> list[PinStep]:
        """Send a PIN block the whole way: translated by the acquirer and the switch, verified by the issuer.

        Returns
        -------
        list[PinStep]
            The last one has the code "00" if the PIN is right, "01" if not.

        Raises
        ------
        HsmError
            A station refused the block.
        """
        is_aes = sealed.format == ISO_4
        acquirer, steps = self.acquirer, []
        zone = acquirer.zpk_aes if is_aes else acquirer.zpk
        form = sealed.format
        moved = acquirer.desk.ask(self._from_terminal(sealed, zone, pan))
        steps.append(PinStep(acquirer.desk.party, f"translated from {sealed.key.value}", moved.code))
        if self.switch is not None:
            switch = self.switch
            source = switch.zpk_in_aes if is_aes else switch.zpk_in
            target = switch.zpk_out_aes if is_aes else switch.zpk_out
            moved = switch.desk.ask(TranslatePin(source, target, moved.block, form, form, pan))
            steps.append(PinStep(switch.desk.party, "translated between zones", moved.code))
        issuer = self.issuer
        key = issuer.zpk_aes if is_aes else issuer.zpk
        checked = issuer.desk.ask(VerifyPinPvv(key, issuer.pvk, moved.block, form, pan, pvki, pvv))
        steps.append(PinStep(issuer.desk.party, "verified by PVV", checked.code))
        return steps

    def _from_terminal(self, sealed: PinBlock, zone: str, pan: str) -> Request[PinTranslated]:
        acquirer = self.acquirer
        if sealed.key is PinKey.TPK:
            return TranslateTerminalPin(acquirer.tpk, zone, sealed.block, ISO_0, ISO_0, pan)
        bdk = acquirer.bdk if sealed.key is PinKey.DUKPT else acquirer.bdk_aes
        form = sealed.format
        return TranslateDukptPin(bdk, zone, sealed.ksn, sealed.block, form, form, pan, sealed.descriptor)


def published_network(at: datetime, entropy: Entropy) -> Network:
    """Return the network of the published test keys."""
    desk = Desk(open_hsm(at, entropy), OPEN_PARTY, b"%" + BLOCK_LMK.encode("ascii"))
    zones = (key_field("zpk"), key_field("zpk-aes"))
    cvk, pvk, mk_ac, mk_smi, mk_smc, mk_cvc3 = (
        key_field(name) for name in ("cvk", "pvk", "mk-ac", "mk-smi", "mk-smc", "mk-cvc3")
    )
    issuer = Issuer(desk, cvk, pvk, mk_ac, mk_smi, mk_smc, mk_cvc3, *zones)
    acquirer = Acquirer(desk, key_field("tpk"), key_field("bdk"), key_field("bdk-aes"), *zones)
    return Network(PUBLISHED, issuer, acquirer, None)


def house_network(data_dir: Path, issuer: str, at: datetime, entropy: Entropy) -> Network:
    """Return the network of a house, with one of its issuers.

    Parameters
    ----------
    data_dir
        Of the house, with the master secret: this needs the key custodian's rights.
    issuer
        Its name in the topology.

    Raises
    ------
    ConfigError
        No such issuer, or the folder is not a house's.
    """
    if issuer not in HOUSE_ISSUERS:
        raise ConfigError("command line", "--issuer", issuer, f"must be one of {', '.join(HOUSE_ISSUERS)}")
    hsm = custodian_hsm(data_dir, HOUSE_PARTIES, at, entropy)
    number = HOUSE_ISSUERS.index(issuer)
    own = (indexes.CVK, indexes.PVK, indexes.MK_AC, indexes.MK_SMI, indexes.MK_SMC, indexes.MK_CVC3)
    return Network(
        issuer,
        Issuer(Desk(hsm, issuer), *own, *_zones(SWITCH)),
        Acquirer(Desk(hsm, ACQUIRER), indexes.TPK, indexes.BDK, indexes.BDK_AES, *_zones(SWITCH)),
        Switch(Desk(hsm, SWITCH), *_zones(ACQUIRER), *_zones(ISSUER, number)),
    )


def _zones(neighbour: str, number: int = 0) -> tuple[str, str]:
    return indexes.zpk(neighbour, number), indexes.zpk(neighbour, number, aes=True)
