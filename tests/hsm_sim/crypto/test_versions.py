"""Cryptogram versions: known transactions, and every version against pyemv."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.core.crypto import emv, versions
from hsm_sim.core.crypto.versions import TERMINAL_TAGS, ChipKeys, Version
from hsm_sim.core.errors import HsmError
from tests.hsm_sim.crypto.emv_oracle import CVNS, Card
from tests.support.vectors import vectors

ALL: dict[str, Version] = {name: getattr(versions, name) for name in CVNS}
LENGTHS = {"9F02": 6, "9F03": 6, "9F1A": 2, "95": 5, "5F2A": 2, "9A": 3, "9C": 1, "9F37": 4, "82": 2, "9F36": 2}
KEYS = st.binary(min_size=16, max_size=16)
ISSUER_KEYS = st.tuples(KEYS, KEYS, KEYS)
PANS = st.text("0123456789", min_size=12, max_size=19)
SEQUENCES = st.from_regex(r"\A[0-9]{2}\Z")
NAMES = st.sampled_from(sorted(ALL))
ARQCS = st.binary(min_size=8, max_size=8)
COUNTERS = st.binary(min_size=2, max_size=2)
TAGS = st.fixed_dictionaries(
    {tag: st.binary(min_size=size, max_size=size) for tag, size in LENGTHS.items()}
    | {"9F10": st.binary(min_size=18, max_size=32)}
)
KNOWN_CODES = {*versions.VISA, *versions.MASTERCARD}
PINS = st.text("0123456789", min_size=4, max_size=12)


def chip(version: Version, keys: tuple[bytes, bytes, bytes], pan: str, psn: str) -> ChipKeys:
    block = emv.card_block(pan, psn, version.card_key)
    return ChipKeys(*(emv.IssuerMasterKey(key).card(block) for key in keys))


def known(vector: dict[str, Any], version: Version, issuer_data: bytes) -> tuple[ChipKeys, dict[str, bytes]]:
    inputs = vector["inputs"]
    tags = {tag: bytes.fromhex(inputs[tag]) for tag in TERMINAL_TAGS}
    key = bytes.fromhex(inputs["imk_ac"])
    return chip(version, (key, key, key), inputs["pan"], inputs["psn"]), tags | {"9F10": issuer_data}


class TestKnownTransactions:
    """Transactions that another implementation's author checked with an HSM come out the same."""

    @pytest.mark.parametrize("cvn", ["16", "20", "21"])
    def test_mastercard(self, cvn: str) -> None:
        (vector,), (answer,) = vectors(f"arqc_mastercard_cvn{cvn}"), vectors(f"arpc_mastercard_cvn{cvn}")
        inputs = vector["inputs"]
        issuer_data = bytes.fromhex(f"00{int(cvn):02X}{inputs['cvr']}0000{inputs.get('counters', '')}")
        version = versions.mastercard_version(issuer_data)
        keys, tags = known(vector, version, issuer_data)

        made = versions.make_cryptogram(version, keys.cryptogram, tags)
        code = bytes.fromhex(answer["inputs"]["arc"])
        answered = versions.make_answer(version, keys.cryptogram, tags, made, code)

        assert made.hex().upper() == vector["expected"] == answer["inputs"]["arqc"]
        assert answered.hex().upper() == answer["expected"]

    def test_visa_10(self) -> None:
        (vector,) = vectors("arqc_visa_cvn10")
        issuer_data = bytes.fromhex("06010A" + vector["inputs"]["cvr"])
        version = versions.visa_version(issuer_data)
        keys, tags = known(vector, version, issuer_data)

        assert version is versions.VISA_10
        assert versions.check_cryptogram(version, keys.cryptogram, tags, bytes.fromhex(vector["expected"]))
        assert not versions.check_cryptogram(version, keys.cryptogram, tags, bytes(8))

    def test_visa_18_and_22_with_answer_and_script(self) -> None:
        (vector,), (answer,) = vectors("arqc_visa_cvn22"), vectors("arpc_visa_cvn18")
        (script,) = vectors("issuer_script_mac_visa_cvn18")
        keys, tags = known(vector, versions.VISA_18, bytes.fromhex(vector["inputs"]["9F10"]))
        integrity = emv.IssuerMasterKey(bytes.fromhex(script["inputs"]["imk_smi"])).card(
            emv.card_block(vector["inputs"]["pan"], vector["inputs"]["psn"], "B")
        )

        made = versions.make_cryptogram(versions.VISA_18, keys.cryptogram, tags)
        answered = versions.make_answer(versions.VISA_18, keys.cryptogram, tags, made, bytes(4))
        command = bytes.fromhex(script["inputs"]["command"])
        mac = versions.authenticate_script(versions.VISA_18, integrity, command, tags["9F36"], made)

        assert made == versions.make_cryptogram(versions.VISA_22, keys.cryptogram, tags)
        assert made.hex().upper() == vector["expected"] == answer["inputs"]["arqc"]
        assert answered.hex().upper() == answer["expected"]
        assert mac.hex().upper() == script["expected"]


