"""Settings of the HSM: what a file may say of slots, LMKs and limits, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hsm_sim.config import HsmConfig
from hsm_sim.core.keys.public import TEST_AES_KEY, TEST_PAIRS, TEST_TDES_KEY
from hsm_sim.core.policy import OPEN_POLICY, Policy

PARTY = {"name": "acquirer", "role": "acquirer"}


def config(**settings: Any) -> HsmConfig:
    return HsmConfig.model_validate({"parties": [PARTY], **settings})


class TestPolicies:
    """A table says what differs from the slot's default, for a slot that exists."""

    def test_the_rest_stays_strict_for_a_party_and_open_for_the_open_slot(self) -> None:
        settings = config(policies={"acquirer": {"authorised": True}, "open": {"pci_pin": True}})

        assert settings.slot_policies() == {
            "acquirer": Policy(authorised=True),
            "open": OPEN_POLICY._replace(pci_pin=True),
        }

    @pytest.mark.parametrize(
        ("policies", "words"),
        [
            ({"nobody": {}}, "no party is called 'nobody'"),
            ({"acquirer": {"pin_length_min": 8, "pin_length_max": 6}}, "pin_length_min must not exceed"),
            ({"acquirer": {"pin_length_min": 13}}, "less than or equal to 12"),
            ({"acquirer": {"check_value": "nothex"}}, "check_value"),
            ({"acquirer": {"commands_disabled": ["QQ"]}}, "no such command: QQ"),
            ({"acquirer": {"loose": True}}, "Extra inputs"),
        ],
    )
    def test_a_setting_that_cannot_be(self, policies: dict[str, Any], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            config(policies=policies)


class TestLmks:
    """The open port has the public test LMKs unless others are named."""

    def test_the_public_ones(self) -> None:
        assert {name: lmk.kind for name, lmk in config().open_lmks().items()} == {
            "00": "variant",
            "01": "tdes-block",
            "02": "aes-block",
        }

    def test_others_have_the_check_values_of_their_keys_and_the_first_is_the_default(self) -> None:
        public = config().open_lmks()
        lmks = [
            {"id": "07", "kind": "aes-block", "keys": [TEST_AES_KEY.hex()]},
            {"id": "05", "kind": "variant", "keys": [pair.hex() for pair in TEST_PAIRS]},
            {"id": "03", "kind": "tdes-block", "keys": [TEST_TDES_KEY.hex()]},
        ]

        named = config(lmks=lmks).open_lmks()

        assert list(named) == ["07", "05", "03"]
        assert [named[name].check for name in ("05", "03", "07")] == [public[name].check for name in ("00", "01", "02")]

    @pytest.mark.parametrize(
        ("kind", "keys", "words"),
        [
            ("variant", ["00" * 16], "has 20 keys"),
            ("tdes-block", ["00" * 16], "has 48 hex digits"),
            ("aes-block", ["zz" * 32], "has 32 or 48 or 64 hex digits"),
            ("rsa", ["00"], "kind"),
        ],
    )
    def test_keys_that_are_none(self, kind: str, keys: list[str], words: str) -> None:
        with pytest.raises(ValidationError, match=words):
            config(lmks=[{"id": "00", "kind": kind, "keys": keys}])

    def test_an_id_is_used_once_and_no_repr_shows_a_key(self) -> None:
        lmk = {"id": "00", "kind": "aes-block", "keys": [TEST_AES_KEY.hex()]}

        with pytest.raises(ValidationError, match="each id may be used once"):
            config(lmks=[lmk, lmk])
        assert TEST_AES_KEY.hex() not in repr(config(lmks=[lmk]))
