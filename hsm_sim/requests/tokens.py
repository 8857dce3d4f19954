"""Requests to the token vault: store a card, make a cryptogram, detokenise."""

from typing import NamedTuple

from hsm_sim.core.commands.fields import Value
from hsm_sim.core.commands.vault import domain_values
from hsm_sim.core.commands.wire import decode_answer, encode_command
from hsm_sim.core.vault import UNRESTRICTED, Domain
from hsm_sim.requests.base import amount_of, text_of


class CardStored(NamedTuple):
    """Answer to `StoreCard`.

    Attributes
    ----------
    token
        str, as long as the PAN, last four digits kept, in the reserved BIN; Luhn-valid unless the HSM is set otherwise.
    fingerprint
        str[29], `fp_` + base32: the same for the same PAN and requestor, whatever the expiry.
    par
        str[29], payment account reference: the same for the same PAN, whoever stores it.
    former_fingerprint
        What `fingerprint` was before its key was changed; "" if no change is under way.
    """

    code: str
    token: str = ""
    fingerprint: str = ""
    par: str = ""
    former_fingerprint: str = ""


class StoreCard(NamedTuple):
    """ZA, gateway only: hand a card in and get its network token.

    Attributes
    ----------
    pan
        13 to 19 digits, Luhn-valid.
    cvc
        3 or 4 digits that wait in memory for the first authorisation, at most 10 minutes; "" if there is none.
    requestor
        Who the token is for (merchant or wallet), at most 99 bytes.
    domain
        What the token may be used for. "VH": this card has a token with another one.
    """

    pan: str
    expiry: str
    cvc: str
    requestor: str
    domain: Domain = UNRESTRICTED

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "pan": self.pan,
            "expiry": self.expiry,
            "cvc": self.cvc,
            "requestor": self.requestor,
        }
        if self.domain != UNRESTRICTED:
            values.update(domain_values(self.domain))
        return encode_command("ZA", values)

    def parse(self, answer: bytes) -> CardStored:
        """Return the typed answer."""
        code, got = decode_answer("ZA", answer, {})
        return CardStored(
            code,
            text_of(got, "token"),
            text_of(got, "fingerprint"),
            text_of(got, "par"),
            text_of(got, "former_fingerprint"),
        )

    def __repr__(self) -> str:
        return f"StoreCard(requestor={self.requestor!r})"


class TokenCryptogram(NamedTuple):
    """Answer to `MakeCryptogram`: cryptogram 16H, ATC 4H, unpredictable number 8H."""

    code: str
    cryptogram: str = ""
    atc: str = ""
    un: str = ""

    def __repr__(self) -> str:
        return f"TokenCryptogram(code={self.code!r}, atc={self.atc!r})"


class MakeCryptogram(NamedTuple):
    """ZC, gateway only: a one-time cryptogram for one payment with this token, valid for 15 minutes.

    Attributes
    ----------
    merchant
        The card acceptor as the switch will see it (DE 42), at most 99 bytes; trailing spaces do not count.
    channel
        How the payment reached the shop; needed only for a token whose domain names channels.
    """

    token: str
    amount_minor: int
    currency: str
    merchant: str
    channel: str = ""

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "token": self.token,
            "amount": amount_of(self.amount_minor),
            "currency": self.currency,
            "merchant": self.merchant,
        }
        if self.channel:
            values["channel"] = self.channel
        return encode_command("ZC", values)

    def parse(self, answer: bytes) -> TokenCryptogram:
        """Return the typed answer."""
        code, got = decode_answer("ZC", answer, {})
        return TokenCryptogram(code, text_of(got, "cryptogram"), text_of(got, "atc"), text_of(got, "un"))


class CardOpened(NamedTuple):
    """Answer to `Detokenise`.

    Attributes
    ----------
    cvv2
        "" if none was waiting: then it is not provided.
    sealed
        The PAN for storing, if it was asked for: `OpenPan` opens it in the context of the reference.
    audit_id
        str[16] hex, of the record that the card was opened by. A first use makes one; follow-ups under its reference
        have it too, unless several first uses share the reference: then they have that of any of them.
    """

    code: str
    pan: str = ""
    expiry: str = ""
    cvv2: str = ""
    sealed: str = ""
    audit_id: str = ""

    def __repr__(self) -> str:
        return f"CardOpened(code={self.code!r}, audit_id={self.audit_id!r})"


class Detokenise(NamedTuple):
    """ZE, switch only: open a token.

    A first authorisation brings the cryptogram, which is spent on `reference`; the same cryptogram with the same
    reference opens again. A follow-up (advice, reversal, completion, clearing) brings an empty cryptogram and a
    reference that a first authorisation recorded. A payment that the merchant starts alone has no cryptogram either:
    it is opened, and recorded, if the token's domain allows it.

    Attributes
    ----------
    reference
        What names the payment for its whole life (RRN), at most 99 bytes.
    cryptogram, atc, un
        As the peer sent them: any text of at most 99 bytes can travel, bad ones are answered "V1" or "V5".
    channel
        How the payment reached the shop; needed only for a token whose domain names channels.
    merchant_initiated
        Whether this is a merchant-initiated payment.
    seal
        Whether to answer the PAN under the switch's data key as well.
    """

    token: str
    reference: str
    cryptogram: str = ""
    atc: str = ""
    un: str = ""
    amount_minor: int = 0
    currency: str = "000"
    merchant: str = ""
    channel: str = ""
    merchant_initiated: bool = False
    seal: bool = False

    def encode(self) -> bytes:
        """Return the host command."""
        values: dict[str, Value] = {
            "token": self.token,
            "reference": self.reference,
            "cryptogram": self.cryptogram,
            "atc": self.atc,
            "un": self.un,
            "amount": amount_of(self.amount_minor),
            "currency": self.currency,
            "merchant": self.merchant,
        }
        if self.channel or self.merchant_initiated or self.seal:
            values["channel"] = self.channel
            values["merchant_initiated"] = "1" if self.merchant_initiated else "0"
            values["seal"] = "1" if self.seal else "0"
        return encode_command("ZE", values)

    def parse(self, answer: bytes) -> CardOpened:
        """Return the typed answer."""
        code, got = decode_answer("ZE", answer, {})
        return CardOpened(
            code,
            text_of(got, "pan"),
            text_of(got, "expiry"),
            text_of(got, "cvv2"),
            text_of(got, "sealed"),
            text_of(got, "audit_id"),
        )

    def __repr__(self) -> str:
        return f"Detokenise(token={self.token!r}, reference={self.reference!r})"
