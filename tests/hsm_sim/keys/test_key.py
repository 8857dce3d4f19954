"""Key handles work, show their check value, and give nothing away."""

from __future__ import annotations

import copy
import hmac
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.errors import HsmError
from hsm_sim.core.keys.header import Header
from hsm_sim.core.keys.key import Key, generate
from hsm_sim.core.keys.lmk import house_lmk
from tests.support.hsm import MASTER, PAN, seeded, vectors

USAGES = ["B0", "C0", "D0", "E0", "K0", "K1", "M1", "M3", "M6", "M7", "P0", "V2"]
MODES = "BCDEGNSTVXY"
WORK: dict[str, tuple[str, str, Callable[[Key], object]]] = {
    "generate a CVV": ("C0", "CGN", lambda key: key.cvv(PAN, "3012", "000")),
    "verify a CVV": ("C0", "CVN", lambda key: key.cvv(PAN, "3012", "000", mode="V")),
    "generate a CMAC": ("M6", "CGN", lambda key: key.mac("6", "0", b"data")),
    "verify a CMAC": ("M6", "CVN", lambda key: key.mac("6", "0", b"data", mode="V")),
    "generate a retail MAC": ("M3", "CGN", lambda key: key.mac("3", "2", b"data")),
    "generate a CBC-MAC": ("M1", "CGN", lambda key: key.mac("1", "2", b"data")),
    "fingerprint": ("M7", "CGN", lambda key: key.fingerprint("network", PAN)),
    "make a token cryptogram": ("E0", "XN", lambda key: key.token_cryptogram("9999000000004242", 1, b"data")),
    "seal": ("D0", "BEN", lambda key: key.seal(b"clear", b"", seeded())),
    "wrap": ("K1", "BEN", lambda key: key.wrap(key_of("C0", "T", "C", exportability="E"), seeded())),
}
ALGORITHM = {"C0": "T", "M6": "A", "M3": "T", "M1": "T", "M7": "H", "E0": "T", "D0": "A", "K1": "A"}


def key_of(usage: str, algorithm: str, mode: str, length: int = 16, exportability: str = "N") -> Key:
    return generate(Header(usage, algorithm, mode, exportability=exportability), length, seeded(usage))


class TestPermission:
    """An operation is done only with a key of its usage whose mode of use allows it."""

    @given(st.sampled_from(sorted(WORK)), st.sampled_from(USAGES), st.sampled_from(MODES))
    def test_wrong_usage_or_mode_is_always_refused(self, work: str, usage: str, mode: str) -> None:
        right_usage, right_modes, operation = WORK[work]
        key = key_of(usage, "T" if usage in ("C0", "M3", "E0") else ALGORITHM[right_usage], mode)

        if usage == right_usage and mode in right_modes:
            operation(key)
        else:
            with pytest.raises(HsmError) as refused:
                operation(key)
            assert refused.value.code == ("A6" if usage != right_usage else "A8")

    def test_an_algorithm_that_does_not_fit_is_refused(self) -> None:
        with pytest.raises(HsmError) as refused:
            key_of("M6", "T", "C").mac("6", "0", b"data")

        assert refused.value.code == "A7"

    def test_a_single_length_key_posing_as_double_is_refused(self) -> None:
        with pytest.raises(HsmError) as refused:
            Key(Header("M1", "T", "C"), b"12345678" * 2)

        assert refused.value.code == "75"

    def test_a_single_length_key_needs_permission(self) -> None:
        header = Header("002", "D", "N")

        with pytest.raises(HsmError) as refused:
            Key(header, b"12345678")

        assert refused.value.code == "27"
        assert Key(header, b"12345678", single_length=True).length == 8

    def test_no_mode_is_asked_where_any_will_do(self) -> None:
        key_of("P0", "T", "E").permit(("P0",), "")

    @pytest.mark.parametrize("length", [8, 15, 17, 24, 32])
    def test_a_cvk_is_double_length(self, length: int) -> None:
        with pytest.raises(HsmError) as refused:
            Key(Header("C0", "T", "C"), bytes(range(length)))

        assert refused.value.code == "27"


