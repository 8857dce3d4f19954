"""Message authentication codes, whole and in parts."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import macs
from hsm_sim.core.crypto.ciphers import Aes, CardKey, Tdes, odd_parity, pad
from hsm_sim.core.crypto.digests import digest
from tests.hsm_sim import oracles
from tests.support.vectors import vectors

KEYS = st.binary(min_size=16, max_size=16)
MESSAGES = st.binary(max_size=200)
VECTORS = st.binary(min_size=8, max_size=8)


def data_of(vector: dict[str, Any]) -> bytes:
    inputs = vector["inputs"]
    return inputs["data_ascii"].encode("ascii") if "data_ascii" in inputs else bytes.fromhex(inputs["data"])


def key_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["inputs"]["key"])


def whole_blocks(data: bytes, size: int, cut: int) -> tuple[bytes, bytes]:
    place = min(cut, len(data) // size) * size
    return data[:place], data[place:]


class TestKnownAnswers:
    """Every published MAC comes out the same."""

    @pytest.mark.parametrize(
        ("operation", "padding"),
        [("mac_iso9797_alg3_pad1", "1"), ("mac_iso9797_alg3_pad2", "2"), ("mac_x919_retail", "1")],
    )
    def test_retail_mac(self, operation: str, padding: str) -> None:
        for vector in vectors(operation):
            made = macs.mac_algorithm_3(CardKey(key_of(vector)), pad(data_of(vector), padding))

            assert made.hex().upper().startswith(vector["expected"])

    def test_x9_19(self) -> None:
        (vector,) = vectors("mac_x919_retail")

        assert macs.mac_x9_19(CardKey(key_of(vector)), data_of(vector)).hex().upper() == vector["expected"]

    def test_cbc_mac(self) -> None:
        (vector,) = vectors("mac_iso9797_alg1_tdes_pad2")

        made = macs.mac_algorithm_1(Tdes(key_of(vector)), pad(data_of(vector), "2"))

        assert made.hex().upper().startswith(vector["expected"])

    @pytest.mark.parametrize(
        ("operation", "keyed"), [("cmac_aes", macs.keyed_cmac), ("cmac_tdes", macs.keyed_cmac_tdes)]
    )
    def test_cmac(self, operation: str, keyed: Any) -> None:
        for vector in vectors(operation):
            made = macs.cmac(keyed(key_of(vector)), data_of(vector))

            assert made.hex().upper().startswith(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("hash_GM"))
    def test_hash(self, vector: dict[str, Any]) -> None:
        made = digest(vector["inputs"]["hash_id"], data_of(vector))

        assert made.hex().upper() == vector["expected"]


class TestAgainstPsec:
    """An independent implementation gives the same MACs and paddings."""

    @given(KEYS, MESSAGES, st.sampled_from([1, 2, 3]))
    def test_macs_are_equal(self, key: bytes, data: bytes, padding: int) -> None:
        padded = pad(data, str(padding))

        assert macs.mac_algorithm_3(CardKey(key), padded) == oracles.retail_mac(key, data, padding)
        assert macs.mac_algorithm_1(Tdes(key), padded) == oracles.cbc_mac(key, data, padding)

    @given(MESSAGES, st.sampled_from([8, 16]))
    def test_paddings_are_equal(self, data: bytes, block: int) -> None:
        assert pad(data, "1", block) == psec.mac.pad_iso_1(data, block)
        assert pad(data, "2", block) == psec.mac.pad_iso_2(data, block)
        assert pad(data, "3", block) == psec.mac.pad_iso_3(data, block)
        assert pad(data, "0", block) == data

    @given(st.binary(min_size=8, max_size=8), MESSAGES)
    def test_x9_9_is_the_left_half_of_a_single_length_cbc_mac(self, key: bytes, data: bytes) -> None:
        assert macs.mac_x9_9(Tdes(key), data) == oracles.cbc_mac(key, data, 1)[:4]


class TestParts:
    """A MAC made in parts is the MAC of the whole message, however it is cut at whole blocks."""

    @given(KEYS, MESSAGES, st.integers(0, 30))
    def test_algorithm_1(self, key: bytes, data: bytes, cut: int) -> None:
        head, tail = whole_blocks(pad(data, "2"), 8, cut)

        state = macs.mac_algorithm_1(Tdes(key), head)

        assert macs.mac_algorithm_1(Tdes(key), tail, state) == macs.mac_algorithm_1(Tdes(key), head + tail)

    @given(KEYS, MESSAGES, st.integers(0, 30))
    def test_algorithm_3(self, key: bytes, data: bytes, cut: int) -> None:
        head, tail = whole_blocks(data, 8, cut)

        state = macs.chain_algorithm_3(CardKey(key), head)

        assert macs.mac_algorithm_3(CardKey(key), pad(tail, "2"), state) == macs.mac_algorithm_3(
            CardKey(key), pad(data, "2")
        )

    @given(KEYS, st.binary(min_size=1, max_size=200), st.integers(0, 30))
    def test_cmac(self, key: bytes, data: bytes, cut: int) -> None:
        for cipher, size, whole in (
            (Tdes(key), 8, macs.cmac(macs.keyed_cmac_tdes(key), data)),
            (Aes(key), 16, macs.cmac(macs.keyed_cmac(key), data)),
        ):
            chained = macs.ChainedCmac(cipher)
            place = min(cut, (len(data) - 1) // size) * size
            state = chained.extend(data[:place], bytes(size)) if place else bytes(size)

            assert chained.finish(data[place:], state) == whole

    @given(KEYS, st.lists(st.tuples(st.integers(0, 5), VECTORS), max_size=6))
    def test_one_message_leaves_nothing_behind_for_the_next(
        self, key: bytes, messages: list[tuple[int, bytes]]
    ) -> None:
        kept = Tdes(key)

        for blocks, vector in messages:
            data = vector * blocks
            fresh = Tdes(key).encrypt_cbc(data, vector)[-8:] if data else vector
            assert kept.chain(data, vector) == fresh

    @pytest.mark.parametrize("length", [1, 7, 9, 15])
    def test_broken_blocks_are_refused_and_spoil_nothing(self, length: int) -> None:
        key, card = Tdes(bytes(range(16))), CardKey(bytes(range(16)))
        before = key.chain(bytes(16)), key.encrypt(bytes(8)), key.decrypt(bytes(8))

        for refused in (key.chain, key.encrypt, key.decrypt, lambda data: macs.mac_algorithm_3(card, data)):
            with pytest.raises(ValueError, match="whole blocks"):
                refused(bytes(length))

        assert (key.chain(bytes(16)), key.encrypt(bytes(8)), key.decrypt(bytes(8))) == before

    def test_a_part_that_is_not_whole_blocks_cannot_be_continued(self) -> None:
        chained = macs.ChainedCmac(Aes(bytes(16)))

        for data in (b"", bytes(15), bytes(17)):
            with pytest.raises(ValueError, match="whole blocks"):
                chained.extend(data, bytes(16))


class TestHmacAndHashes:
    """HMACs and hashes go by name; unknown names are refused."""

    @given(MESSAGES, MESSAGES)
    def test_hmac_is_the_library_s(self, key: bytes, data: bytes) -> None:
        assert macs.hmac_of(key, data) == hmac.digest(key, data, hashlib.sha256)
        assert [len(macs.hmac_of(key, data, name)) for name in macs.HMAC_DIGESTS] == [20, 28, 32, 48, 64]

    def test_hashes_have_their_lengths(self) -> None:
        lengths = [len(digest(number, b"abc")) for number in ("01", "02", "05", "06", "07", "08")]

        assert lengths == [20, 16, 28, 32, 48, 64]

    def test_unknown_names_are_refused(self) -> None:
        with pytest.raises(ValueError, match="hash"):
            digest("03", b"")
        with pytest.raises(ValueError, match="digest"):
            macs.hmac_of(b"", b"", "MD5")


class TestParity:
    """TDES keys have odd parity in every byte."""

    @given(st.binary(min_size=16, max_size=16))
    def test_every_byte_has_an_odd_number_of_ones_and_its_upper_bits_stay(self, key: bytes) -> None:
        adjusted = odd_parity(key)

        assert all(byte.bit_count() % 2 == 1 for byte in adjusted)
        assert [byte >> 1 for byte in adjusted] == [byte >> 1 for byte in key]
