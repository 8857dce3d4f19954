"""TR-31 key blocks: published ones open, ours open elsewhere, changed ones do not open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.errors import HsmError
from hsm_sim.core.keyblock import Header, Protection
from tests.hsm_sim import oracles
from tests.support.hsm import seeded, vectors

PROTECTION = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
CARRIED = st.sampled_from([("T", 16), ("T", 24), ("A", 16), ("A", 32), ("H", 32)])


class TestKnownBlocks:
    """Blocks from the standard and from a hardware device open to their published keys."""

    @pytest.mark.parametrize("vector", vectors("tr31_unwrap_D"))
    def test_it_opens(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]

        _, key = Protection(bytes.fromhex(inputs["kbpk"])).unwrap(inputs["block"])

        assert key.hex().upper() == vector["expected"]


class TestAgainstPsec:
    """Blocks cross between this implementation and an independent one, both ways."""

    @given(PROTECTION, CARRIED, st.data())
    def test_psec_opens_ours_and_we_open_theirs(
        self, protection: bytes, carried: tuple[str, int], data: st.DataObject
    ) -> None:
        algorithm, length = carried
        key = data.draw(st.binary(min_size=length, max_size=length))
        header = Header("M6", algorithm, "C", "00", "E")
        text = f"M6{algorithm}C00E"

        ours = Protection(protection).wrap(key, header, seeded())

        assert oracles.unwrap(protection, ours) == (text, key)
        assert Protection(protection).unwrap(oracles.wrap(protection, text, key)) == (header, key)


class TestForgery:
    """A block opens only whole, unchanged, and under the key that wrapped it."""

    @given(st.integers(0, 143), st.integers(1, 255))
    def test_no_character_can_be_changed(self, at: int, by: int) -> None:
        protection = Protection(bytes(32))
        block = protection.wrap(b"k" * 16, Header("C0", "T", "C"), seeded())
        at %= len(block)
        changed = block[:at] + chr(ord(block[at]) ^ by) + block[at + 1 :]
        if changed.upper() == block:
            return

        with pytest.raises(HsmError) as refused:
            protection.unwrap(changed)

        assert refused.value.code in ("83", "A4")

    def test_another_key_does_not_open_it(self) -> None:
        block = Protection(bytes(32)).wrap(b"k" * 16, Header("C0", "T", "C"), seeded())

        with pytest.raises(HsmError) as refused:
            Protection(b"\x01" * 32).unwrap(block)

        assert refused.value.code == "A4"

    @given(st.text(max_size=200))
    def test_any_text_is_refused(self, text: str) -> None:
        with pytest.raises(HsmError):
            Protection(bytes(32)).unwrap(text)

    def test_the_length_of_a_block_does_not_tell_the_length_of_its_key(self) -> None:
        protection, entropy = Protection(bytes(32)), seeded()

        short = protection.wrap(b"k" * 16, Header("D0", "A", "B"), entropy)
        long = protection.wrap(b"k" * 32, Header("D0", "A", "B"), entropy)

        assert len(short) == len(long)
