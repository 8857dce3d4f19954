"""Requests about the life of a token: suspend, resume, delete, restrict, describe. The gateway's alone."""

from typing import NamedTuple

from hsm_sim.core.commands.vault import domain_from, domain_values
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.core.vault import UNRESTRICTED, Domain
from hsm_sim.requests.base import text_of


class TokenChanged(NamedTuple):
    """Answer to the changes: "V0" the requestor has no such token, "VA" it is deleted, "15" not a reason or domain."""

    code: str


class SuspendToken(NamedTuple):
    """Z0: refuse first authorisations until further notice.

    Attributes
    ----------
    requestor
        Whose token it is.
    reason
        1 to 32 of a-z and `_`, such as "lost_card": it is kept, and goes to the audit log.
    """

    token: str
    requestor: str
    reason: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("Z0", self._asdict())

    def parse(self, answer: bytes) -> TokenChanged:
        """Return the typed answer."""
        return TokenChanged(decode_answer("Z0", answer, {})[0])


class ResumeToken(NamedTuple):
    """Z2: let a suspended token be used again."""

    token: str
    requestor: str
    reason: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("Z2", self._asdict())

    def parse(self, answer: bytes) -> TokenChanged:
        """Return the typed answer."""
        return TokenChanged(decode_answer("Z2", answer, {})[0])


class DeleteToken(NamedTuple):
    """Z4: refuse first authorisations for ever; recorded references can be followed up for some months."""

    token: str
    requestor: str
    reason: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("Z4", self._asdict())

    def parse(self, answer: bytes) -> TokenChanged:
        """Return the typed answer."""
        return TokenChanged(decode_answer("Z4", answer, {})[0])


class RestrictToken(NamedTuple):
    """Z6: give a token another domain in place of the one that it has."""

    token: str
    requestor: str
    domain: Domain

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("Z6", {"token": self.token, "requestor": self.requestor, **domain_values(self.domain)})

    def parse(self, answer: bytes) -> TokenChanged:
        """Return the typed answer."""
        return TokenChanged(decode_answer("Z6", answer, {})[0])


class TokenDescribed(NamedTuple):
    """Answer to `DescribeToken`.

    Attributes
    ----------
    state
        "active", "suspended", "deleted" or "erased".
    reason
        What the last change of state was made for.
    expiry
        str[4] YYMM of the card; "" once erased.
    fingerprint, former_fingerprint, par
        As in `CardStored`; fingerprints are "" once deleted, everything is once erased.
    """

    code: str
    state: str = ""
    reason: str = ""
    expiry: str = ""
    fingerprint: str = ""
    former_fingerprint: str = ""
    par: str = ""
    domain: Domain = UNRESTRICTED


class DescribeToken(NamedTuple):
    """Z8: what a requestor may know of its token."""

    token: str
    requestor: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("Z8", self._asdict())

    def parse(self, answer: bytes) -> TokenDescribed:
        """Return the typed answer."""
        code, got = decode_answer("Z8", answer, {})
        return TokenDescribed(
            code,
            text_of(got, "state"),
            text_of(got, "reason"),
            text_of(got, "expiry"),
            text_of(got, "fingerprint"),
            text_of(got, "former_fingerprint"),
            text_of(got, "par"),
            domain_from(got),
        )
