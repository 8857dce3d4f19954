"""Key blocks: published ones open, ours open elsewhere, changed ones do not open."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys import tr31
from hsm_sim.core.keys.header import Header
from tests.hsm_sim.keys import psec_blocks
from tests.hsm_sim.keys.builders import FAMILIES, Carried, carried, exactly, protection
from tests.support.hsm import seeded, vectors

VERSIONS = st.sampled_from(sorted(FAMILIES))
CVK = Header("C0", "T", "C", "00", "E")
ZERO = bytes(32)


def refusal(version: str, block: str, key: bytes = ZERO) -> str:
    with pytest.raises(HsmError) as refused:
        protection(version, key[: FAMILIES[version][2][-1]]).unwrap(block)
    return refused.value.code


def made(version: str) -> str:
    blocks = (("KS", "00604B120F9292800000"),)
    protected = protection(version, ZERO[: FAMILIES[version][2][-1]])
    return protected.wrap(b"k" * 16, CVK, seeded(), blocks, version)


class TestKnownBlocks:
    """Blocks from the standards and from hardware devices open to their published keys."""

    @pytest.mark.parametrize("version", "ABCDE")
    def test_tr31(self, version: str) -> None:
        for vector in vectors(f"tr31_unwrap_{version}"):
            inputs = vector["inputs"]

            opened = protection(version, bytes.fromhex(inputs["kbpk"])).unwrap(inputs["block"])

            assert opened.material.hex().upper() == vector["expected"]

    def test_the_serial_number_of_a_base_derivation_key_comes_with_it(self) -> None:
        (inputs,) = (vector["inputs"] for vector in vectors("tr31_unwrap_C"))

        opened = tr31.Protection(bytes.fromhex(inputs["kbpk"]), "T").unwrap(inputs["block"])

        assert opened.header == Header("B0", "T", "X", "12", "S")
        assert opened.blocks == (("KS", "00604B120F9292800000"),)

    @pytest.mark.parametrize("version", "01")
    def test_thales(self, version: str) -> None:
        for vector in vectors(f"thales_keyblock_unwrap_v{version}"):
            inputs, expected = vector["inputs"], vector["expected"]

            opened = protection(version, bytes.fromhex(inputs["lmk"])).unwrap(inputs["block"][1:])

            assert opened.material.hex().upper() == (expected["key"] if isinstance(expected, dict) else expected)

    def test_an_iso_20038_block_is_made_byte_for_byte(self) -> None:
        # Without padding there is nothing random in it, so that the whole published block comes back.
        (vector,) = vectors("tr31_unwrap_E")
        inputs, key = vector["inputs"], bytes.fromhex(vector["expected"])

        block = tr31.Protection(bytes.fromhex(inputs["kbpk"])).wrap(
            key, Header("B0", "T", "V", "16", "N"), seeded(), version="E"
        )

        assert block == inputs["block"]


class TestAgainstPsec:
    """Blocks cross between this implementation and an independent one, both ways, with optional blocks."""

    @given(st.sampled_from("ABCD"), carried(longest=300), st.data())
    def test_psec_opens_ours_and_we_open_theirs(self, version: str, what: Carried, data: st.DataObject) -> None:
        key = data.draw(exactly(*FAMILIES[version][2]))
        ours = protection(version, key)

        block = ours.wrap(what.material, what.header, seeded(), what.blocks, version)

        assert psec_blocks.unwrap(key, block) == tuple(what)
        assert tuple(ours.unwrap(psec_blocks.wrap(key, version, what.header, what.material, what.blocks))) == what

    @given(st.sampled_from("AC"), carried("TD"), exactly(8))
    def test_single_length_protection_keys_of_old_peers(self, version: str, what: Carried, key: bytes) -> None:
        ours = tr31.Protection(key, "D")

        block = ours.wrap(what.material, what.header, seeded(), what.blocks, version)

        assert psec_blocks.unwrap(key, block) == tuple(what)


class TestRoundTrip:
    """What goes into a block comes out of it: header, key, and every optional block as it was."""

    @given(VERSIONS, carried(), st.booleans(), st.data())
    def test_of_every_version(self, version: str, what: Carried, hide: bool, data: st.DataObject) -> None:
        blocks = protection(version, data.draw(exactly(*FAMILIES[version][2])))

        block = blocks.wrap(what.material, what.header, seeded(), what.blocks, version, hide)

        assert int(block[1:5]) == len(block)
        assert tuple(blocks.unwrap(block)) == tuple(what)

    @pytest.mark.parametrize("version", sorted(FAMILIES))
    def test_the_length_of_a_hiding_block_does_not_tell_the_length_of_its_key(self, version: str) -> None:
        blocks, header = protection(version, bytes(FAMILIES[version][2][0])), Header("D0", "A", "B")

        short = blocks.wrap(b"k" * 16, header, seeded(), version=version, hide=True)
        long = blocks.wrap(b"k" * 32, header, seeded(), version=version, hide=True)

        assert len(short) == len(long)

    def test_version_d_hides_the_length_unasked(self) -> None:
        blocks = tr31.Protection(ZERO)

        assert len(blocks.wrap(b"k" * 16, CVK, seeded())) == len(blocks.wrap(b"k" * 24, CVK, seeded()))

    @pytest.mark.parametrize(
        "header",
        [
            Header("402", "T", "N"),
            Header("C?", "T", "C"),
            Header("C0", "Z", "C"),
            Header("C0", "T", "c"),
            Header("C0", "T", "C", "0"),
            Header("C0", "T", "C", "00", "X"),
        ],
    )
    def test_a_header_that_has_no_place_in_a_block_is_refused(self, header: Header) -> None:
        with pytest.raises(HsmError) as refused:
            tr31.Protection(ZERO).wrap(b"k" * 16, header, seeded())

        assert refused.value.code == "83"

    def test_a_block_cannot_be_longer_than_its_length_field(self) -> None:
        with pytest.raises(HsmError) as refused:
            tr31.Protection(ZERO).wrap(b"k" * 16, CVK, seeded(), (("TT", "x" * 9999),))

        assert refused.value.code == "83"

    def test_a_version_of_another_algorithm_is_not_made(self) -> None:
        with pytest.raises(HsmError) as refused:
            tr31.Protection(ZERO).wrap(b"k" * 16, CVK, seeded(), version="B")

        assert refused.value.code == "26"


class TestForgery:
    """A block opens only whole, unchanged, and under the key that wrapped it."""

    @given(VERSIONS, st.integers(0, 400), st.characters(max_codepoint=0xFF))
    @example("D", 20, "a")
    def test_no_character_can_be_changed(self, version: str, at: int, by: str) -> None:
        block = made(version)
        at %= len(block)
        changed = block[:at] + by + block[at + 1 :]

        if changed != block:
            assert refusal(version, changed) in ("83", "A4")

    @given(VERSIONS, st.integers(1, 40))
    def test_no_character_can_be_cut_off_or_added(self, version: str, count: int) -> None:
        block = made(version)

        assert refusal(version, block[:-count]) == "83"
        assert refusal(version, block + "0" * count) == "83"

    @pytest.mark.parametrize("version", sorted(FAMILIES))
    def test_another_key_does_not_open_it(self, version: str) -> None:
        assert refusal(version, made(version), b"\x02" * 32) == "A4"

    @given(VERSIONS, st.text(max_size=200))
    def test_any_text_is_refused(self, version: str, text: str) -> None:
        assert refusal(version, text) in ("83", "A4")

    @given(VERSIONS, st.text("0123456789ABCDEF", max_size=200))
    def test_any_text_behind_a_good_header_is_refused(self, version: str, text: str) -> None:
        block = f"{version}{16 + len(text):04d}C0TC00E0300{text}"

        assert refusal(version, block) in ("83", "A4")

    def test_an_error_shows_nothing_of_the_block(self) -> None:
        block = made("D")

        with pytest.raises(HsmError) as refused:
            tr31.Protection(b"\x02" * 32).unwrap(block)

        assert block[20:40] not in str(refused.value)
        assert refused.value.__cause__ is None
        assert refused.value.__context__ is None

    def test_nothing_that_holds_a_key_shows_it(self) -> None:
        blocks = tr31.Protection(b"secret-protector" * 2)

        shown = f"{blocks!r} {blocks.unwrap(blocks.wrap(b'secret-key-bytes', CVK, seeded()))!r}"

        assert "secret" not in shown
