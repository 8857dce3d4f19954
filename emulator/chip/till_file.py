"""A till as a file: the device with its keys, and what the terminal remembers; readable by its owner only.

It is written before anything leaves the terminal. No card number, PIN or track is in it: a stored sale names the card's
own file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from emulator.chip.files import DeviceSection, device_of, device_section, read_section, write_section
from emulator.chip.terminal import PinKey, Terminal
from emulator.chip.till import Counts, Duty, Sale, Till, message_json
from iso import Message
from node.settings import Section


class _MessageSection(Section):
    mti: str = Field(pattern=r"^\d{4}$")
    fields: dict[int, str]


class _DutySection(Section):
    message: _MessageSection
    card: str = ""
    attempts: int = Field(default=0, ge=0)
    last4: str = ""


class _TillFile(Section):
    format: Literal["cardrails-till/1"] = "cardrails-till/1"
    identifier: str = Field(min_length=1, max_length=8)
    merchant: str = Field(min_length=1, max_length=15)
    pin_key: Literal["", "tpk", "dukpt", "dukpt-aes"] = ""
    device: DeviceSection | None = None
    stan: int = Field(default=0, ge=0, le=999_999)
    batch: int = Field(default=1, ge=1)
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    sales: tuple[dict[str, Any], ...] = ()
    duties: tuple[_DutySection, ...] = ()


class Kept:
    """A till and where it is kept.

    Attributes
    ----------
    device
        Its keys; None for a terminal that never enciphers a PIN and reads no chip.
    pin_key
        Under what it enciphers PINs, as the acquirer knows it; None for a terminal without a PIN key.
    """

    def __init__(self, path: Path, till: Till, device: Terminal | None, pin_key: PinKey | None, folder: str) -> None:
        self.path = path
        self.till = till
        self.device = device
        self.pin_key = pin_key
        self._folder = folder

    def write(self) -> None:
        """Keep it, durably; `ConfigError` if it cannot be written."""
        till = self.till
        kept = _TillFile(
            identifier=till.identifier,
            merchant=till.merchant,
            pin_key=self.pin_key.value if self.pin_key is not None else "",
            device=None if self.device is None else device_section(self.device, self._folder),
            stan=till.stan,
            batch=till.batch,
            counts={code: counts._asdict() for code, counts in till.counts.items()},
            sales=tuple(sale._asdict() for sale in till.sales),
            duties=tuple(
                _DutySection(
                    message=_MessageSection.model_validate(message_json(duty.message)),
                    card=duty.card,
                    attempts=duty.attempts,
                    last4=duty.last4,
                )
                for duty in till.duties
            ),
        )
        write_section(self.path, kept, "--file")


def read_till(path: Path) -> Kept | None:
    """Read a till; None if there is no such file yet, `ConfigError` if it is wrong."""
    if not path.exists():
        return None
    kept = read_section(path, _TillFile, "--file")
    till = Till(
        kept.identifier,
        kept.merchant,
        kept.stan,
        kept.batch,
        {code: Counts(**counts) for code, counts in kept.counts.items()},
        tuple(Sale(**sale) for sale in kept.sales),
        tuple(
            Duty(Message(duty.message.mti, duty.message.fields), duty.card, duty.attempts, duty.last4)
            for duty in kept.duties
        ),
    )
    device = None if kept.device is None else device_of(kept.device)
    folder = "" if kept.device is None else kept.device.data_dir
    return Kept(path, till, device, PinKey(kept.pin_key) if kept.pin_key else None, folder)
