"""Format-preserving encryption."""

from __future__ import annotations

from typing import Any

import ffx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import ff1
from tests.support.vectors import vectors

KEYS = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
TWEAKS = st.binary(max_size=40)
RADIXES = st.sampled_from([2, 3, 8, 10, 16, 26, 36])
TEXTS = RADIXES.flatmap(
    lambda radix: st.tuples(st.just(radix), st.text(ff1.ALPHABET[:radix], min_size=20, max_size=60))
)


class TestKnownAnswers:
    """The samples of the standard come out, both ways."""

    @pytest.mark.parametrize("vector", vectors("ff1_encrypt"))
    def test_samples(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        key, tweak = bytes.fromhex(inputs["key"]), bytes.fromhex(inputs["tweak"])

        made = ff1.encrypt(key, tweak, inputs["plaintext"], inputs["radix"])

        assert made == vector["expected"]
        assert ff1.decrypt(key, tweak, made, inputs["radix"]) == inputs["plaintext"]


class TestAgainstLibffx:
    """An independent implementation gives the same text for every radix, length and tweak."""

    @given(KEYS, TWEAKS, TEXTS)
    def test_texts_are_equal(self, key: bytes, tweak: bytes, chosen: tuple[int, str]) -> None:
        radix, text = chosen

        assert ff1.encrypt(key, tweak, text, radix) == ffx.FF1(key, radix=radix).encrypt(text, tweak=tweak)

    @given(KEYS, TWEAKS, st.text("0123456789", min_size=2, max_size=9))
    def test_short_texts_are_equal(self, key: bytes, tweak: bytes, text: str) -> None:
        theirs = ffx.FF1(key, radix=10, allow_small_domain=True).encrypt(text, tweak=tweak)

        assert ff1.encrypt(key, tweak, text, minimum_domain=100) == theirs

    @given(KEYS, TWEAKS, st.text("".join(map(chr, range(0x100, 0x180))), min_size=3, max_size=12))
    def test_larger_alphabets_are_equal(self, key: bytes, tweak: bytes, text: str) -> None:
        alphabet = "".join(map(chr, range(0x100, 0x180)))
        theirs = ffx.FF1(key, alphabet=alphabet).encrypt(text, tweak=tweak)

        made = ff1.Ff1(key).encrypt_numerals(tweak, [alphabet.index(character) for character in text], 128)

        assert "".join(alphabet[numeral] for numeral in made) == theirs


class TestProperties:
    """What goes in comes back, and keeps its shape."""

    @given(KEYS, TWEAKS, TEXTS)
    def test_decryption_undoes_encryption(self, key: bytes, tweak: bytes, chosen: tuple[int, str]) -> None:
        radix, text = chosen
        cipher = ff1.Ff1(key)

        made = cipher.encrypt(tweak, text, radix)

        assert len(made) == len(text)
        assert set(made) <= set(ff1.ALPHABET[:radix])
        assert cipher.decrypt(tweak, made, radix) == text

    @given(KEYS, TWEAKS, st.lists(st.integers(0, 999), min_size=2, max_size=20))
    def test_numerals_come_back(self, key: bytes, tweak: bytes, numerals: list[int]) -> None:
        cipher = ff1.Ff1(key)

        assert cipher.decrypt_numerals(tweak, cipher.encrypt_numerals(tweak, numerals, 1000), 1000) == numerals

    def test_a_small_domain_is_a_permutation(self) -> None:
        cipher = ff1.Ff1(bytes(16))

        made = {cipher.encrypt(b"", f"{number:03}", minimum_domain=1000) for number in range(1000)}

        assert len(made) == 1000


class TestRefusals:
    """A domain that can be searched, and what is not a text of the radix, is refused without being shown."""

    def test_the_domain_must_be_a_million_unless_the_caller_says_otherwise(self) -> None:
        assert len(ff1.encrypt(bytes(16), b"", "123456")) == 6
        with pytest.raises(ValueError, match="too small"):
            ff1.encrypt(bytes(16), b"", "12345")
        assert len(ff1.encrypt(bytes(16), b"", "12345", minimum_domain=100_000)) == 5

    @pytest.mark.parametrize("text", ["12345a78", "1234_5678", " 12345678", "+12345678", "١٢٣٤٥٦٧٨", ""])
    def test_only_digits_of_the_radix_are_a_text(self, text: str) -> None:
        with pytest.raises(ValueError, match="radix") as refused:
            ff1.encrypt(bytes(16), b"", text)

        assert not text or text not in str(refused.value)

    @pytest.mark.parametrize("radix", [0, 1, 37])
    def test_the_radix_has_limits(self, radix: int) -> None:
        with pytest.raises(ValueError, match="radix"):
            ff1.encrypt(bytes(16), b"", "0000000", radix)

    def test_one_numeral_or_one_out_of_range_is_no_text(self) -> None:
        with pytest.raises(ValueError, match="too small"):
            ff1.Ff1(bytes(16)).encrypt_numerals(b"", [5], 1 << 16, minimum_domain=1)
        with pytest.raises(ValueError, match="radix"):
            ff1.Ff1(bytes(16)).encrypt_numerals(b"", [5, 10, 3, 3, 3, 3], 10)

    def test_the_cipher_forgets_shapes_and_stays_right(self) -> None:
        cipher = ff1.Ff1(bytes(16))

        made = [cipher.encrypt(bytes(length), "12345678") for length in range(600)]

        assert made == [ff1.encrypt(bytes(16), bytes(length), "12345678") for length in range(600)]