class TestAgainstPyemv:
    """For every version, pyemv makes the same cryptogram, answer, script and PIN change."""

    @given(NAMES, ISSUER_KEYS, PANS, SEQUENCES, TAGS)
    def test_cryptogram_and_answer(
        self, name: str, keys: tuple[bytes, bytes, bytes], pan: str, psn: str, tags: dict[str, bytes]
    ) -> None:
        version, theirs = ALL[name], Card(name, keys, pan, psn)
        card = chip(version, keys, pan, psn).cryptogram
        response = tags["9F02"][: 2 * version.answer]

        made = versions.make_cryptogram(version, card, tags)

        assert made == theirs.cryptogram(tags)
        assert versions.check_cryptogram(version, card, tags, made)
        assert versions.make_answer(version, card, tags, made, response) == theirs.answer(tags, made, response)

    @given(NAMES, ISSUER_KEYS, PANS, SEQUENCES, COUNTERS, ARQCS, st.binary(min_size=1, max_size=40))
    def test_scripts(
        self, name: str, keys: tuple[bytes, bytes, bytes], pan: str, psn: str, atc: bytes, arqc: bytes, data: bytes
    ) -> None:
        version, theirs = ALL[name], Card(name, keys, pan, psn)
        card = chip(version, keys, pan, psn)
        header = b"\x84\xda\x00\x01\x10"

        mac = versions.authenticate_script(version, card.integrity, header, atc, arqc, data)
        enciphered = versions.encipher_script(version, card.confidentiality, data, atc, arqc)

        assert mac == theirs.script_mac(header, atc, arqc, data)
        assert enciphered == theirs.enciphered(data, atc, arqc)

    @given(NAMES, ISSUER_KEYS, PANS, COUNTERS, ARQCS, PINS, st.none() | PINS)
    def test_pin_change(
        self,
        name: str,
        keys: tuple[bytes, bytes, bytes],
        pan: str,
        atc: bytes,
        arqc: bytes,
        pin: str,
        current: str | None,
    ) -> None:
        version, theirs = ALL[name], Card(name, keys, pan, "00")
        card = chip(version, keys, pan, "00")
        if current is not None and not name.startswith("VISA"):
            with pytest.raises(ValueError, match="present PIN"):
                versions.pin_change_command(version, card, pin, atc, arqc, current)
            return

        made = versions.pin_change_command(version, card, pin, atc, arqc, current)

        assert made == theirs.pin_change(pin, atc, arqc, current)


class TestWhichVersion:
    """A card names its version in tag 9F10; a version that we do not know is refused."""

    @pytest.mark.parametrize(
        ("issuer_data", "version"),
        [
            ("06010A03A00000", versions.VISA_10),
            ("06011203A00000", versions.VISA_18),
            ("1F220100A000000000", versions.VISA_22),
        ],
    )
    def test_visa(self, issuer_data: str, version: Version) -> None:
        assert versions.visa_version(bytes.fromhex(issuer_data)) is version

    @pytest.mark.parametrize("code", sorted(versions.MASTERCARD))
    def test_mastercard(self, code: int) -> None:
        assert versions.mastercard_version(bytes((1, code)) + bytes(16)) is versions.MASTERCARD[code]

    @given(st.binary(max_size=3).filter(lambda data: not set(data) & KNOWN_CODES))
    def test_other_bytes_are_refused(self, issuer_data: bytes) -> None:
        for find in (versions.visa_version, versions.mastercard_version):
            with pytest.raises(ValueError, match="unknown cryptogram version"):
                find(issuer_data)


class TestRefusals:
    """What a version needs must be there."""

    @pytest.mark.parametrize("tag", [*TERMINAL_TAGS, "9F10"])
    def test_a_missing_tag_is_named(self, tag: str) -> None:
        tags = {name: bytes(size) for name, size in LENGTHS.items()} | {"9F10": bytes(18)}
        del tags[tag]

        with pytest.raises(ValueError, match=f"tag {tag} is missing"):
            versions.signed_data(versions.MASTERCARD_21, tags)

    @pytest.mark.parametrize(("name", "length"), [("VISA_10", 6), ("MASTERCARD_16", 7), ("MASTERCARD_17", 17)])
    def test_short_issuer_data_are_refused(self, name: str, length: int) -> None:
        tags = {tag: bytes(size) for tag, size in LENGTHS.items()}

        with pytest.raises(ValueError, match="too short"):
            versions.signed_data(ALL[name], tags | {"9F10": bytes(length)})
        assert versions.signed_data(ALL[name], tags | {"9F10": bytes(length + 1)})

    @pytest.mark.parametrize("name", sorted(ALL))
    @pytest.mark.parametrize("pin", ["", "123", "1234567890123", "12a4"])
    def test_what_is_no_pin_never_reaches_the_card(self, name: str, pin: str) -> None:
        keys = chip(ALL[name], (bytes(range(16)),) * 3, "4123456789012345", "00")

        with pytest.raises(HsmError) as refused:
            versions.pin_change_command(ALL[name], keys, pin, bytes(2), bytes(8))

        assert refused.value.code in {"20", "24"}

    @given(ARQCS, st.integers(0, 5))
    def test_the_first_script_uses_the_arqc_and_the_next_ones_count_on(self, arqc: bytes, number: int) -> None:
        made = versions.script_diversifier(arqc, number)

        assert (int.from_bytes(made, "big") - int.from_bytes(arqc, "big")) % 2**64 == number
