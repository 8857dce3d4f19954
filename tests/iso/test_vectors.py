"""Messages that other people's systems wrote: every one decodes to what its source says, and back to the same bytes."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from iso8583 import specs

from iso import Dialect, RemoteProtocolError, decode, dialect, encode, framing

CORPUS = {
    entry["id"]: entry
    for entry in json.loads((Path(__file__).parents[1] / "corpus" / "iso8583.json").read_text(encoding="utf-8"))
}


def foreign(name: str, base: dict[str, Any], version: str = "1987", **changes: dict[str, Any]) -> Dialect:
    spec = copy.deepcopy(base)
    for element, change in changes.items():
        spec[element.removeprefix("de")] |= change
    return Dialect.from_pyiso8583(spec, name=name, version=version)


PACKED = replace(dialect("pos-bcd87"), name="packed", header="none", default_header="")
PRIVATE = foreign(
    "private",
    specs.default_ascii,
    "1993",
    de35={"data_enc": "b", "max_len": 18},
    de52={"data_enc": "b", "max_len": 8},
)
DIALECTS = {
    "V25": foreign("text", specs.default_ascii),
    "V26": dialect("ascii87"),
    "V29": dialect("ebcdic93"),
    "V34": PRIVATE,
    "V35": dialect("ascii87"),
    "V36": foreign("binary-bitmap", specs.default),
    "V42": dialect("pos-bcd87"),
    "V43": foreign("1993", specs.default, "1993", de12={"max_len": 12}),
    "V48": PACKED,
    "V50": dialect("ascii87"),
    "V51": dialect("ascii87"),
    "V61": dialect("ascii87"),
}
FRAMED = {"V42": "len2-bcd", "V43": "len4-ascii"}


def payload(name: str) -> bytes:
    data = bytes.fromhex(CORPUS[name]["hex"])
    if name not in FRAMED:
        return data
    [frame] = framing(FRAMED[name]).decoder().feed(data)
    return frame


class TestVectors:
    """What other implementations wrote is read as they meant it."""

    @pytest.mark.parametrize("name", DIALECTS)
    def test_the_elements_are_those_of_the_source(self, name: str) -> None:
        expected = {int(element): value for element, value in CORPUS[name]["expected_fields"].items()}

        message = decode(payload(name), DIALECTS[name])

        assert {0: message.mti, **message.fields} == expected

    @pytest.mark.parametrize("name", DIALECTS)
    def test_the_bytes_come_back(self, name: str) -> None:
        data = payload(name)

        again = encode(decode(data, DIALECTS[name]), DIALECTS[name])

        assert again == data

    def test_a_tpdu_is_kept(self) -> None:
        message = decode(payload("V42"), dialect("pos-bcd87"))

        assert message.header == "6000100000"

    def test_a_message_whose_bitmap_hides_its_second_half_is_refused(self) -> None:
        with pytest.raises(RemoteProtocolError):
            decode(payload("V15"), dialect("ascii87"))

    def test_a_trailer_that_the_framing_does_not_know_is_refused_with_its_place(self) -> None:
        data = bytes.fromhex(CORPUS["V41"]["hex"])[2:]

        with pytest.raises(RemoteProtocolError) as caught:
            decode(data, PACKED)

        assert (caught.value.offset, caught.value.mti) == (len(data) - 1, "0800")
