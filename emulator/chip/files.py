"""A card and a terminal as files: JSON, readable by their owner only, replaced whole.

A card's counter and a terminal's DUKPT counter live here. Whoever shows a cryptogram or a PIN block to anybody first
keeps the file, as real devices do: a counter must never be used twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError

from emulator.chip.issuing import Issued, file_locator, records
from emulator.chip.softcard import Card, Keys, Memory, Pending, Profile
from emulator.chip.terminal import Terminal
from iso import ConfigError
from node.private_file import write_private
from node.settings import Section

_KEY = Field(pattern=r"^[0-9A-F]{32}$", repr=False)
_HEX = r"^([0-9A-F]{2})*$"


class _KeysSection(Section):
    cryptogram: str = _KEY
    integrity: str = _KEY
    confidentiality: str = _KEY
    dynamic: str = _KEY


class _PendingSection(Section):
    arqc: str = Field(pattern=r"^[0-9A-F]{16}$")
    unpredictable: str = Field(pattern=r"^[0-9A-F]{8}$")
    payment: str = Field(pattern=_HEX, repr=False)


class _MemorySection(Section):
    atc: int = Field(ge=0, le=0xFFFF)
    online_atc: int = Field(ge=0, le=0xFFFF)
    pin_tries: int = Field(ge=0, le=15)
    pending: _PendingSection | None = None


class _ChipSection(Section):
    scheme: Literal["visa", "mastercard"]
    aid: str = Field(pattern=_HEX)
    label: str
    psn: str = Field(pattern=r"^\d\d$")
    aip: str = Field(pattern=r"^[0-9A-F]{4}$")
    afl: str = Field(pattern=_HEX)
    iad: str = Field(pattern=_HEX, min_length=14)
    offline_max: int = Field(ge=0)
    track2: str = Field(repr=False)
    records: tuple[str, ...] = Field(default=(), repr=False)
    keys: _KeysSection
    memory: _MemorySection


class CardFile(Section):
    """One issued card. `network` says whose keys made it: the published test keys, or the issuer of a house."""

    format: Literal["cardrails-card/1"] = "cardrails-card/1"
    network: str
    data_dir: str = ""
    product: str
    pan: str = Field(pattern=r"^\d{13,19}$", repr=False)
    expiry: str = Field(pattern=r"^\d{4}$")
    name: str
    service_code: str = Field(pattern=r"^\d{3}$")
    cvv: str = Field(pattern=r"^\d{3}$", repr=False)
    cvv2: str = Field(pattern=r"^\d{3}$", repr=False)
    icvv: str = Field(pattern=r"^\d{3}$", repr=False)
    pin: str = Field(pattern=r"^(\d{4,12})?$", repr=False)
    pvki: str = Field(pattern=r"^[0-6]$")
    pvv: str = Field(pattern=r"^\d{4}$", repr=False)
    track1: str = Field(repr=False)
    track2: str = Field(repr=False)
    chip: _ChipSection | None = None

    def card(self) -> Card | None:
        """Return the chip; None if the card has none."""
        chip = self.chip
        if chip is None:
            return None
        profile = Profile(
            scheme=chip.scheme,
            aid=chip.aid,
            label=chip.label,
            pan=self.pan,
            psn=chip.psn,
            expiry=self.expiry,
            track2=chip.track2,
            service_code=self.service_code,
            aip=bytes.fromhex(chip.aip),
            issuer_data=bytes.fromhex(chip.iad),
            offline_max=chip.offline_max,
        )
        kept = chip.memory
        pending = None
        if kept.pending is not None:
            pending = Pending(bytes.fromhex(kept.pending.arqc), bytes.fromhex(kept.pending.unpredictable))
        memory = Memory(kept.atc, kept.online_atc, kept.pin_tries, pending)
        keys = Keys(*(bytes.fromhex(key) for key in chip.keys.model_dump().values()))
        return Card(profile, keys, self.pin, memory)

    @property
    def payment(self) -> bytes:
        """What the terminal said about the payment that waits for its answer (BER-TLV); empty if none does."""
        if self.chip is None or self.chip.memory.pending is None:
            return b""
        return bytes.fromhex(self.chip.memory.pending.payment)

    def after(self, card: Card, payment: bytes) -> CardFile:
        """Return the file with what the chip remembers now."""
        assert self.chip is not None, "the card has no chip"
        return self.model_copy(update={"chip": self.chip.model_copy(update={"memory": _memory(card, payment)})})


def card_file(issued: Issued, network: str, data_dir: str) -> CardFile:
    """Return an issued card as a file."""
    plain = {name: value for name, value in issued._asdict().items() if name != "card"}
    return CardFile(network=network, data_dir=data_dir, chip=_chip(issued), **plain)


def _chip(issued: Issued) -> _ChipSection | None:
    card = issued.card
    if card is None:
        return None
    profile = card.profile
    keys = {name: key.hex().upper() for name, key in card.keys._asdict().items()}
    return _ChipSection(
        scheme=profile.scheme,  # type: ignore[arg-type]  # one of the two, as the profile has it
        aid=profile.aid,
        label=profile.label,
        psn=profile.psn,
        aip=profile.aip.hex().upper(),
        afl=file_locator(),
        iad=profile.issuer_data.hex().upper(),
        offline_max=profile.offline_max,
        track2=profile.track2,
        records=tuple(records(issued)),
        keys=_KeysSection(**keys),
        memory=_memory(card, b""),
    )


def _memory(card: Card, payment: bytes) -> _MemorySection:
    memory, pending = card.memory, None
    if memory.pending is not None:
        arqc, unpredictable = memory.pending
        pending = _PendingSection(
            arqc=arqc.hex().upper(), unpredictable=unpredictable.hex().upper(), payment=payment.hex().upper()
        )
    return _MemorySection(atc=memory.atc, online_atc=memory.online_atc, pin_tries=memory.pin_tries, pending=pending)


class DeviceSection(Section):
    """A terminal as a device: its serial numbers and keys."""

    format: Literal["cardrails-terminal/1"] = "cardrails-terminal/1"
    data_dir: str = ""
    serial: str = Field(pattern=r"^[A-Z0-9]{8}$")
    country: str = Field(pattern=r"^\d{3}$")
    tpk: str = _KEY
    initial_key: str = _KEY
    ksn: str = Field(pattern=r"^[0-9A-F]{20}$")
    aes_initial_key: str = _KEY
    aes_ksn: str = Field(pattern=r"^[0-9A-F]{24}$")
    sequence: int = Field(ge=0)


S = TypeVar("S", bound=Section)


def read_card(path: Path) -> CardFile:
    """Read a card; `ConfigError` if the file is missing or wrong."""
    return read_section(path, CardFile, "--card")


def write_card(path: Path, card: CardFile) -> None:
    """Keep a card, durably; `ConfigError` if it cannot be written."""
    write_section(path, card, "--card")


def read_terminal(path: Path, data_dir: str) -> Terminal | None:
    """Read a terminal; None if there is no such file yet.

    Raises
    ------
    ConfigError
        The file is wrong, or the terminal belongs to another acquirer than the card's network has.
    """
    if not path.exists():
        return None
    kept = read_section(path, DeviceSection, "--terminal")
    if kept.data_dir != data_dir:
        rule = f"must be a terminal of the card's network ({data_dir or 'published test keys'})"
        raise ConfigError(path, "data_dir", kept.data_dir, rule)
    return device_of(kept)


def write_terminal(path: Path, terminal: Terminal, data_dir: str) -> None:
    """Keep a terminal, durably; `ConfigError` if it cannot be written."""
    write_section(path, device_section(terminal, data_dir), "--terminal")


def device_of(kept: DeviceSection) -> Terminal:
    """Return the device of a file."""
    return Terminal(
        kept.serial,
        kept.country,
        tpk=bytes.fromhex(kept.tpk),
        initial_key=bytes.fromhex(kept.initial_key),
        ksn=bytes.fromhex(kept.ksn),
        aes_initial_key=bytes.fromhex(kept.aes_initial_key),
        aes_ksn=bytes.fromhex(kept.aes_ksn),
        sequence=kept.sequence,
    )


def device_section(terminal: Terminal, data_dir: str) -> DeviceSection:
    """Return a device as it is kept."""
    return DeviceSection(
        data_dir=data_dir,
        serial=terminal.serial,
        country=terminal.country,
        tpk=terminal.tpk.hex().upper(),
        initial_key=terminal.initial_key.hex().upper(),
        ksn=terminal.ksn.hex().upper(),
        aes_initial_key=terminal.aes_initial_key.hex().upper(),
        aes_ksn=terminal.aes_ksn.hex().upper(),
        sequence=terminal.sequence,
    )


def read_section(path: Path, model: type[S], option: str) -> S:
    """Read a file of a kind; `ConfigError` without a value if it is missing or wrong."""
    problem: tuple[str, str, str]
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        problem = (option, str(path), f"must be a file that {option} can read: {error.strerror}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        problem = (key or "(file)", "hidden", first["msg"])
    raise ConfigError(path, *problem)


def write_section(path: Path, section: Section, option: str) -> None:
    """Write a file whole or not at all; `ConfigError` if it cannot be."""
    try:
        write_private(path, json.dumps(section.model_dump(mode="json"), indent=2) + "\n")
    except OSError as error:
        problem = error.strerror
    else:
        return
    raise ConfigError("command line", option, str(path), f"must be a file that can be written: {problem}")
