"""Typed requests: they encode to the documented layout, read their answers, and show nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm_sim.requests import (
    CardOpened,
    CardStored,
    CvvMade,
    Detokenise,
    Echo,
    Fingerprint,
    MakeCryptogram,
    MakeCvv,
    MakeMac,
    OpenPan,
    PanOpened,
    Request,
    SealPan,
    StoreCard,
    TokenCryptogram,
    VerifyCvv,
    VerifyMac,
)
from iso.errors import LocalProtocolError, RemoteProtocolError
from tests.support.hsm import PAN, Hsm

SECRET = "737"
TEXTS = st.text(max_size=20)


class TestEncoding:
    """A request is the command's documented layout."""

    def test_known_layouts(self) -> None:
        assert MakeCvv("KF00", PAN, "3012", "000").encode() == b"CWKF00" + PAN.encode() + b";3012000"
        assert VerifyCvv("KF00", PAN, "3012", "000", "123").encode() == b"CYKF00123" + PAN.encode() + b";3012000"
        assert MakeMac("K600", b"\x00;").encode() == b"M600160FFFK6000002\x00;"
        assert VerifyMac("K600", b"", "AB" * 8).encode() == b"M800160FFFK6000000" + b"AB" * 8

    @pytest.mark.parametrize(
        "request_",
        [
            StoreCard("not digits", "3012", SECRET, "m"),
            StoreCard(PAN, "30122", SECRET, "m"),
            StoreCard(PAN, "3012", "73737", "m"),
            StoreCard(PAN, "3012", SECRET, "m" * 100),
            MakeCryptogram("9999000000004242", -1, "840", "m"),
            MakeCryptogram("9999000000004242", 10**12, "840", "m"),
            MakeCvv("U" + "0" * 31, PAN, "3012", "000"),
            MakeCvv("KF00;", PAN, "3012", "000"),
            VerifyMac("K600", b"", "xyz"),
            MakeMac("K600", bytes(0x10000)),
        ],
    )
    def test_a_value_that_does_not_fit_is_our_fault_and_is_not_shown(self, request_: Request[object]) -> None:
        with pytest.raises(LocalProtocolError) as refused:
            request_.encode()

        assert PAN not in str(refused.value)
        assert refused.value.__context__ is None

    @given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
    def test_whatever_a_peer_put_into_a_message_can_travel(
        self, reference: str, cryptogram: str, atc: str, un: str, merchant: str
    ) -> None:
        hsm = Hsm()
        token = hsm.stored().token
        hsm.paid(token)

        opened = hsm.ask("switch", Detokenise(token, reference, cryptogram, atc, un, 1, "840", merchant))

        assert opened.code in ("V1", "V3", "V5", "15")


class TestAnswers:
    """An answer is read by the request that it answers, or the connection is at fault."""

    def test_a_refusal_has_its_code_and_nothing_else(self) -> None:
        assert StoreCard(PAN, "3012", "", "m").parse(b"ZB22") == CardStored("22")

    @pytest.mark.parametrize(
        "answer", [b"", b"ZB", b"ZB0", b"ZF00", b"ZB00", b"ZB009999000000004242;fp_", b"ZB\x00\x00"]
    )
    def test_a_foreign_or_broken_answer_is_the_peers_fault(self, answer: bytes) -> None:
        with pytest.raises(RemoteProtocolError):
            StoreCard(PAN, "3012", "", "m").parse(answer)

    @given(st.binary(max_size=40))
    def test_any_bytes_are_an_answer_or_the_peers_fault(self, answer: bytes) -> None:
        for request in (Echo(b""), Fingerprint(PAN), MakeMac("K600", b""), OpenPan(""), Detokenise("9", "r")):
            for prefix in (b"", b"B300", b"ZH00", b"M700", b"ZL00", b"ZF00"):
                with suppress(RemoteProtocolError):
                    assert len(request.parse(prefix + answer)) >= 2


class TestSecrecy:
    """The text of a request or an answer never shows a PAN, a CVC or a cryptogram."""

    @pytest.mark.parametrize(
        "value",
        [
            StoreCard(PAN, "3012", SECRET, "m"),
            Fingerprint(PAN),
            MakeCvv("KF00", PAN, "3012", "000"),
            VerifyCvv("KF00", PAN, "3012", "000", SECRET),
            SealPan(PAN, "context"),
            PanOpened("00", PAN),
            CardOpened("00", PAN, "3012", SECRET),
            CvvMade("00", SECRET),
            MakeMac("K600", PAN.encode()),
            VerifyMac("K600", PAN.encode(), "00" * 8),
            TokenCryptogram("00", SECRET * 5, "0001", "00000000"),
            Detokenise("9999000000004242", "r", SECRET * 5),
        ],
    )
    def test_repr(self, value: object) -> None:
        for text in (repr(value), str(value), f"{[value]}", f"{value!r:>10}"):
            assert PAN not in text
            assert SECRET not in text
