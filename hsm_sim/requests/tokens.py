"""Requests to the token vault: store a card, make a cryptogram, detokenise."""

from typing import NamedTuple

from hsm_sim.core.commands import decode_answer, encode_command
from hsm_sim.requests.base import amount_of, text_of


class CardStored(NamedTuple):
    """Answer to `StoreCard`.

    Attributes
    ----------
    token
        str, as long as the PAN, Luhn-valid, last four digits kept, in the reserved BIN.
    fingerprint
        str[29], `fp_` + base32: the same for the same PAN and requestor, whatever the expiry.
    """

    code: str
    token: str = ""
    fingerprint: str = ""


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
    """

    pan: str
    expiry: str
    cvc: str
    requestor: str

    def encode(self) -> bytes:
        """Return the host command."""
        return encode_command("ZA", self._asdict())

    def parse(self, answer: bytes) -> CardStored:
        """Return the typed answer."""
        code, got = decode_answer("ZA", answer, {})
        return CardStored(code, text_of(got, "token"), text_of(got, "fingerprint"))

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
    """

    token: str
    amount_minor: int
    currency: str
    merchant: str

    def encode(self) -> bytes:
        """Return the host command."""
        values = {
            "token": self.token,
            "amount": amount_of(self.amount_minor),
            "currency": self.currency,
            "merchant": self.merchant,
        }
        return encode_command("ZC", values)

    def parse(self, answer: bytes) -> TokenCryptogram:
        """Return the typed answer."""
        code, got = decode_answer("ZC", answer, {})
        return TokenCryptogram(code, text_of(got, "cryptogram"), text_of(got, "atc"), text_of(got, "un"))


class CardOpened(NamedTuple):
    """Answer to `Detokenise`. `cvv2` is "" if none was waiting: then it is not provided."""

    code: str
    pan: str = ""
    expiry: str = ""
    cvv2: str = ""

    def __repr__(self) -> str:
        return f"CardOpened(code={self.code!r})"


class Detokenise(NamedTuple):
    """ZE, switch only: open a token.

    A first authorisation brings the cryptogram, which is spent on `reference`; the same cryptogram with the same
    reference opens again. A follow-up (advice, reversal, completion, clearing) brings an empty cryptogram and a
    reference that a first authorisation recorded.

    Attributes
    ----------
    reference
        What names the payment for its whole life (RRN), at most 99 bytes.
    cryptogram, atc, un
        As the peer sent them: any text of at most 99 bytes can travel, bad ones are answered "V1" or "V5".
    """

    token: str
    reference: str
    cryptogram: str = ""
    atc: str = ""
    un: str = ""
    amount_minor: int = 0
    currency: str = "000"
    merchant: str = ""

    def encode(self) -> bytes:
        """Return the host command."""
        values = {
            "token": self.token,
            "reference": self.reference,
            "cryptogram": self.cryptogram,
            "atc": self.atc,
            "un": self.un,
            "amount": amount_of(self.amount_minor),
            "currency": self.currency,
            "merchant": self.merchant,
        }
        return encode_command("ZE", values)

    def parse(self, answer: bytes) -> CardOpened:
        """Return the typed answer."""
        code, got = decode_answer("ZE", answer, {})
        return CardOpened(code, text_of(got, "pan"), text_of(got, "expiry"), text_of(got, "cvv2"))

    def __repr__(self) -> str:
        return f"Detokenise(token={self.token!r}, reference={self.reference!r})"
