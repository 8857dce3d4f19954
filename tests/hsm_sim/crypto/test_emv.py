"""EMV keys, cryptograms, answers and scripts against known answers and pyemv."""

from __future__ import annotations

import pyemv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import cryptograms, emv, scripts, versions
from hsm_sim.core.crypto.checks import tdes_check_value
from hsm_sim.core.crypto.ciphers import CardKey, Tdes
from tests.hsm_sim.crypto.emv_oracle import quiet
from tests.support.vectors import vectors

KEYS = st.binary(min_size=16, max_size=16)
PANS = st.text("0123456789", min_size=12, max_size=19)
SEQUENCES = st.from_regex(r"\A[0-9]{2}\Z")
COUNTERS = st.binary(min_size=2, max_size=2)
EIGHT_BYTES = st.binary(min_size=8, max_size=8)


def hexed(value: str) -> bytes:
    return bytes.fromhex(value)


def card_of(inputs: dict[str, str], key: str, option: str = "A") -> bytes:
    return emv.emv_card_key(Tdes(hexed(inputs[key])), inputs["pan"], inputs["psn"], option)


class TestKnownKeys:
    """Published derivations come out the same."""

    def test_card_keys(self) -> None:
        for vector in vectors("emv_icc_mk_option_a"):
            assert card_of(vector["inputs"], "imk").hex().upper() == vector["expected"]

    def test_card_keys_of_long_accounts(self) -> None:
        for vector in vectors("emv_icc_mk_option_b_kcv"):
            check_value = tdes_check_value(card_of(vector["inputs"], "imk", "B"))

            assert check_value.startswith(vector["expected"])

    def test_session_keys(self) -> None:
        for vector in vectors("emv_common_session_key"):
            inputs = vector["inputs"]

            made = emv.common_session_key(Tdes(hexed(inputs["icc_mk"])), hexed(inputs["r"]))

            assert made.hex().upper() == vector["expected"]


class TestKnownCryptograms:
    """Cryptograms and answers of published transactions come out the same."""

    def test_with_zero_padding_and_the_answer_by_method_2(self) -> None:
        (vector,) = vectors("emv_arqc_pad00")
        inputs = vector["inputs"]
        option = "B" if len(inputs["pan"]) > 16 else "A"
        session = CardKey(emv.common_session_key(Tdes(card_of(inputs, "imk", option)), hexed(inputs["r"])))

        made = cryptograms.application_cryptogram(session, hexed(inputs["data"]), "1")

        assert made.hex().upper() == vector["expected"]
        (answer,) = vectors("emv_arpc_method2")
        fields = [hexed(answer["inputs"][name]) for name in ("arqc", "csu", "prop")]
        assert cryptograms.arpc_method_2(session, *fields).hex().upper() == answer["expected"]

    def test_emv2000(self) -> None:
        (vector,) = vectors("arqc_verify_KW_scheme0_emv2000")
        inputs = vector["inputs"]
        card_key = emv.derive_card_key(Tdes(hexed(inputs["mk_ac"])), hexed(inputs["pan_psn_8B"]))
        session = CardKey(emv.tree_session_key(card_key, hexed(inputs["atc"]), 4, 8, hexed(inputs["iv"])))

        assert cryptograms.verify_cryptogram(session, hexed(inputs["data"]), hexed(vector["expected"]), "1")

    def test_the_answer_without_session_keys(self) -> None:
        (vector,) = vectors("arpc_KQ_scheme0_method1")
        inputs = vector["inputs"]
        card = emv.IssuerMasterKey(hexed(inputs["mk_ac"])).card(hexed(inputs["pan_psn_8B"]))

        made = cryptograms.arpc_method_1(card.whole, hexed(inputs["arqc"]), hexed(inputs["arc"]))

        assert made.hex().upper() == vector["expected"]


