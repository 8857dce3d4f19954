"""Whatever a peer sends, a bank answers it or refuses it; it never fails, and its books stay in order."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iso import dialect, encode
from iso.mti import is_request
from node.core.events import Connected, Received
from tests.support.banks import AcquirerBench, Bench, IssuerBench, at_acquirer, at_issuer
from tests.support.messages import messages

LINKS = pytest.mark.parametrize(
    ("build", "link", "connection", "speaks"),
    [
        (IssuerBench, "network", 1, "ascii87"),
        (lambda: IssuerBench(speaks="ebcdic93"), "network", 1, "ebcdic93"),
        (AcquirerBench, "gateway", 1, "pos-bcd87"),
        (AcquirerBench, "network", 2, "net-bin87"),
    ],
    ids=["issuer-ascii87", "issuer-ebcdic93", "acquirer-gateway", "acquirer-network"],
)
SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def deliver(bench: Bench, link: str, connection: int, frame: bytes) -> None:
    """Let a frame arrive on a connection, a new one if the host has closed the old one."""
    if connection not in bench.host.links[link].connections:
        bench.do(Connected(link, connection, dialled=False))
    bench.do(Received(link, connection, frame, True))


class TestAnyInput:
    """Garbage, and legal messages that make no sense, are answered with a code or not at all."""

    @LINKS
    @given(frames=st.lists(st.binary(max_size=200), max_size=4))
    @SLOW
    def test_any_bytes(self, build: type[Bench], link: str, connection: int, speaks: str, frames: list[bytes]) -> None:
        bench = build()  # type: ignore[call-arg]

        for frame in frames:
            deliver(bench, link, connection, frame)

        assert all(message.is_response for message in bench.sent.get(link, []))

    @LINKS
    @given(data=st.data())
    @SLOW
    def test_any_legal_message(
        self, build: type[Bench], link: str, connection: int, speaks: str, data: st.DataObject
    ) -> None:
        bench = build()  # type: ignore[call-arg]
        message = data.draw(messages(dialect(speaks)))

        deliver(bench, link, connection, encode(message, dialect(speaks)))
        bench.pass_time(20.0)

        asked = is_request(message.mti)
        assert len(bench.sent.get(link, [])) <= 1
        assert asked or not bench.sent.get(link)

    @given(
        absent=st.sets(
            st.sampled_from(("de2", "de3", "de4", "de12", "de13", "de14", "de32", "de37", "de41", "de42", "de49")),
            max_size=4,
        ),
        mti=st.sampled_from(("0100", "0101", "0120", "0121", "0200", "0220", "0221", "0400", "0420", "0421")),
    )
    @SLOW
    def test_a_request_with_anything_left_out(self, absent: set[str], mti: str) -> None:
        issuer, acquirer = IssuerBench(), AcquirerBench()
        left_out = dict.fromkeys(absent)

        for_issuer = issuer.hear("network", at_issuer(**left_out).with_fields({39: "00"}, mti=mti))
        acquirer.gateway_says(at_acquirer(**left_out).with_fields({}, mti=mti))
        acquirer.pass_time(15.0)

        assert len(for_issuer) == 1
        assert len(acquirer.sent["gateway"]) == 1
        assert issuer.audit() == []