class TestSecrecy:
    """The material never leaves the object; a key that may not travel does not."""

    def test_its_text_shows_the_check_value_and_not_the_material(self) -> None:
        material = bytes(range(16))
        key = Key(Header("M6", "A", "C"), material)

        assert key.kcv in repr(key)
        assert material.hex() not in f"{key!r} {key}".lower()

    def test_it_cannot_be_copied_or_pickled(self) -> None:
        key = key_of("M6", "A", "C")

        with pytest.raises(TypeError):
            copy.copy(key)
        with pytest.raises(TypeError):
            pickle.dumps(key)

    def test_a_key_that_is_not_exportable_does_not_leave(self) -> None:
        zmk = key_of("K1", "A", "B", 32)

        with pytest.raises(HsmError) as refused:
            zmk.wrap(key_of("M6", "A", "C"), seeded())

        assert refused.value.code == "29"

    def test_an_exported_key_works_elsewhere_and_does_not_travel_on(self) -> None:
        zmk, key = key_of("K1", "A", "B", 32), key_of("M6", "A", "C", exportability="E")

        received = zmk.unwrap(zmk.wrap(key, seeded()))

        assert received.mac("6", "0", b"data") == key.mac("6", "0", b"data")
        assert received.header.exportability == "N"

    def test_one_party_does_not_open_the_blocks_of_another(self) -> None:
        own, other = house_lmk(MASTER, "switch"), house_lmk(MASTER, "acquirer")
        block = own.write(key_of("M6", "A", "C"), "R", seeded())

        with pytest.raises(HsmError) as refused:
            other.read(block, ())

        assert refused.value.code == "A4"


class TestCheckValue:
    """A check value identifies a key without giving it away: by TDES, by CMAC, or by the legacy AES way."""

    @pytest.mark.parametrize("vector", vectors("kcv_tdes"))
    def test_of_a_tdes_key(self, vector: dict[str, Any]) -> None:
        key = Key(Header("P0", "T", "B"), bytes.fromhex(vector["inputs"]["key"]))

        assert key.check_value(2 * vector["inputs"]["len"]) == vector["expected"]

    @pytest.mark.parametrize("vector", vectors("kcv_aes_cmac_zero_block"))
    def test_of_an_aes_key(self, vector: dict[str, Any]) -> None:
        key = Key(Header("P0", "A", "B"), bytes.fromhex(vector["inputs"]["key"]))

        assert key.kcv == vector["expected"]
        assert key.check_value(16).startswith(key.kcv)

    def test_of_an_aes_key_the_legacy_way_is_an_encrypted_zero_block(self) -> None:
        # The well-known AES-128 answer for an all-zero key and block.
        key = Key(Header("D0", "A", "B"), bytes(16))

        assert key.check_value(16, ecb=True) == "66E94BD4EF8A2C3B"

    def test_of_an_hmac_key_is_the_hmac_of_nothing(self) -> None:
        material = bytes(range(20))

        assert Key(Header("M7", "H", "C"), material).kcv == hmac.digest(material, b"", "sha256")[:3].hex().upper()

    def test_ciphers_fit_the_algorithm(self) -> None:
        with pytest.raises(HsmError) as no_tdes:
            _ = key_of("D0", "A", "B").tdes
        with pytest.raises(HsmError) as no_aes:
            _ = key_of("D0", "T", "B").aes

        assert no_tdes.value.code == no_aes.value.code == "A7"

    def test_made_des_keys_have_odd_parity(self) -> None:
        assert key_of("P0", "T", "B").odd_parity
        assert not Key(Header("P0", "T", "B"), bytes(range(16))).odd_parity


class TestSealing:
    """Sealed data opens unchanged, in its context, under its key; else not at all."""

    @given(st.binary(max_size=64), st.binary(max_size=16), st.integers(0, 200), st.integers(1, 255))
    def test_no_byte_can_be_changed(self, clear: bytes, context: bytes, at: int, by: int) -> None:
        key = key_of("D0", "A", "B", 32)
        sealed = key.seal(clear, context, seeded())
        at %= len(sealed)
        changed = sealed[:at] + bytes((sealed[at] ^ by,)) + sealed[at + 1 :]

        assert key.open(sealed, context) == clear
        for forged, where in ((changed, context), (sealed, context + b"!"), (sealed[:at], context)):
            with pytest.raises(HsmError) as refused:
                key.open(forged, where)
            assert refused.value.code == "V7"