class TestKeysAgainstPyemv:
    """An independent implementation derives the same keys."""

    @given(KEYS, PANS, SEQUENCES)
    def test_card_keys(self, key: bytes, pan: str, psn: str) -> None:
        assert emv.emv_card_key(Tdes(key), pan, psn) == quiet(pyemv.kd.derive_icc_mk_a, key, pan, psn)
        assert emv.emv_card_key(Tdes(key), pan, psn, "B") == quiet(pyemv.kd.derive_icc_mk_b, key, pan, psn)

    @given(PANS, SEQUENCES, st.sampled_from("AB"))
    def test_a_packed_account_is_the_same_card(self, pan: str, psn: str, option: str) -> None:
        digits = pan + psn if len(pan) % 2 == 0 else "0" + pan + psn

        assert emv.card_block_of_packed(bytes.fromhex(digits), option) == emv.card_block(pan, psn, option)

    def test_a_hash_with_too_few_digits_is_decimalised(self) -> None:
        for number in range(300):
            pan = f"{number:017}"
            made = emv.emv_card_key(Tdes(bytes(range(16))), pan, "00", "B")
            assert made == quiet(pyemv.kd.derive_icc_mk_b, bytes(range(16)), pan, "00")

    @given(KEYS, EIGHT_BYTES, COUNTERS)
    def test_session_keys(self, key: bytes, diversifier: bytes, atc: bytes) -> None:
        common = quiet(pyemv.kd.derive_common_sk, key, diversifier)

        assert emv.common_session_key(Tdes(key), diversifier) == common
        assert emv.visa_script_key(key, atc) == quiet(pyemv.kd.derive_visa_sm_sk, key, atc)
        assert emv.counter_diversifier(atc) == atc + bytes(6)

    @given(KEYS, COUNTERS, st.sampled_from([(4, 8), (2, 16)]), st.binary(min_size=16, max_size=16))
    def test_the_emv2000_tree(self, key: bytes, atc: bytes, tree: tuple[int, int], vector: bytes) -> None:
        branch, height = tree

        theirs = quiet(pyemv.kd.derive_emv2000_tree_sk, key, atc, height, branch, vector)

        assert emv.tree_session_key(key, atc, branch, height, vector) == theirs

    @pytest.mark.parametrize(("branch", "height"), [(2, 8), (1, 16), (4, 7), (0, 8)])
    def test_a_tree_with_fewer_leaves_than_counters_is_refused(self, branch: int, height: int) -> None:
        with pytest.raises(ValueError, match="too small"):
            emv.tree_session_key(bytes(16), b"\x00\x01", branch, height)


class TestCryptogramsAgainstPyemv:
    """An independent implementation makes the same cryptograms and answers."""

    @given(KEYS, st.binary(max_size=80))
    def test_cryptograms(self, key: bytes, data: bytes) -> None:
        for padding, theirs in (("1", pyemv.ac.PaddingType.VISA), ("2", pyemv.ac.PaddingType.EMV)):
            made = cryptograms.application_cryptogram(CardKey(key), data, padding)
            assert made == quiet(pyemv.ac.generate_ac, key, data, theirs)

    @given(KEYS, EIGHT_BYTES, COUNTERS, st.binary(min_size=4, max_size=4), st.binary(max_size=8))
    def test_answers(self, key: bytes, arqc: bytes, code: bytes, update: bytes, more: bytes) -> None:
        session = CardKey(key)

        first = cryptograms.arpc_method_1(session, arqc, code)
        second = cryptograms.arpc_method_2(session, arqc, update, more)

        assert first == quiet(pyemv.ac.generate_arpc_1, key, arqc, code)
        assert second == quiet(pyemv.ac.generate_arpc_2, key, arqc, update, more)

    @given(KEYS, st.binary(max_size=60), st.integers(0, 9))
    def test_a_cryptogram_may_be_cut_to_four_bytes_and_no_shorter(self, key: bytes, data: bytes, length: int) -> None:
        made = cryptograms.application_cryptogram(CardKey(key), data)

        accepted = cryptograms.verify_cryptogram(CardKey(key), data, (made + b"\x00")[:length])

        assert accepted == (4 <= length <= 8)

    @pytest.mark.parametrize("lengths", [(7, 4, 0), (8, 3, 0), (8, 5, 0), (8, 4, 9)])
    def test_fields_of_other_lengths_have_no_answer(self, lengths: tuple[int, int, int]) -> None:
        with pytest.raises(ValueError, match="length"):
            cryptograms.arpc_method_2(CardKey(bytes(16)), *(bytes(length) for length in lengths))


