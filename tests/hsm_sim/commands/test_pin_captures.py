"""The captured PIN commands of an open codec (ut-codec-payshield), under the public TDES key block LMK.

PINs under the LMK are left out: the algorithm of real hardware is not public. Where a capture begins with one, the
same PIN is brought under the LMK first.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.hsm_sim.commands.opened import block_key, code_of, variant_key
from tests.hsm_sim.commands.pins import ZPK, block
from tests.support.hsm import Hsm
from tests.support.vectors import vectors

HSM = Hsm()
TPK = "S0007271TN00E00019BAD23B0CEF79E33328CA0568A0E186FC17E8DE738AAF9FB67C6E1FF"
ZPK_1 = "S00072P0TB00E0001EA421618B34F5FA1A77F7CF6480111B97CF0FAE7BD77D589EC921EF9"
ZPK_2 = "S00072P0TB00E00010D869FE84C1F77AE64E0019151533363D4CCE7E1C3F89F3D86115EE8"
BDK_1 = "S00072B0TN00E0001566678078B5337915F4860C92F3FF2D6A6B11E8786F22DC8032EB758"
BDK_2 = "S00072B0TN00E0001134E8D68D46BC8356F84F598155A1B5C44199D9847A2A58B64BE091F"
PVK_IBM = "S00072V1TN00E00010AE0AD2B1990AB407FAD15059E287760A05DF4DA2391EAB138877E22"
PVK_IBM_2 = "S00072V1TN00E00019412BA0AB9D9377261D2CDDB1C4A063ABF35B4CB9E98F7948A501DA2"
PVK_VISA = "S00072V2TN00E0001E80A2926443C3AF11BF0317C669FA0EA0E100ABDF92BF7A3AF232D4C"
PVK_VISA_2 = "S00072V2TN00E00014C0328F82856C4E6D7CCF7A9A1597CB0662C35A18CC72EB9CF97917C"
KSN = "A05FFFF000001315240003A"
TABLE = "709F26B22464E96A"
FIRST, SECOND = "850103093936", "600000000000"
VALIDATION = "50103093936N"

CAPTURES = {
    f"CC{ZPK_1}{ZPK_2}12AD72F973446E84E70101{FIRST}": "CD0006E614D4AFD47BD3BF01",
    f"CA{TPK}{ZPK_1}12E57BC634D47179070101{SECOND}": "CB0006FC99D994F1D3D3B801",
    f"CA{TPK}{BDK_1}{KSN}12E57BC634D47179070101{SECOND}": "CB0006741311DA9D5D6C3201",
    f"G0{BDK_1}{BDK_2}{KSN}{KSN}741311DA9D5D6C320101{SECOND}": "G10006BBF74DF0FFA00ED101",
    f"G0{BDK_1}{ZPK_1}{KSN}741311DA9D5D6C320101{SECOND}": "G10006FC99D994F1D3D3B801",
    f"EC{ZPK_1}{PVK_VISA}AD72F973446E84E701{FIRST}17548": "ED00",
    f"DC{TPK}{PVK_VISA_2}E57BC634D471790701{SECOND}12194": "DD00",
    f"FWFFF{ZPK_1}{PVK_VISA}AD72F973446E84E701{FIRST}1": "FX007548",
    f"CUFFF{ZPK_1}{PVK_VISA}AD72F973446E84E701{FIRST}17548967CDB6E3D492E28": "CV006010",
    f"BKFFF{ZPK_1}{PVK_IBM}967CDB6E3D492E280106{FIRST}{TABLE}{VALIDATION}": "BL00309783FFFFFF",
    f"BKFFF{ZPK_1}{PVK_IBM}FC99D994F1D3D3B80106{SECOND}{TABLE}0000000000N0": "BL00035965FFFFFF",
    f"DUFFF{ZPK_1}{PVK_IBM}967CDB6E3D492E280106{FIRST}{TABLE}{VALIDATION}309783FFFFFF967CDB6E3D492E28": (
        "DV00309783FFFFFF"
    ),
    f"EA{ZPK_1}{PVK_IBM}12967CDB6E3D492E280106{FIRST}{TABLE}{VALIDATION}309783FFFFFF": "EB00",
    f"DA{TPK}{PVK_IBM_2}12E5B0C1445E4C57AF0106{SECOND}{TABLE}1234560000N0093636FFFFFF": "DB00",
}


def _answer(frame: str, lmk: str = "%01") -> str:
    return HSM.frame("open", f"{frame}{lmk}".encode()).decode()


class TestCaptures:
    """What a device answered, this one answers."""

    @pytest.mark.parametrize(("frame", "answer"), CAPTURES.items(), ids=[frame[:2] for frame in CAPTURES])
    def test_a_captured_command_has_its_answer(self, frame: str, answer: str) -> None:
        assert _answer(frame) == answer

    def test_a_block_becomes_a_pin_under_the_lmk_with_its_captured_values_and_back(self) -> None:
        pin = _answer(f"JE{ZPK_1}AD72F973446E84E701{FIRST}")[4:]

        assert len(pin) == 7
        assert _answer(f"DE{PVK_IBM}{pin}06{FIRST}{TABLE}{VALIDATION}") == "DF00588664FFFFFF"
        assert _answer(f"DG{PVK_VISA}{pin}{FIRST}1") == "DH007548"
        assert _answer(f"JG{ZPK_1}01{FIRST}{pin}") == "JH00AD72F973446E84E7"
        assert _answer(f"NG{FIRST}{pin}") == "NH00300672F"
        assert _answer(f"BE{ZPK_1}AD72F973446E84E701{FIRST}{pin}") == "BF00"

    def test_the_captured_offset_describes_the_pin_that_it_was_made_of(self) -> None:
        pin = _answer(f"EE{PVK_IBM}309783FFFFFF06{FIRST}{TABLE}{VALIDATION}")[4:]

        assert _answer(f"JG{ZPK_1}01{FIRST}{pin}") == "JH00967CDB6E3D492E28"

    def test_one_wrong_digit_anywhere_in_a_pvv_or_an_offset_is_noticed(self) -> None:
        pvv = f"EC{ZPK_1}{PVK_VISA}AD72F973446E84E701{FIRST}1"
        offset = f"EA{ZPK_1}{PVK_IBM}12967CDB6E3D492E280106{FIRST}{TABLE}{VALIDATION}"

        assert {_answer(pvv + wrong) for wrong in ("8548", "7648", "7558", "7549")} == {"ED01"}
        assert {_answer(offset + wrong + "FFFFFF") for wrong in ("409783", "309784")} == {"EB01"}


class TestVectors:
    """The corpus of known answers, through the commands."""

    @pytest.mark.parametrize("vector", vectors("pin_translate_format03_to_01"))
    def test_host_data_from_an_open_simulator(self, vector: dict[str, object]) -> None:
        inputs = vector["inputs"]
        assert isinstance(inputs, dict)

        assert _answer(f"CC{inputs['host_data']}", "") == f"CD0004{vector['expected']}01"

    @pytest.mark.parametrize("vector", vectors("pin_translate_zpk_zpk"))
    def test_between_zones(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]
        keys = variant_key("001", inputs["src_key"]) + variant_key("001", inputs["dst_key"])

        frame = f"CC{keys}12{inputs['block']}0101{inputs['account12']}"

        assert _answer(frame, "%00") == f"CD0006{vector['expected']}01"

    @pytest.mark.parametrize("vector", vectors("dukpt_tdes_pin_encrypt"))
    def test_dukpt_blocks_of_the_standard(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]

        answer = _answer(
            f"G0{variant_key('009', inputs['bdk'])}{ZPK}609{inputs['ksn']}{vector['expected']}0101401234567890", ""
        )

        assert answer == f"G10004{block('zpk', '1234', pan='4012345678909')}01"

    @pytest.mark.parametrize("vector", vectors("visa_pvv_generate"))
    def test_visa_pvv(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]
        sealed = block("zpk", inputs["pin4"], pan=inputs["pan"])

        frame = f"FW001{ZPK}{variant_key('002', inputs['pvk'])}{sealed}01{inputs['pan'][1:13]}{inputs['pvki']}"

        assert _answer(frame, "") == f"FX00{vector['expected']}"

    def test_a_pvk_pair_as_an_open_simulator_sends_it(self) -> None:
        pin = _answer("BA1234F550000025321", "")[4:]

        assert _answer(f"DGX367930344805B1FAD6146EF4ED7502B3{pin}5500000253211", "") == "DH004402"

    @pytest.mark.parametrize("vector", vectors("ibm3624_offset"))
    def test_ibm_offset(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]
        account, check = inputs["account12"], f"{int(inputs['check_length']):02d}"
        pin = _answer(f"BA{inputs['pin']}F{account}")[4:]

        frame = f"DE{block_key('V1', inputs['pvk'])}{pin}{check}{account}{inputs['dectab']}{inputs['validation_data']}"

        assert _answer(frame) == f"DF00{vector['expected']}".ljust(16, "F")

    @pytest.mark.parametrize("vector", vectors("ibm3624_derive_pin"))
    def test_the_pin_that_an_ibm_offset_describes(self, vector: dict[str, Any]) -> None:
        inputs, pin = vector["inputs"], vector["expected"]
        validation, account = inputs["validation"][:11] + "N", inputs["validation"][-5:].rjust(12, "0")
        frame = f"EE{block_key('V1', inputs['pvk'])}{inputs['offset'].ljust(12, 'F')}{len(pin):02d}{account}"

        derived = _answer(f"{frame}{inputs['dectab']}{validation}")

        assert derived[:4] == "EF00"
        assert _answer(f"NG{account}{derived[4:]}")[:9] == f"NH00{pin}F"

    @pytest.mark.parametrize("vector", vectors("pin_verify_ibm3624_DA"))
    def test_terminal_pin_by_offset(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]
        keys = block_key("71", inputs["tpk"]) + block_key("V1", inputs["pvk"])
        account = f"06{inputs['account12']}{inputs['dectab']}{inputs['validation_data']}{inputs['offset']}"

        assert _answer(f"DA{keys}12{inputs['block']}{inputs['fmt']}{account}") == "DB00"

    @pytest.mark.parametrize("vector", vectors("pinblock_iso4_decipher"))
    def test_format_4_blocks(self, vector: dict[str, dict[str, str]]) -> None:
        inputs = vector["inputs"]
        zpk = block_key("P0", inputs["key"], "A", lmk="02")
        pin = _answer(f"JE{zpk}{inputs['block']}48{inputs['pan']};", "%02")[4:]

        assert _answer(f"NG{inputs['pan'][3:15]}{pin}", "%02") == f"NH00{vector['expected']}F"

    def test_the_encrypted_table_of_the_captures_is_the_clear_one(self) -> None:
        (vector,) = vectors("thales_encrypted_decimalisation_table")
        frame = f"EA{ZPK_1}{PVK_IBM}12967CDB6E3D492E280106{FIRST}%s{VALIDATION}309783FFFFFF%%01"

        codes = [code_of(HSM, (frame % table).encode()) for table in (vector["expected"], vector["inputs"]["clear"])]

        assert codes == ["00", "00"]
