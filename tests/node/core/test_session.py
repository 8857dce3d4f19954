"""The session of a connection: what each network-management code makes of each state."""

from __future__ import annotations

import pytest

from node.core.session import (
    CARRIES_TRAFFIC,
    CUT_OVER,
    ECHO,
    KEY_CHANGE,
    KEY_REQUEST,
    SIGN_OFF,
    SIGN_ON,
    Session,
    network_management,
    next_session,
)
from tests.support.links import EPOCH

TABLE = {
    (Session.CONNECTED, SIGN_ON): Session.SIGNED_ON,
    (Session.CONNECTED, SIGN_OFF): Session.SIGNED_OFF,
    (Session.CONNECTED, ECHO): Session.CONNECTED,
    (Session.SIGNED_ON, SIGN_ON): Session.SIGNED_ON,
    (Session.SIGNED_ON, SIGN_OFF): Session.SIGNED_OFF,
    (Session.SIGNED_ON, ECHO): Session.SIGNED_ON,
    (Session.SUSPECT, SIGN_ON): Session.SIGNED_ON,
    (Session.SUSPECT, SIGN_OFF): Session.SIGNED_OFF,
    (Session.SUSPECT, ECHO): Session.SIGNED_ON,
    (Session.SIGNED_OFF, SIGN_ON): Session.SIGNED_ON,
    (Session.SIGNED_OFF, SIGN_OFF): Session.SIGNED_OFF,
    (Session.SIGNED_OFF, ECHO): Session.SIGNED_OFF,
}


class TestSession:
    """Sign-on and sign-off always take effect; an echo heals a suspect and changes nothing else."""

    @pytest.mark.parametrize(("session", "code"), list(TABLE), ids=str)
    def test_every_code_in_every_state(self, session: Session, code: str) -> None:
        assert next_session(session, code) is TABLE[session, code]

    @pytest.mark.parametrize("code", [CUT_OVER, KEY_CHANGE, KEY_REQUEST, "999", ""])
    @pytest.mark.parametrize("session", list(Session))
    def test_a_code_that_is_the_owners_is_no_step(self, session: Session, code: str) -> None:
        assert next_session(session, code) is None

    def test_only_a_signed_on_or_suspect_session_carries_traffic(self) -> None:
        assert {Session.SIGNED_ON, Session.SUSPECT} == CARRIES_TRAFFIC

    def test_a_management_message_has_time_trace_and_code(self) -> None:
        message = network_management(ECHO, "000007", EPOCH)

        assert (message.mti, dict(message.fields)) == ("0800", {7: "0314092653", 11: "000007", 70: "301"})
