"""A chip card in software: a state machine with a counter, its own keys and a PIN; state in, state out.

`Card` never changes: each operation returns what the card says and the card as it is afterwards. It signs what a real
card of its cryptogram version signs, so that an issuer's HSM checks it without knowing that it is software. There are
no APDUs: `Card.generate_ac` is GENERATE AC, `Card.verify_pin` is VERIFY, `Card.check_arpc` is EXTERNAL AUTHENTICATE (or
the first half of the second GENERATE AC). It reads no clock, draws no chance and does no input or output.

Source
------
Order of the steps and meaning of the tags: EMV Books 2 and 3 as commonly described. Keys and signed data: shared
facts, hsm 2.2, and `hsm_sim.core.crypto.versions`. The bits of the card verification results are those that public
tag decoders show; the schemes' documents were not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import same
from hsm_sim.core.crypto.emv import ChipKey
from hsm_sim.core.crypto.versions import Version, make_answer, make_cryptogram, mastercard_version, visa_version
from iso.errors import CardrailsError

ATC_MAX: Final = 0xFFFF
PIN_TRIES: Final = 3
VISA: Final = "visa"
MASTERCARD: Final = "mastercard"
_VERSIONS: Final = {VISA: visa_version, MASTERCARD: mastercard_version}
_DECISION: Final = {VISA: 4, MASTERCARD: 2}
"""Where in tag 9F10 the byte lies that says what the card decided; the byte behind it tells the card's history."""

_FIRST_SHIFT: Final = 4
_SECOND_SHIFT: Final = 6
_NOT_ASKED: Final = 2
_ISSUER_FAILED: Final = 0x08
_PIN_CHECKED: Final = 0x04
_PIN_FAILED: Final = 0x02
_NOT_COMPLETED: Final = 0x80
_PIN_BLOCKED: Final = 0x40
_LIMIT_EXCEEDED: Final = 0x20
_NEW_CARD: Final = 0x10


class CardError(CardrailsError):
    """The card refuses: it is used up, or it was asked out of turn. The text names the rule."""


class Kind(Enum):
    """What a cryptogram says: declined offline, approved, or "ask my issuer". The value is the top of tag 9F27."""

    AAC = 0x00
    TC = 0x40
    ARQC = 0x80


_CODE: Final = {Kind.AAC: 0, Kind.TC: 1, Kind.ARQC: 2}
_WEIGHT: Final = {Kind.AAC: 0, Kind.ARQC: 1, Kind.TC: 2}
"""A card may answer with less than it was asked for, never with more."""


class Profile(NamedTuple):
    """What the issuer wrote on the chip and what never changes.

    Attributes
    ----------
    scheme
        "visa" or "mastercard": whose cryptogram versions tag 9F10 names.
    aid, label
        Application identifier in hex, and its name.
    pan, psn, expiry
        Account number; its sequence number, two digits; YYMM.
    track2
        Tag 57 without padding: as a message carries it, with `=`.
    service_code
        str[3].
    aip
        bytes[2], application interchange profile (tag 82).
    issuer_data
        Tag 9F10 with empty results: length, key index, version, ...
    offline_max
        After so many payments without its issuer the card goes online (tag 9F14).
    """

    scheme: str
    aid: str
    label: str
    pan: str
    psn: str
    expiry: str
    track2: str
    service_code: str
    aip: bytes
    issuer_data: bytes
    offline_max: int = 3

    def __repr__(self) -> str:
        return f"Profile({self.label!r}, scheme={self.scheme!r})"


class Keys(NamedTuple):
    """The card's own master keys, bytes[16] each: cryptograms, script integrity and confidentiality, dynamic values."""

    cryptogram: bytes
    integrity: bytes
    confidentiality: bytes
    dynamic: bytes

    def __repr__(self) -> str:
        return "Keys()"


class Pending(NamedTuple):
    """An ARQC that waits for its issuer: the cryptogram, and the unpredictable number it was made with."""

    arqc: bytes
    unpredictable: bytes


