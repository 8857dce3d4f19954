"""Frames drawn from the table of commands: most of them well-formed, with keys that fit, so that they reach far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Final

from hsm_sim.config import FRAME_BYTES_MAX
from hsm_sim.core.commands.fields import (
    HEX,
    Block,
    Choice,
    Counted,
    Delimited,
    Digits,
    Field,
    Fixed,
    Raw,
    Value,
    Values,
)
from hsm_sim.core.commands.groups import GROUPS, Literal, Marked, Part, When, fields_of
from hsm_sim.core.commands.keyfields import KeyField, KeyUse
from hsm_sim.core.commands.row import Command
from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.types import TYPES
from hsm_sim.core.roles import OPEN
from hsm_sim.core.slots import Slot
from tests.hsm_sim.commands.opened import AES_BLOCK, TDES_BLOCK, VARIANT, block_key, variant_key
from tests.support.hsm import PAN

BEHIND_BLOCK: Final = 64
"""Bytes that the fields behind a longest block may still have."""

MATERIAL: Final = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
USUAL: Final[dict[str, Sequence[str]]] = {
    "format": ("01", "03", "04", "05", "47", "48"),
    "source_format": ("01", "03", "47", "48"),
    "destination_format": ("01", "03", "47", "48"),
    "key_type": ("FFF", "001", "002", "003", "008", "009", "00A", "402"),
    "ksn_descriptor": ("609", "A05", "80B"),
    "expiry": ("3012",),
    "pan": (PAN,),
    "check": ("04", "06"),
    "check_digits": ("04", "06"),
    "count": ("02", "03", "2", "3"),
    "currency": ("840",),
    "requestor": ("acct_1",),
    "validation": ("50103093936N",),
    "sealed": ("01" + "00" * 32,),
    "channels": ("", "ecommerce"),
    "currencies": ("", "840"),
    "amount_max": ("", "4200"),
    "token_expiry": ("", "3012"),
    "merchant_initiated": ("0", "1"),
}
"""Values of which most others would only be refused."""


class Drawing:
    """Draws frames for one slot.

    Parameters
    ----------
    random
        Where chance comes from: the same state gives the same frames.
    slot
        The slot of the party that would send them.
    tokens
        Tokens that are stored.
    """

    def __init__(self, random: Random, slot: Slot, tokens: Sequence[str] = ()) -> None:
        self._random = random
        self._slot = slot
        self._usual = {**USUAL, "token": tuple(tokens)}
        self._lmk = VARIANT
        self._longest: Block | None = None
        self._has_longest = False

    def command(self, row: Command) -> bytes:
        """Draw a command with all that may follow it; one in four is damaged."""
        data = self._begun(row)
        for option in row.options:
            if self._random.random() < 0.3:
                self._parts((option,), data, {})
        if self._random.random() < 0.25:
            at = self._random.randrange(2, len(data) + 1)
            data[at : at + self._random.randrange(3)] = self._random.choice(
                (b"", b";", b"%", b"0", b"F", b"\x00", b"S")
            )
        return bytes(data)

    def longest(self, row: Command, block: Block) -> bytes | None:
        """Draw a command whose block is as long as a frame lets it; None if this time the block is not in it."""
        self._longest, self._has_longest = block, False
        data = self._begun(row)
        self._longest = None
        return bytes(data) if self._has_longest else None

    def _begun(self, row: Command) -> bytearray:
        self._lmk = self._random.choice((VARIANT, TDES_BLOCK, AES_BLOCK))
        data = bytearray(row.raw_code)
        with suppress(HsmError):  # what was drawn so far is refused already
            self._parts(row.fields, data, {})
        if self._slot.party.role == OPEN:
            data += b"%" + self._lmk.encode()
        return data

    def _parts(self, parts: Sequence[Part], data: bytearray, values: dict[str, Value]) -> None:
        for part in parts:
            if isinstance(part, Literal | Marked):
                data += part.mark
            if type(part) is not When and isinstance(part, When):
                self._fitting(data, values, part.parse)
            elif isinstance(part, GROUPS):
                if not isinstance(part, When) or part.applies(values):
                    self._parts(part.parts, data, values)
            else:
                self._field(part, data, values)

    def _field(self, field: Field, data: bytearray, values: dict[str, Value]) -> None:
        def read(whole: bytes, at: int, known: dict[str, Value]) -> int:
            known[field.name], end = field.read(whole, at, known)
            return end

        drawn = self._content(field, values, FRAME_BYTES_MAX - len(data) - BEHIND_BLOCK)
        if drawn is None:
            self._fitting(data, values, read)
            return
        at = len(data)
        data += drawn
        try:
            read(bytes(data), at, values)
        except HsmError:  # what stands behind it is missing yet
            values[field.name] = drawn.decode("latin-1")

    def _fitting(
        self, data: bytearray, values: dict[str, Value], read: Callable[[bytes, int, dict[str, Value]], int]
    ) -> None:
        """Add something that reads as a whole, or anything if nothing does."""
        candidates = [b"", b"0", b"*", b"04", b"1234F", *(self._digits(n) for n in (5, 12, 18)), PAN.encode() + b";"]
        candidates += [self._hex(n) for n in (8, 16, 32)] + [b"FFFF9876543210E00001", b"0123456789012345"]
        self._random.shuffle(candidates)
        for candidate in candidates:
            try:
                whole = bytes(data) + candidate
                if read(whole, len(data), values) == len(whole):
                    break
            except HsmError:
                continue
        data += candidate

    def _content(self, field: Field, values: Values, room: int) -> bytes | None:
        """Draw a field; None if its kind is for `_fitting`."""
        usual = self._usual.get(field.name)
        text = self._random.choice(usual) if usual and self._random.random() < 0.8 else None
        if isinstance(field, KeyField):
            return self._key(field.use_for(values), values).encode()
        if isinstance(field, Choice):
            return self._random.choice(field.options).encode()
        if isinstance(field, Fixed):
            return text.encode() if text else bytes(self._random.choices(sorted(field.alphabet), k=field.length))
        if isinstance(field, Delimited):
            return (self._random.choice(("", PAN, "12")) if text is None else text).encode() + b";"
        if isinstance(field, Counted):
            return field.write(self._random.choice(("", "M1", "lost", "é", "FFFF")) if text is None else text, values)
        if isinstance(field, Raw):
            return self._random.randbytes(field.length)
        if isinstance(field, Digits):
            return bytes(self._random.choices(sorted(field.alphabet), k=field.length(values)))
        return self._block(field, values, room) if isinstance(field, Block) else None

    def _block(self, field: Block, values: Values, room: int) -> bytes:
        longest = max(0, min(field.base**field.digits - 1, room))
        if field.in_hex is not None and field.in_hex(values):
            longest //= 2
        if field is not self._longest:
            return field.write(self._random.randbytes(min(self._random.choice((0, 1, 8, 16, 32)), longest)), values)
        self._has_longest = True
        # Zeros are the most messages that a batch can have; whole blocks, where there is room for any.
        return field.write(bytes(longest - longest % 16 or longest), values)

    def _key(self, use: KeyUse | None, values: Values) -> str:
        if self._slot.party.role != OPEN:
            fit = [place for place, key in self._slot.keys.items() if use is not None and _permits(key, use)]
            return self._random.choice(fit or [*self._slot.keys, "KFFF"])
        usages = use.usages if use is not None else (str(values.get("key_type", "001")), "P0")
        types = [usage for usage in usages if usage in TYPES]
        if self._lmk == VARIANT:
            return variant_key(types[0] if types else "001", MATERIAL)
        algorithm = self._random.choice("TA") if self._lmk == AES_BLOCK else "T"
        usage = self._random.choice([usage for usage in usages if len(usage) == 2] or ["P0"])
        return block_key(usage, MATERIAL, algorithm, use.mode if use is not None and use.mode else "N", self._lmk)

    def _digits(self, count: int) -> bytes:
        return bytes(self._random.choices(b"0123456789", k=count))

    def _hex(self, count: int) -> bytes:
        return bytes(self._random.choices(sorted(HEX), k=count))


def blocks_of(row: Command) -> list[Block]:
    """Return the block fields of a command."""
    return [field for field in fields_of(row.fields) if isinstance(field, Block)]


def _permits(key: Key, use: KeyUse) -> bool:
    try:
        key.permit(use.usages, use.mode)
    except HsmError:
        return False
    return True
