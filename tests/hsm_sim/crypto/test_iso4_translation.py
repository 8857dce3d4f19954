"""PIN blocks of ISO format 4 from one AES key to another: for the same account the field itself goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto.ciphers import Aes, xor
from hsm_sim.core.crypto.pinblocks import ISO_4
from hsm_sim.core.crypto.translation import decipher_pin, translate_pin
from hsm_sim.core.errors import HsmError
from tests.support.hsm import seeded

T = TypeVar("T")

PINS = st.text("0123456789", min_size=4, max_size=12)
PANS = st.text("0123456789", min_size=1, max_size=19)
KEYS = st.binary(min_size=16, max_size=16)
PAN = "4111111111111111"


class TestFormat4:
    """The PIN arrives, the random bytes do not, and what is refused is what reading the block refuses."""

    @given(PINS, PANS, KEYS, KEYS, st.booleans())
    def test_the_pin_arrives(self, pin: str, pan: str, source: bytes, destination: bytes, same_pan: bool) -> None:
        other = pan if same_pan else "5" + pan[1:]
        block = psec.pinblock.encipher_pinblock_iso_4(source, pin, pan)

        length, translated = translate_pin(
            Aes(source), Aes(destination), block, ISO_4, ISO_4, pan, other, seeded("fill")
        )

        assert length == len(pin)
        assert psec.pinblock.decipher_pinblock_iso_4(destination, translated, other) == pin

    def test_random_bytes_are_drawn_anew(self) -> None:
        cipher = Aes(bytes(16))
        block = psec.pinblock.encipher_pinblock_iso_4(bytes(16), "1234", PAN)

        translated = {
            translate_pin(cipher, cipher, block, ISO_4, ISO_4, PAN, PAN, seeded(seed))[1] for seed in ("a", "b")
        }

        assert len(translated | {block}) == 3

    @given(PINS, st.integers(0, 15), st.sampled_from("0123456789abcdef"))
    def test_a_field_that_cannot_be_read_does_not_go_on(self, pin: str, place: int, digit: str) -> None:
        digits = f"4{len(pin):x}{pin}".ljust(16, "a")
        cipher, field = Aes(bytes(16)), bytes.fromhex(digits[:place] + digit + digits[place + 1 :]) + bytes(8)
        block = cipher.encrypt(xor(cipher.encrypt(field), bytes.fromhex("4" + PAN + "0" * 15)))

        read = outcome(lambda: decipher_pin(cipher, ISO_4, block, PAN))
        gone_on = outcome(lambda: translate_pin(cipher, cipher, block, ISO_4, ISO_4, PAN, PAN, seeded())[1])

        assert read == (gone_on if isinstance(gone_on, str) else decipher_pin(cipher, ISO_4, gone_on, PAN))

    @pytest.mark.parametrize(("block", "pan", "code"), [(bytes(8), PAN, "20"), (bytes(16), "", "22")])
    def test_a_wrong_length_and_a_wrong_pan(self, block: bytes, pan: str, code: str) -> None:
        with pytest.raises(HsmError) as refused:
            translate_pin(Aes(bytes(16)), Aes(bytes(16)), block, ISO_4, ISO_4, pan, pan, seeded())

        assert refused.value.code == code


def outcome(act: Callable[[], T]) -> T | str:
    """Return what was made, or the code of the refusal."""
    try:
        return act()
    except HsmError as refused:
        return refused.code
