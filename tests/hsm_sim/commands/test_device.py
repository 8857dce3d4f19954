"""NC, NO, B2, N0, LG: what a pressure test of a payShield asks first."""

from __future__ import annotations

import pytest

from tests.support.hsm import Hsm
from tests.support.vectors import vectors

HSM = Hsm()


class TestDiagnostics:
    """The public test LMKs show their known check values, and bad lengths their known codes."""

    def test_nc_shows_the_check_value_of_every_simulator(self) -> None:
        (vector,) = vectors("lmk_checksum_nc")

        assert HSM.frame("open", b"NC") == f"ND00{vector['expected']}0007-E000".encode()
        assert HSM.frame("open", b"NC%00") == f"ND00{vector['expected']}0007-E000".encode()

    def test_nc_shows_the_aes_lmk_as_a_payshield_10k_does(self) -> None:
        (vector,) = vectors("kcv_thales_aes_keyblock_lmk")

        assert HSM.frame("open", b"NC%02") == f"ND00{vector['expected']}00000000000007-E000".encode()

    def test_no_tells_buffers_sockets_and_whether_pci_rules_hold(self) -> None:
        assert HSM.frame("open", b"NO00") == b"NP0031640007-E00000000"
        assert HSM.frame("open", b"NO01") == b"NP000"
        assert HSM.frame("issuer-a", b"NO01") == b"NP001"

    @pytest.mark.parametrize("mode", [b"02", b"0", b"", b"xx"])
    def test_no_knows_two_modes(self, mode: bytes) -> None:
        assert HSM.frame("open", b"NO" + mode)[:4] in (b"NP15", b"NP80")

    @pytest.mark.parametrize(
        ("sent", "answer"),
        [
            (b"B20000", b"B300"),
            (b"B20004echo", b"B300echo"),
            (b"B20005echo", b"B380"),
            (b"B20003echo", b"B315"),
            (b"B2000Xecho", b"B315"),
            (b"B2", b"B380"),
        ],
    )
    def test_b2_echoes_what_is_as_long_as_it_says(self, sent: bytes, answer: bytes) -> None:
        assert HSM.frame("open", sent) == answer

    def test_b2_takes_the_longest_message_of_the_pressure_test(self) -> None:
        data = bytes(range(256)) * 100

        assert HSM.frame("open", b"B2%04X" % len(data) + data) == b"B300" + data

    @pytest.mark.parametrize("length", [1, 8, 256])
    def test_n0_draws_as_many_bytes_as_asked_for(self, length: int) -> None:
        drawn = HSM.frame("open", b"N0%03d" % length)

        assert drawn[:4] == b"N100"
        assert len(drawn) == 4 + length
        assert HSM.frame("open", b"N0%03d" % length) != drawn or length == 1

    @pytest.mark.parametrize(("sent", "answer"), [(b"LG000", b"LH00"), (b"LG001", b"LH00"), (b"LGxyz", b"LH15")])
    def test_lg_waits_and_says_nothing_more(self, sent: bytes, answer: bytes) -> None:
        assert HSM.frame("open", sent) == answer
