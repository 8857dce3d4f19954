"""A message that does not decode is still answered if it can be, and nothing secret is kept of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso import decode, dialect, encode
from iso.dialects import DIALECT_NAMES
from iso.salvage import salvage
from iso.translate import to_1987, to_1993
from tests.support.messages import TEST_PAN, authorisation_request, messages

each_dialect = pytest.mark.parametrize("name", DIALECT_NAMES)
IDENTITY = {7, 11, 12, 13, 32, 37, 41, 42, 70}


class TestSalvage:
    """What identifies a broken message is read as far as it goes; a rejection of it can be written."""

    @each_dialect
    @given(raw=st.binary(max_size=200))
    def test_any_bytes_give_a_message_that_can_be_answered_or_nothing(self, name: str, raw: bytes) -> None:
        found = salvage(raw, dialect(name))

        assert found is None or set(found.fields) <= IDENTITY

    @each_dialect
    @given(data=st.data())
    def test_a_cut_message_can_be_rejected_in_its_own_dialect(self, name: str, data: st.DataObject) -> None:
        message = data.draw(messages(dialect(name)))
        raw = encode(message, dialect(name))

        found = salvage(raw[: data.draw(st.integers(0, len(raw)))], dialect(name))

        if found is None or not found.is_request:
            return
        if dialect(name).version == "1993":
            rejection = to_1993(to_1987(found).reply("30"), year=2026)
        else:
            rejection = found.reply("30".zfill(dialect(name).formats[39].size))
        assert decode(encode(rejection, dialect(name)), dialect(name)).is_response

    def test_what_stands_before_the_fault_is_kept(self) -> None:
        raw = encode(authorisation_request(), dialect("ascii87"))
        at = raw.index(b"5999")

        found = salvage(raw[:at] + b"\xff" + raw[at + 1 :], dialect("ascii87"))

        assert found is not None
        assert found.mti == "0100"
        assert found.fields == {7: "1122131155", 11: "000001", 12: "131155", 13: "1122"}
        assert TEST_PAN not in str(dict(found.fields))

    def test_the_header_is_kept_for_the_way_back(self) -> None:
        raw = encode(authorisation_request(), dialect("pos-bcd87"))

        found = salvage(raw[:-3], dialect("pos-bcd87"))

        assert found is not None
        assert found.reply("30").header == "6000020001"
