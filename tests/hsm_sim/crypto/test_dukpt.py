"""DUKPT: published answers, pydukpt and a naive derivation as oracles, and the serial number's rules."""

from __future__ import annotations

from typing import Any

import pydukpt
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes
from hsm_sim.core.crypto.ciphers import CardKey, Tdes, xor
from hsm_sim.core.crypto.dukpt_aes import AesDukpt
from hsm_sim.core.crypto.dukpt_tdes import DATA_REQUEST, DATA_RESPONSE, MAC_REQUEST, MAC_RESPONSE, PIN, TdesDukpt
from hsm_sim.core.crypto.ksn import counter_valid, ksn_field_length, ksn_length, next_ksn, read_ksn
from hsm_sim.core.crypto.macs import mac_algorithm_3
from tests.hsm_sim.crypto.test_pinblocks import KEYS, code_of, hexed
from tests.support.hsm import vectors

BDK = hexed("0123456789ABCDEFFEDCBA9876543210")
AES_BDK = hexed("FEDCBA9876543210F1F1F1F1F1F1F1F1")
IKID = hexed("1234567890123456")
TDES_COUNTERS = st.sets(st.integers(0, 20), max_size=10).map(lambda bits: sum(1 << bit for bit in bits))
AES_COUNTERS = st.sets(st.integers(0, 31), max_size=16).map(lambda bits: sum(1 << bit for bit in bits))
DEVICES = st.binary(min_size=8, max_size=8)
ORACLE = {
    PIN: pydukpt.pin_key,
    MAC_REQUEST: pydukpt.mac_request_key,
    MAC_RESPONSE: pydukpt.mac_response_key,
    DATA_REQUEST: pydukpt.data_request_key,
    DATA_RESPONSE: pydukpt.data_response_key,
}


def tdes_ksn(device: bytes, counter: int) -> bytes:
    number = int.from_bytes(device + bytes(2), "big") & ~0x1FFFFF | counter
    return number.to_bytes(10, "big")


def aes_ksn(counter: int, ikid: bytes = IKID) -> bytes:
    return ikid + counter.to_bytes(4, "big")


def naive_tdes_key(bdk: bytes, ksn: bytes) -> bytes:
    """Derive a transaction key from the base key, one bit after the other, remembering nothing."""
    mask = hexed("C0C0C0C000000000") * 2
    counter = int.from_bytes(ksn[7:], "big") & 0x1FFFFF
    register = int.from_bytes(ksn[2:], "big") & ~0x1FFFFF
    start = tdes_ksn(ksn[:8], 0)[:8]
    key = Tdes(bdk).encrypt(start) + Tdes(xor(bdk, mask)).encrypt(start)
    for bit in range(20, -1, -1):
        if not counter >> bit & 1:
            continue
        register |= 1 << bit
        halves = []
        for variant in (xor(key, mask), key):
            block = xor(register.to_bytes(8, "big"), variant[8:])
            halves.append(xor(Tdes(variant[:8]).encrypt(block), variant[8:]))
        key = b"".join(halves)
    return key