class TestScriptForms:
    """Script data are enciphered as pyemv does, and the card gets back what was sent."""

    @given(KEYS, st.binary(max_size=100))
    def test_encipherment(self, key: bytes, data: bytes) -> None:
        session = CardKey(key)
        forms = {
            "visa": pyemv.sm.EncryptionType.VISA,
            "mastercard": pyemv.sm.EncryptionType.MASTERCARD,
            "emv": pyemv.sm.EncryptionType.EMV,
        }
        for form, theirs in forms.items():
            if form == "mastercard" and not data:
                continue
            made = scripts.encipher(session, data, form)
            assert made == quiet(pyemv.sm.encrypt_command_data, key, data, theirs)
            assert scripts.decipher(session, made, form, len(data)) == data

    @given(KEYS, st.binary(max_size=60))
    def test_macs(self, key: bytes, command: bytes) -> None:
        assert scripts.script_mac(CardKey(key), command) == quiet(pyemv.sm.generate_command_mac, key, command)

    @pytest.mark.parametrize("form", ["visa", "emv"])
    def test_what_was_not_enciphered_here_is_refused(self, form: str) -> None:
        enciphered = scripts.encipher(CardKey(bytes(range(16))), b"12345", form)

        with pytest.raises(ValueError, match="padding"):
            scripts.decipher(CardKey(bytes(range(1, 17))), enciphered, form)

    @pytest.mark.parametrize("form", ["visa", "mastercard", "emv"])
    @pytest.mark.parametrize("length", [0, 7, 12])
    def test_broken_blocks_are_refused(self, form: str, length: int) -> None:
        with pytest.raises(ValueError, match="whole blocks"):
            scripts.decipher(CardKey(bytes(range(16))), bytes(length), form)

    def test_unknown_forms_and_long_data_are_refused(self) -> None:
        for function in (scripts.encipher, scripts.decipher):
            with pytest.raises(ValueError, match="unknown form"):
                function(CardKey(bytes(16)), bytes(8), "none")
        with pytest.raises(ValueError, match="too long"):
            scripts.encipher(CardKey(bytes(16)), bytes(256), "visa")


class TestIssuerMasterKey:
    """The issuer's key remembers card keys up to its limit, and a forgotten card gets the same key again."""

    @given(st.lists(EIGHT_BYTES, max_size=12))
    def test_a_remembered_key_is_the_derived_one(self, blocks: list[bytes]) -> None:
        issuer = emv.IssuerMasterKey(bytes(range(16)), cards_max=3)

        for block in blocks:
            assert issuer.card(block).material == emv.derive_card_key(Tdes(bytes(range(16))), block)
            assert issuer.card(block) is issuer.card(block)

        assert len(issuer) <= 3

    def test_the_card_that_was_not_used_for_longest_goes_first(self) -> None:
        issuer = emv.IssuerMasterKey(bytes(range(16)), cards_max=2)
        first, second = issuer.card(b"cardone1"), issuer.card(b"cardtwo2")

        assert issuer.card(b"cardone1") is first
        issuer.card(b"cardsix3")

        assert issuer.card(b"cardone1") is first
        assert issuer.card(b"cardtwo2") is not second

    @given(st.lists(EIGHT_BYTES, max_size=6))
    def test_a_session_is_the_derived_one_in_any_order(self, diversifiers: list[bytes]) -> None:
        card = emv.ChipKey(bytes(range(16)))

        for diversifier in [*diversifiers, *diversifiers]:
            expected = emv.common_session_key(Tdes(card.material), diversifier)
            assert card.session(diversifier).both.encrypt(bytes(8)) == Tdes(expected).encrypt(bytes(8))

    def test_neither_shows_its_key(self) -> None:
        card = emv.ChipKey(b"0123456789abcdef")

        assert "0123" not in repr(card) + repr(versions.ChipKeys(card, card, card))