class Memory(NamedTuple):
    """What the card remembers between payments.

    Attributes
    ----------
    atc
        Payments so far; the next one has one more.
    online_atc
        Counter of the last one that the issuer answered; 0 for a new card.
    pin_tries
        Wrong PINs that are left.
    pending
        Set between an ARQC and the issuer's answer, or the next payment.
    is_trusted
        Whether the issuer's answer to the pending ARQC was checked and right; None before.
    """

    atc: int = 0
    online_atc: int = 0
    pin_tries: int = PIN_TRIES
    pending: Pending | None = None
    is_trusted: bool | None = None


class Cryptogram(NamedTuple):
    """What GENERATE AC answers.

    Attributes
    ----------
    kind
        What the card decided.
    value
        bytes[8], tag 9F26.
    tags
        9F27, 9F36, 9F10, 82 and 9F26, ready for DE 55.
    """

    kind: Kind
    value: bytes
    tags: dict[str, bytes]


class Card(NamedTuple):
    """One chip card.

    Attributes
    ----------
    profile, keys
        Written by its issuer.
    pin
        Reference PIN for offline checks; "" if the card has none.
    memory
        What it remembers.
    """

    profile: Profile
    keys: Keys
    pin: str
    memory: Memory = Memory()

    def __repr__(self) -> str:
        return f"Card({self.profile!r}, atc={self.memory.atc})"

    @property
    def version(self) -> Version:
        """The cryptogram version of the profile; `CardError` if its issuer data name none."""
        try:
            return _VERSIONS[self.profile.scheme](self.profile.issuer_data)
        except (KeyError, ValueError):
            unknown = CardError("the card's issuer application data (9F10) name no known cryptogram version")
        raise unknown

    def verify_pin(self, pin: str) -> tuple[bool, Card]:
        """Check a PIN on the card; a wrong one costs a try, the right one gives all of them back.

        Returns
        -------
        tuple
            Whether it is right (never, with no tries left), and the card afterwards.

        Raises
        ------
        CardError
            The card has no PIN.
        """
        if not self.pin:
            raise CardError("the card has no reference PIN: it cannot check one offline")
        left = self.memory.pin_tries
        if left and same(pin, self.pin):
            return True, self._with(pin_tries=PIN_TRIES)
        return False, self._with(pin_tries=max(0, left - 1))

    def generate_ac(
        self, terminal: Mapping[str, bytes], wanted: Kind, pin_right: bool | None = None
    ) -> tuple[Cryptogram, Card]:
        """Begin a payment: advance the counter, decide, sign.

        Parameters
        ----------
        terminal
            Tags 9F02, 9F03, 9F1A, 95, 5F2A, 9A, 9C and 9F37: what the terminal says about the payment.
        wanted
            What the terminal asks for. The card may answer with less: it goes online after `Profile.offline_max`
            payments on its own, as a new card, when its last ARQC was never answered, and after a wrong PIN or with
            none of its tries left.
        pin_right
            Whether `verify_pin` was right in this payment; None if it was not asked.

        Returns
        -------
        tuple
            The cryptogram, and the card afterwards. Keep the card before the cryptogram leaves: a counter that was
            used twice looks like a copied card to its issuer.

        Raises
        ------
        CardError
            The counter is used up, or the terminal's tags are not whole.
        """
        memory = self.memory
        if memory.atc >= ATC_MAX:
            raise CardError("the card's transaction counter is used up")
        atc = memory.atc + 1
        is_new, waits = not memory.online_atc, memory.pending is not None
        is_over = atc - memory.online_atc > self.profile.offline_max
        is_unverified = pin_right is False or not memory.pin_tries
        kind = wanted
        if (is_new or waits or is_over or is_unverified) and _WEIGHT[kind] > _WEIGHT[Kind.ARQC]:
            kind = Kind.ARQC
        decision = _NOT_ASKED << _SECOND_SHIFT | _CODE[kind] << _FIRST_SHIFT
        if pin_right is not None:
            decision |= _PIN_CHECKED if pin_right else _PIN_CHECKED | _PIN_FAILED
        history = (_NEW_CARD if is_new else 0) | (_NOT_COMPLETED if waits else 0)
        history |= (_LIMIT_EXCEEDED if is_over else 0) | (0 if memory.pin_tries else _PIN_BLOCKED)
        made = self._signed(terminal, kind, atc, decision, history)
        pending = Pending(made.value, terminal["9F37"]) if kind is Kind.ARQC else None
        return made, self._with(atc=atc, pending=pending, is_trusted=None)

    def check_arpc(self, issuer_data: bytes) -> tuple[bool, Card]:
        """Check the issuer's answer to the pending ARQC.

        Parameters
        ----------
        issuer_data
            Tag 91. Method 1: ARPC 8 bytes and response code 2 bytes; method 2: ARPC 4 bytes, card status update 4
            bytes, and up to 8 bytes more.

        Returns
        -------
        tuple
            Whether its issuer said it, and the card afterwards.

        Raises
        ------
        CardError
            No ARQC waits for an answer.
        """
        memory = self.memory
        if memory.pending is None:
            raise CardError("no ARQC of this card waits for an answer")
        version, waiting = self.version, memory.pending
        size = 8 if version.answer == 1 else 4
        arpc, response = issuer_data[:size], issuer_data[size : size + (2 if version.answer == 1 else 4)]
        tags = {"9F36": memory.atc.to_bytes(2, "big"), "9F37": waiting.unpredictable}
        rest = issuer_data[size + len(response) :]
        try:
            right = make_answer(version, ChipKey(self.keys.cryptogram), tags, waiting.arqc, response, rest)
        except ValueError:
            right = b""
        fits = len(issuer_data) == 10 if version.answer == 1 else 8 <= len(issuer_data) <= 16
        is_right = fits and same(right, arpc)
        online_atc = memory.atc if is_right else memory.online_atc
        return is_right, self._with(is_trusted=is_right, online_atc=online_atc)

    def finish(self, terminal: Mapping[str, bytes], is_approved: bool) -> tuple[Cryptogram, Card]:
        """End a payment that went online: the second GENERATE AC.

        Parameters
        ----------
        terminal
            As in `generate_ac`, with the response code (8A) now known to the terminal.
        is_approved
            What the issuer decided. The card declines all the same if its issuer's answer did not check.

        Returns
        -------
        tuple
            A TC or an AAC, and the card afterwards.

        Raises
        ------
        CardError
            No ARQC waits for an answer.
        """
        memory = self.memory
        if memory.pending is None:
            raise CardError("no ARQC of this card waits for an answer")
        kind = Kind.TC if is_approved and memory.is_trusted is not False else Kind.AAC
        decision = _CODE[kind] << _SECOND_SHIFT | _CODE[Kind.ARQC] << _FIRST_SHIFT
        if memory.is_trusted is False:
            decision |= _ISSUER_FAILED
        made = self._signed(terminal, kind, memory.atc, decision, 0)
        online_atc = memory.atc if kind is Kind.TC else memory.online_atc
        return made, self._with(pending=None, is_trusted=None, online_atc=online_atc)

    def _signed(self, terminal: Mapping[str, bytes], kind: Kind, atc: int, decision: int, history: int) -> Cryptogram:
        data = bytearray(self.profile.issuer_data)
        place = _DECISION[self.profile.scheme]
        data[place : place + 2] = bytes((decision, history))
        tags = {
            "82": self.profile.aip,
            "9F36": atc.to_bytes(2, "big"),
            "9F10": bytes(data),
            "9F27": bytes((kind.value,)),
        }
        try:
            value = make_cryptogram(self.version, ChipKey(self.keys.cryptogram), {**terminal, **tags})
        except ValueError as error:
            problem = f"the terminal's data are not whole: {error}"
        else:
            return Cryptogram(kind, value, {"9F26": value, **tags})
        raise CardError(problem)

    def _with(self, **changes: object) -> Card:
        return self._replace(memory=self.memory._replace(**changes))  # type: ignore[arg-type]
