"""CW, CY, RY, PM: the values that cards show and send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm_sim.core import indexes
from hsm_sim.core.commands.fields import Value
from tests.hsm_sim.commands.opened import AES_BLOCK, ask, block_key, code_of, variant_key
from tests.hsm_sim.oracles import cvv as psec_cvv
from tests.support.hsm import PAN, Hsm
from tests.support.vectors import vectors

HSM = Hsm()
CVK = "0123456789ABCDEFFEDCBA9876543210"
CSCK = "02468ACE13579BDFFDB97531ECA86420"
AMEX = "371234567890123"
CVVS = [*vectors("cvv_generate"), *vectors("cvv_generate_second_pass")]
MK_CVC3 = "01234567899876543210012345678998"


def card(vector: dict[str, Any]) -> dict[str, Value]:
    inputs = vector["inputs"]
    return {name: inputs[name] for name in ("pan", "expiry", "service_code")}


class TestCvv:
    """A CVV is the same whichever way its key is held, and verifies only as it is."""

    @pytest.mark.parametrize("vector", CVVS)
    @pytest.mark.parametrize("scheme", ["U", "X", "0"])
    def test_known_values_under_the_variant_lmk(self, vector: dict[str, Any], scheme: str) -> None:
        key = variant_key("402", vector["inputs"]["cvk"], scheme)

        made = ask(HSM, "CW", key=key, **card(vector))
        checked = ask(HSM, "CY", key=key, cvv=vector["expected"], **card(vector))

        assert made == ("00", {"cvv": vector["expected"]})
        assert checked.code == "00"

    @pytest.mark.parametrize("vector", CVVS)
    @pytest.mark.parametrize("lmk", ["01", "02"])
    def test_known_values_under_key_blocks(self, vector: dict[str, Any], lmk: str) -> None:
        key = block_key("C0", vector["inputs"]["cvk"], mode="C", lmk=lmk)

        made = ask(HSM, "CW", key=key, lmk=lmk, **card(vector))

        assert made.values == {"cvv": vector["expected"]}

    def test_a_captured_command(self) -> None:
        key = b"S00072C0TN00E0001A417975993E2331918759DD1656AC94306BE01C19FDE29E83A93AB42"

        assert HSM.frame("open", b"CW" + key + b"502265400089000092;2010620%01") == b"CX00181"
        assert HSM.frame("open", b"CY" + key + b"181502265400089000092;2010620%01") == b"CZ00"
        assert HSM.frame("open", b"CY" + key + b"182502265400089000092;2010620%01") == b"CZ01"

    @settings(max_examples=50)
    @given(st.binary(min_size=16, max_size=16), st.text("0123456789", min_size=13, max_size=19))
    def test_as_psec_where_psec_is_right(self, material: bytes, pan: str) -> None:
        if len(set(material)) < 4:
            return
        key = block_key("C0", material)

        made = ask(HSM, "CW", key=key, pan=pan, expiry="3012", service_code="201", lmk="01").values["cvv"]

        assert str(made).startswith(psec_cvv(material, pan, "3012", "201"))

    def test_the_issuers_own_key_stays_at_its_place(self) -> None:
        made = ask(HSM, "CW", "issuer-a", key=indexes.CVK, pan=PAN, expiry="3012", service_code="000")

        checked = ask(
            HSM, "CY", "issuer-a", key=indexes.CVK, cvv=made.values["cvv"], pan=PAN, expiry="3012", service_code="000"
        )
        elsewhere = ask(HSM, "CW", "issuer-b", key=indexes.CVK, pan=PAN, expiry="3012", service_code="000")

        assert checked.code == "00"
        assert elsewhere.values != made.values

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            ("CW{good}42424242424;3012201", "22"),
            ("CW{good}42424242424242424242;3012201", "22"),
            ("CW{good}4242424242424242;30A2201", "15"),
            ("CW{good}4242424242424242;301220", "80"),
            ("CW{good}4242424242424242;3012201X", "15"),
            ("CWU" + "00" * 16 + "4242424242424242;3012201", "10"),
            ("CW{bdk}4242424242424242;3012201%01", "A6"),
            ("CW{verifies}4242424242424242;3012201%01", "A8"),
            ("CW{good}4242424242424242;3012201%01", "26"),
            ("CW{good}4242424242424242;3012201%03", "13"),
        ],
    )
    def test_a_refusal(self, command: str, code: str) -> None:
        keys = {
            "good": variant_key("402", CVK),
            "bdk": block_key("B0", CVK),
            "verifies": block_key("C0", CVK, mode="V"),
        }

        assert code_of(HSM, command.format(**keys).encode()) == code


class TestAmexSecurityCodes:
    """RY makes three codes in one go and verifies those that it is given."""

    def fields(self, **more: Value) -> dict[str, Value]:
        common: dict[str, Value] = {
            "mode": "3",
            "flag": "0",
            "key": variant_key("402", CSCK),
            "account": AMEX + "0000",
            "expiry": "3012",
        }
        return common | more

    @pytest.mark.parametrize("extra", [{"flag": "0"}, {"flag": "2", "service_code": "201"}, {"flag": "3"}])
    def test_what_it_makes_it_verifies(self, extra: dict[str, Value]) -> None:
        made = ask(HSM, "RY", **self.fields(**extra)).values
        codes = {name: made[name] for name in ("csc5", "csc4", "csc3")}

        checked = ask(HSM, "RY", **self.fields(**extra, **codes) | {"mode": "4"})

        assert checked == ("00", {"mode": "4", "results": "000"})

    def test_one_may_be_skipped_and_one_wrong(self) -> None:
        made = ask(HSM, "RY", **self.fields()).values
        wrong = f"{(int(str(made['csc3'])) + 1) % 1000:03d}"

        checked = ask(HSM, "RY", **self.fields(mode="4", csc5="FFFFF", csc4=made["csc4"], csc3=wrong))

        assert checked == ("01", {"mode": "4", "results": "102"})

    def test_the_account_may_be_filled_on_either_side(self) -> None:
        left, right = (ask(HSM, "RY", **self.fields(account=account)) for account in ("0000" + AMEX, AMEX + "0000"))

        assert left == right

    def test_the_service_code_and_the_version_matter(self) -> None:
        answers = {
            str(ask(HSM, "RY", **self.fields(**extra)).values)
            for extra in ({}, {"flag": "2", "service_code": "201"}, {"flag": "2", "service_code": "101"})
        }

        assert len(answers) == 3

    def test_an_account_without_room_for_the_filling_is_refused(self) -> None:
        assert ask(HSM, "RY", **self.fields(account=AMEX + "1111")).code == "22"


class TestDynamicValues:
    """PM verifies what a contactless card makes anew for each payment."""

    def track_1(self, value: str, **more: Value) -> dict[str, Value]:
        (vector,) = vectors("cvc3_track1")
        inputs = vector["inputs"]
        return self.fields(inputs, inputs["track1_ascii"].encode(), value) | more

    def fields(self, inputs: dict[str, str], track: bytes, value: str) -> dict[str, Value]:
        return {
            "scheme": "1",
            "version": "0",
            "key": variant_key("709", MK_CVC3),
            "option": "A",
            "pan": inputs["pan"],
            "psn": inputs["psn"],
            "track": track,
            "un": inputs["un"],
            "atc": f"{int(inputs['atc'], 16):05d}",
            "value": value,
        }

    @pytest.mark.parametrize("value", ["419FF", "419  "])
    def test_a_known_value_of_track_1(self, value: str) -> None:
        assert ask(HSM, "PM", **self.track_1(value)).code == "00"

    @pytest.mark.parametrize("printable", [False, True])
    def test_a_known_value_of_track_2(self, printable: bool) -> None:
        (vector,) = vectors("cvc3_track2")
        text = vector["inputs"]["track2"]
        track = text.rstrip("F").replace("D", "=").encode() if printable else bytes.fromhex(text)

        checked = ask(HSM, "PM", **self.fields(vector["inputs"], track, vector["expected"] + "FF"))

        assert checked.code == "00"

    @pytest.mark.parametrize("value", ["41900", "420FF", "19FFF", "FFFFF", "ABCDE"])
    def test_a_wrong_value_gets_the_right_one_in_the_authorised_state(self, value: str) -> None:
        checked = ask(HSM, "PM", **self.track_1(value))

        assert checked.code == "01"
        assert str(checked.values["right"]).endswith("419")

    def test_no_right_value_outside_the_authorised_state(self) -> None:
        fields = self.track_1("00000", key=indexes.MK_CVC3)

        assert ask(HSM, "PM", "issuer-a", **fields) == ("01", {})

    def test_visas_dcvv(self) -> None:
        fields = self.fields(
            {"pan": PAN, "psn": "00", "un": "00000000", "atc": "0001"}, b"4242424242424242=3012201", "0"
        )
        key = block_key("31", MK_CVC3, lmk=AES_BLOCK)
        visa = fields | {"scheme": "0", "key": key, "lmk": AES_BLOCK}

        right = str(ask(HSM, "PM", **visa | {"value": "FFFFF"}).values["right"])
        again = ask(HSM, "PM", **visa | {"value": right[-3:] + "FF"})
        later = ask(HSM, "PM", **visa | {"value": right, "atc": "00002"})

        assert right.startswith("00")
        assert (again.code, later.code) == ("00", "01")

    @pytest.mark.parametrize(
        "changes", [{"atc": "65536"}, {"un": "not hex!"}, {"scheme": "0", "track": b"no separator"}]
    )
    def test_malformed_data(self, changes: dict[str, Value]) -> None:
        assert ask(HSM, "PM", **self.track_1("419FF") | changes).code == "15"