def naive_aes_key(key: bytes, usage: int, algorithm: int, bits: int, rest: bytes) -> bytes:
    """Derive one AES DUKPT key, block after block."""
    blocks = b""
    for number in range(1, bits // 128 + 2):
        data = bytes((1, number)) + b"".join(value.to_bytes(2, "big") for value in (usage, algorithm, bits)) + rest
        blocks += Cipher(AES(key), modes.ECB()).encryptor().update(data)
    return blocks[: bits // 8]


class TestTdesKnownAnswers:
    """Every published or captured key and cryptogram comes out the same, for the host and for the device."""

    @pytest.mark.parametrize("vector", vectors("dukpt_tdes_txn_key"))
    def test_transaction_keys(self, vector: dict[str, Any]) -> None:
        host, ksn = TdesDukpt(hexed(vector["inputs"]["bdk"])), hexed(vector["inputs"]["ksn"])

        assert host.transaction_key(ksn) == hexed(vector["expected"])
        assert dukpt_tdes.transaction_key(host.initial_key(ksn), ksn) == hexed(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("dukpt_tdes_pin_encrypt"))
    def test_pin_encryption(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]

        key = TdesDukpt(hexed(inputs["bdk"])).working_key(hexed(inputs["ksn"]), PIN)

        assert Tdes(key).encrypt(hexed(inputs["pinblock"])) == hexed(vector["expected"])

    @pytest.mark.parametrize(
        ("vector", "request_usage", "response_usage"),
        [(vector, DATA_REQUEST, DATA_RESPONSE) for vector in vectors("dukpt_tdes_data_key")]
        + [(vector, MAC_REQUEST, MAC_RESPONSE) for vector in vectors("dukpt_tdes_mac_key")],
    )
    def test_working_keys(self, vector: dict[str, Any], request_usage: str, response_usage: str) -> None:
        inputs = vector["inputs"]
        usage = request_usage if inputs["variant"] == "request" else response_usage

        key = TdesDukpt(hexed(inputs["bdk"])).working_key(hexed(inputs["ksn"]), usage)

        assert key == hexed(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("dukpt_tdes_mac_GW"))
    def test_the_captured_mac_with_counter_zero(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        ksn = read_ksn(inputs["ksn"])
        data = hexed(inputs["data"])

        key = TdesDukpt(hexed(inputs["bdk"])).working_key(ksn, MAC_REQUEST)

        assert mac_algorithm_3(CardKey(key), data.ljust(8, b"\0")) == hexed(vector["expected"])
        assert len(inputs["ksn"]) == ksn_length(inputs["ksn_descriptor"])


class TestTdesAgainstOtherDerivations:
    """Remembering keys on the way changes no key."""

    @given(KEYS, DEVICES, st.lists(TDES_COUNTERS, min_size=1, max_size=8))
    def test_pydukpt_and_the_naive_derivation_give_the_same_keys_in_any_order(
        self, bdk: bytes, device: bytes, counters: list[int]
    ) -> None:
        host = TdesDukpt(bdk)

        for counter in counters:
            ksn = tdes_ksn(device, counter)
            key = host.transaction_key(ksn)

            assert key == pydukpt.derive_key(pydukpt.derive_ipek(bdk, ksn), ksn)
            assert key == naive_tdes_key(bdk, ksn)
            assert key == dukpt_tdes.transaction_key(host.initial_key(ksn), ksn)

    @pytest.mark.parametrize("counter", [0x1FF, 0x200, 0x201, 0x2FF, 0x300, 0x400, 0x3FF0, 0x10000, 0x100000, 0x1FF800])
    def test_counters_from_0x200_where_a_well_known_library_goes_wrong(self, counter: int) -> None:
        ksn = tdes_ksn(hexed("FFFF9876543210E0"), counter)

        key = TdesDukpt(BDK).transaction_key(ksn)

        assert key == naive_tdes_key(BDK, ksn)
        assert key == pydukpt.derive_key(pydukpt.derive_ipek(BDK, ksn), ksn)

    @pytest.mark.parametrize("usage", dukpt_tdes.USAGES)
    @given(bdk=KEYS, device=DEVICES, counter=TDES_COUNTERS)
    def test_pydukpt_gives_the_same_working_keys(self, usage: str, bdk: bytes, device: bytes, counter: int) -> None:
        ksn = tdes_ksn(device, counter)

        key = TdesDukpt(bdk).working_key(ksn, usage)

        assert key == ORACLE[usage](pydukpt.derive_key(pydukpt.derive_ipek(bdk, ksn), ksn))

    def test_a_device_and_its_host_walk_through_all_early_counters_together(self) -> None:
        host, ksn = TdesDukpt(BDK), tdes_ksn(hexed("FFFF9876543210E0"), 0)
        device = host.initial_key(ksn)

        for _ in range(600):
            ksn = next_ksn(ksn)

            assert host.transaction_key(ksn) == dukpt_tdes.transaction_key(device, ksn)

    def test_every_next_transaction_finds_the_key_before_it_and_only_such_keys_are_kept(self) -> None:
        device, host = hexed("FFFF9876543210E0"), TdesDukpt(BDK)

        for counter in range(1, 64):
            host.transaction_key(tdes_ksn(device, counter))

        assert list(host._future) == [int.from_bytes(tdes_ksn(device, counter), "big") for counter in range(0, 64, 2)]

    def test_the_memory_is_bounded(self) -> None:
        host = TdesDukpt(BDK)
        first = tdes_ksn(bytes(8), 6)
        key = host.transaction_key(first)

        for number in range(dukpt_tdes.FUTURE_KEYS_MAX):
            host.transaction_key(tdes_ksn((number + 1 << 24).to_bytes(8, "big"), 2))

        assert len(host._future) == dukpt_tdes.FUTURE_KEYS_MAX
        assert host.transaction_key(first) == key

    def test_refusals(self) -> None:
        assert code_of(TdesDukpt, bytes(8)) == "27"
        assert code_of(TdesDukpt(BDK).transaction_key, bytes(9)) == "15"
        assert code_of(TdesDukpt(BDK).initial_key, bytes(11)) == "15"
        assert code_of(TdesDukpt(BDK).transaction_key, tdes_ksn(bytes(8), 0x7FF)) == "15"
        assert code_of(dukpt_tdes.transaction_key, bytes(16), tdes_ksn(bytes(8), 0x1FFFFF)) == "15"


class TestAesKnownAnswers:
    """The standard's published test values come out the same, for the host and for the device."""

    @pytest.mark.parametrize("vector", vectors("dukpt_aes_ik"))
    def test_initial_keys(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]

        key = dukpt_aes.initial_key(hexed(inputs["bdk"]), hexed(inputs["ikid"]))

        assert key == hexed(vector["expected"])

    @pytest.mark.parametrize("vector", vectors("dukpt_aes_txn_key"))
    def test_transaction_keys(self, vector: dict[str, Any]) -> None:
        inputs = vector["inputs"]
        host, ksn = AesDukpt(hexed(inputs["bdk"])), aes_ksn(inputs["counter"], hexed(inputs["ikid"]))

        assert host.transaction_key(ksn) == hexed(vector["expected"])
        assert dukpt_aes.transaction_key(host.initial_key(ksn), ksn) == hexed(vector["expected"])

    @pytest.mark.parametrize(
        ("operation", "usage"),
        [
            ("dukpt_aes_pin_key", dukpt_aes.PIN_ENCRYPTION),
            ("dukpt_aes_mac_gen_key", dukpt_aes.MAC_GENERATION),
            ("dukpt_aes_data_enc_key", dukpt_aes.DATA_ENCRYPTION),
        ],
    )
    def test_working_keys(self, operation: str, usage: int) -> None:
        for vector in vectors(operation):
            inputs = vector["inputs"]
            host, ksn = AesDukpt(hexed(inputs["bdk"])), aes_ksn(inputs["counter"], hexed(inputs["ikid"]))

            assert host.working_key(ksn, usage) == hexed(vector["expected"])

    @pytest.mark.parametrize(
        ("counter", "expected"),
        [
            (1, "54AC2B32B145EA4A554CB8BC44B17467063A799856B1CCC2A138D36E8DBF78B3"),
            (8, "20A796D5077D51B8E7613893A4F095B134E02917DC84BD391F3661D0873FF308"),
            (0x1FFFE, "A289508CBF1228452CD86AB77B15CB35577AC828C18BB66681E5A16D6C9CCED3"),
            (0xFFFF0000, "6D6DB7AAAE8B3EA90E57A39E4BBA71E173B21B446B30A78D64BFC6A8806C55EE"),
        ],
    )
    def test_transaction_keys_of_a_256_bit_base_key(self, counter: int, expected: str) -> None:
        # Published in the standard's supplement, here from the tests of openemv/dukpt.
        host = AesDukpt(AES_BDK * 2)

        assert host.transaction_key(aes_ksn(counter)) == hexed(expected)


class TestAesAgainstANaiveDerivation:
    """Remembering keys on the way changes no key, and a working key depends on all that describes it."""

    @given(st.sampled_from((16, 24, 32)), st.lists(AES_COUNTERS, min_size=1, max_size=5), DEVICES, st.data())
    def test_transaction_keys_in_any_order(
        self, size: int, counters: list[int], ikid: bytes, data: st.DataObject
    ) -> None:
        bdk = data.draw(st.binary(min_size=size, max_size=size))
        host, algorithm, bits = AesDukpt(bdk), {16: 2, 24: 3, 32: 4}[size], size * 8

        for counter in counters:
            expected, so_far = naive_aes_key(bdk, 0x8001, algorithm, bits, ikid), 0
            for bit in range(31, -1, -1):
                if counter >> bit & 1:
                    so_far |= 1 << bit
                    expected = naive_aes_key(expected, 0x8000, algorithm, bits, ikid[4:] + so_far.to_bytes(4, "big"))
            ksn = aes_ksn(counter, ikid)

            assert host.transaction_key(ksn) == expected
            assert dukpt_aes.transaction_key(host.initial_key(ksn), ksn) == expected

    @pytest.mark.parametrize("usage", sorted(dukpt_aes.USAGES))
    @pytest.mark.parametrize(
        ("kind", "algorithm", "bits"),
        [
            (dukpt_aes.TDES2, 0, 128),
            (dukpt_aes.TDES3, 1, 192),
            (dukpt_aes.AES128, 2, 128),
            (dukpt_aes.AES192, 3, 192),
            (dukpt_aes.AES256, 4, 256),
            (dukpt_aes.HMAC256, 5, 256),
        ],
    )
    def test_working_keys_of_every_kind(self, usage: int, kind: dukpt_aes.Kind, algorithm: int, bits: int) -> None:
        host, ksn = AesDukpt(AES_BDK * 2), aes_ksn(3)

        key = host.working_key(ksn, usage, kind)

        assert key == naive_aes_key(host.transaction_key(ksn), usage, algorithm, bits, ksn[4:])

    def test_a_working_key_is_never_stronger_than_its_base_key(self) -> None:
        host, ksn = AesDukpt(AES_BDK), aes_ksn(1)

        assert code_of(host.working_key, ksn, dukpt_aes.PIN_ENCRYPTION, dukpt_aes.AES192) == "27"
        assert len(host.working_key(ksn, dukpt_aes.PIN_ENCRYPTION, dukpt_aes.TDES3)) == 24

    def test_every_next_transaction_finds_the_key_before_it_and_only_such_keys_are_kept(self) -> None:
        host = AesDukpt(AES_BDK)

        for counter in range(1, 64):
            host.transaction_key(aes_ksn(counter))

        assert list(host._future) == [int.from_bytes(aes_ksn(counter), "big") for counter in range(0, 64, 2)]

    def test_the_memory_is_bounded(self) -> None:
        host = AesDukpt(AES_BDK)

        for number in range(dukpt_aes.FUTURE_KEYS_MAX):
            host.transaction_key(aes_ksn(2, number.to_bytes(8, "big")))

        assert len(host._future) == dukpt_aes.FUTURE_KEYS_MAX

    def test_refusals(self) -> None:
        host = AesDukpt(AES_BDK)

        assert code_of(AesDukpt, bytes(8)) == "27"
        assert code_of(dukpt_aes.transaction_key, bytes(8), aes_ksn(1)) == "27"
        assert code_of(dukpt_aes.initial_key, AES_BDK, IKID[1:]) == "15"
        assert code_of(host.transaction_key, aes_ksn(1)[1:]) == "15"
        assert code_of(host.transaction_key, aes_ksn(0x1FFFF)) == "15"
        assert code_of(host.working_key, aes_ksn(1), 0x8000) == "15"


class TestSerialNumbers:
    """The descriptor says how long a serial number is; the counter's ones are limited."""

    @pytest.mark.parametrize(("descriptor", "digits"), [("605", 16), ("609", 20), ("A05", 20), ("000", 5), ("906", 20)])
    def test_the_length_is_the_sum_of_the_digits_and_five(self, descriptor: str, digits: int) -> None:
        assert ksn_length(descriptor) == digits

    @pytest.mark.parametrize("descriptor", ["", "60", "6055", "6G5", "F0F", "60a"])
    def test_other_descriptors_are_refused(self, descriptor: str) -> None:
        assert code_of(ksn_length, descriptor) == "15"

    @pytest.mark.parametrize(
        ("descriptor", "data", "digits"),
        [
            ("605", "9876543210E00001rest of the command", 16),
            ("605", "FFFF9876543210E00001rest", 20),
            ("605", "ffff9876543210E00001rest", 20),
            ("A05", "FFFF9876543210E00001rest", 20),
        ],
    )
    def test_a_field_that_is_filled_to_twenty_is_taken_whole(self, descriptor: str, data: str, digits: int) -> None:
        assert ksn_field_length(descriptor, data) == digits

    def test_a_short_number_is_filled_with_f_on_the_left(self) -> None:
        assert read_ksn("9876543210E00001") == hexed("FFFF9876543210E00001")
        assert read_ksn("FFFF9876543210E00001") == hexed("FFFF9876543210E00001")
        assert read_ksn("123456789012345600000001", aes=True) == aes_ksn(1)

    @pytest.mark.parametrize(
        ("field", "aes"), [("F" * 21, False), ("98765432_0E00001", False), ("F" * 20, True), ("F" * 26, True)]
    )
    def test_other_fields_are_refused(self, field: str, aes: bool) -> None:
        assert code_of(read_ksn, field, aes) == "15"

    @given(TDES_COUNTERS)
    def test_the_next_number_of_a_tdes_device_is_pydukpts(self, counter: int) -> None:
        ksn = tdes_ksn(hexed("FFFF9876543210E0"), counter)

        if counter >= pydukpt.MAX_COUNTER:
            assert code_of(next_ksn, ksn) == "15"
        else:
            assert next_ksn(ksn) == pydukpt.next_ksn(ksn)

    @given(AES_COUNTERS.filter(lambda counter: counter < 0xFFFF0000))
    def test_the_next_number_of_an_aes_device_is_the_next_valid_one(self, counter: int) -> None:
        following = next_ksn(aes_ksn(counter))

        assert following[:8] == IKID
        after = int.from_bytes(following[8:], "big")
        assert after > counter
        assert counter_valid(after, 16)
        assert not any(counter_valid(between, 16) for between in range(counter + 1, min(after, counter + 300)))

    def test_the_last_number_has_no_next(self) -> None:
        assert code_of(next_ksn, aes_ksn(0xFFFF0000)) == "15"
        assert code_of(next_ksn, tdes_ksn(bytes(8), 0x1FF800)) == "15"
