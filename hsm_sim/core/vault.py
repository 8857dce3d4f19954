"""The token vault: cards in, network tokens out, and back again only for one transaction at a time.

A token is random: it holds no function of the PAN beyond its last four digits, so to everyone outside it is
irreversible. The PAN is kept encrypted, bound to its token, requestor, expiry and key version, so that rows cannot
be changed or swapped. A CVV2 waits in memory only, until the first authorisation or ten minutes.

Two ways lead back to the PAN: a one-time cryptogram over amount, currency and merchant, which is spent on a
reference in the same commit that records it; or a reference that was recorded so.

Storing the same card twice for the same requestor gives the same token, so that it keeps its counter; another
expiry makes another token.

Source
------
Shared facts, hsm 5. The cryptogram is EMV-shaped (option A, common session key, algorithm 3) over our own data.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from hsm_sim.core.crypto import same
from hsm_sim.core.errors import (
    BAD_ACCOUNT,
    BAD_DATA,
    CRYPTOGRAM_EXPIRED,
    CRYPTOGRAM_NOT_ISSUED,
    CRYPTOGRAM_REPLAYED,
    CRYPTOGRAM_WRONG,
    REFERENCE_UNKNOWN,
    TOKEN_UNKNOWN,
    TOKENS_EXHAUSTED,
    HsmError,
)
from hsm_sim.core.keyblock import Entropy
from hsm_sim.core.keys import Key
from iso.pan import luhn_valid
from node.core.deadlines import Deadlines
from node.core.turn import Turn

TOKEN_BIN: Final = "9999"
CVV2_WAITS_S: Final = 600.0
CRYPTOGRAM_LIVES_S: Final = 900
CARDS_TABLE: Final = "hsm_cards"
CRYPTOGRAMS_TABLE: Final = "hsm_cryptograms"
REFERENCES_TABLE: Final = "hsm_references"
_KEY_VERSION: Final = 1
_TRIES: Final = 200
_ATC_MAX: Final = 0xFFFF
_HEX: Final = frozenset("0123456789ABCDEF")


class CardRow(NamedTuple):
    """One stored card. `sealed` is AES-GCM (nonce, ciphertext, tag) of the PAN under the vault key."""

    token: str
    requestor: str
    expiry: str
    fingerprint: str
    key_version: int
    sealed: bytes
    created_at: int


class CryptogramRow(NamedTuple):
    """One issued cryptogram: the token's counter and the business time in seconds. Append-only."""

    token: str
    atc: int
    issued_at: int


class ReferenceRow(NamedTuple):
    """What a cryptogram was spent on. Append-only: one (token, counter) is spent once."""

    token: str
    atc: int
    reference: str


class Purchase(NamedTuple):
    """What a cryptogram is bound to: str[12] minor units, str[3] numeric currency, card acceptor."""

    amount: str
    currency: str
    merchant: str


class Proof(NamedTuple):
    """A cryptogram as it comes back: hex text of 8, 2 and 4 bytes, if the peer behaved."""

    cryptogram: str
    atc: str
    un: str


class _Card:
    __slots__ = ("atc", "issued", "references", "row", "spent")

    def __init__(self, row: CardRow) -> None:
        self.row = row
        self.atc = 0
        self.issued: dict[int, int] = {}
        self.spent: dict[int, str] = {}
        self.references: set[str] = set()


class Vault:
    """The working set of the vault. It decides in memory and records rows into the turn.

    Parameters
    ----------
    store_key
        D0, seals the PANs.
    fingerprint_key
        M7, not derived from the vault key.
    token_key
        E0, issuer master key of the token cryptograms.
    entropy
        Source of randomness.
    """

    def __init__(self, store_key: Key, fingerprint_key: Key, token_key: Key, entropy: Entropy) -> None:
        self._store_key = store_key
        self._fingerprint_key = fingerprint_key
        self._token_key = token_key
        self._entropy = entropy
        self._cards: dict[str, _Card] = {}
        self._tokens: dict[tuple[str, str, str], str] = {}
        self._cvv2: dict[str, tuple[str, float]] = {}
        self._cvv2_due: Deadlines[str] = Deadlines()

    def load(
        self, cards: Iterable[CardRow], cryptograms: Iterable[CryptogramRow], references: Iterable[ReferenceRow]
    ) -> None:
        """Take the stored rows. Sealed PANs are not opened here: a forged row is refused when it is used."""
        for row in cards:
            self._remember(row)
        for token, atc, issued_at in cryptograms:
            card = self._cards[token]
            card.atc = max(card.atc, atc)
            card.issued[atc] = issued_at
        for token, atc, reference in references:
            card = self._cards[token]
            card.issued.pop(atc, None)
            card.spent[atc] = reference
            card.references.add(reference)

    def store(self, pan: str, expiry: str, cvc: str, requestor: str, now: float, turn: Turn) -> tuple[str, str]:
        """Store a card.

        Parameters
        ----------
        pan
            13 to 19 digits, Luhn-valid, not itself a token.
        expiry
            str[4], YYMM.
        cvc
            "" or 3 to 4 digits, kept in memory until the first authorisation or `CVV2_WAITS_S`.
        requestor
            Whose token it is.
        now
            Monotonic seconds.

        Returns
        -------
        tuple
            Token, and the fingerprint in the requestor's scope: str[29].

        Raises
        ------
        HsmError
            "22" not a card number; "15" not an expiry or CVC; "V6" no free token.
        """
        if not 13 <= len(pan) <= 19 or not luhn_valid(pan) or pan.startswith(TOKEN_BIN):
            raise HsmError(BAD_ACCOUNT)
        if not "01" <= expiry[2:] <= "12" or len(cvc) in (1, 2):
            raise HsmError(BAD_DATA)
        fingerprint = self._fingerprint_key.fingerprint("requestor:" + requestor, pan)
        token = self._tokens.get((requestor, fingerprint, expiry))
        if token is None:
            token = self._free_token(pan)
            context = _context(token, expiry, requestor, _KEY_VERSION)
            sealed = self._store_key.seal(pan.encode("ascii"), context, self._entropy)
            row = CardRow(token, requestor, expiry, fingerprint, _KEY_VERSION, sealed, int(turn.at.timestamp()))
            self._remember(row)
            turn.store(CARDS_TABLE, row)
        if cvc:
            self._cvv2[token] = (cvc, self._cvv2_due.set(token, CVV2_WAITS_S, now))
        return token, fingerprint

    def issue(self, token: str, purchase: Purchase, turn: Turn) -> Proof:
        """Make the cryptogram of one payment; it lives for `CRYPTOGRAM_LIVES_S` of business time.

        Raises
        ------
        HsmError
            "V0" unknown token; "15" the currency is not numeric; "V6" the token's counter is used up.
        """
        card = self._card(token)
        if card.atc >= _ATC_MAX:
            raise HsmError(TOKENS_EXHAUSTED)
        at = int(turn.at.timestamp())
        un = self._entropy(4)
        cryptogram = self._token_key.token_cryptogram(token, card.atc + 1, _bound(purchase, un, card.atc + 1))
        self._forget_stale(card, at)
        card.atc += 1
        card.issued[card.atc] = at
        turn.store(CRYPTOGRAMS_TABLE, CryptogramRow(token, card.atc, at))
        return Proof(cryptogram.hex().upper(), f"{card.atc:04X}", un.hex().upper())

    def spend(self, token: str, reference: str, proof: Proof, purchase: Purchase, turn: Turn) -> tuple[str, str, str]:
        """Open a token for its first authorisation and record the reference.

        The same cryptogram under the same reference opens again, without the CVV2; under another it is refused.

        Returns
        -------
        tuple
            PAN, expiry, and the CVV2 if one was waiting.

        Raises
        ------
        HsmError
            "V0" unknown token; "V5" this counter was never issued; "V1" the cryptogram is not over this purchase;
            "V2" it was spent on another reference; "V4" it is too old; "15" no reference; "V7" forged row.
        """
        card = self._card(token)
        if not reference:
            raise HsmError(BAD_DATA)
        atc = self._verified(card, proof, purchase)
        spent_on = card.spent.get(atc)
        if spent_on is not None:
            if spent_on != reference:
                raise HsmError(CRYPTOGRAM_REPLAYED)
            return self._open(card), card.row.expiry, ""
        if int(turn.at.timestamp()) - card.issued[atc] > CRYPTOGRAM_LIVES_S:
            raise HsmError(CRYPTOGRAM_EXPIRED)
        pan = self._open(card)
        del card.issued[atc]
        card.spent[atc] = reference
        card.references.add(reference)
        turn.store(REFERENCES_TABLE, ReferenceRow(token, atc, reference))
        cvv2, _ = self._cvv2.pop(token, ("", 0.0))
        return pan, card.row.expiry, cvv2

    def follow(self, token: str, reference: str) -> tuple[str, str]:
        """Open a token for a follow-up of a recorded first authorisation: PAN and expiry, never a CVV2.

        Raises
        ------
        HsmError
            "V0" unknown token; "V3" nothing is recorded under this reference; "V7" forged row.
        """
        card = self._card(token)
        if reference not in card.references:
            raise HsmError(REFERENCE_UNKNOWN)
        return self._open(card), card.row.expiry

    def expire(self, now: float) -> None:
        """Forget every CVV2 that has waited long enough."""
        for at, token in self._cvv2_due.pop_expired(now):
            waiting = self._cvv2.get(token)
            if waiting is not None and waiting[1] == at:
                del self._cvv2[token]

    def deadline(self) -> float | None:
        """Return when `expire` next has work, in monotonic seconds."""
        return self._cvv2_due.next()

    def __repr__(self) -> str:
        return f"Vault(cards={len(self._cards)})"

    def _card(self, token: str) -> _Card:
        card = self._cards.get(token)
        if card is None:
            raise HsmError(TOKEN_UNKNOWN)
        return card

    def _remember(self, row: CardRow) -> None:
        self._cards[row.token] = _Card(row)
        self._tokens[row.requestor, row.fingerprint, row.expiry] = row.token

    def _free_token(self, pan: str) -> str:
        """Draw random middles until one is free; one middle digit is what makes the token Luhn-valid."""
        free = len(pan) - len(TOKEN_BIN) - 5
        for _ in range(_TRIES):
            drawn = str(int.from_bytes(self._entropy(8), "big")).zfill(free)[-free:]
            token = _luhn_token(TOKEN_BIN + drawn, pan[-4:])
            if token not in self._cards and token != pan:
                return token
        raise HsmError(TOKENS_EXHAUSTED)

    def _open(self, card: _Card) -> str:
        row = card.row
        context = _context(row.token, row.expiry, row.requestor, row.key_version)
        return self._store_key.open(row.sealed, context).decode("ascii")

    def _verified(self, card: _Card, proof: Proof, purchase: Purchase) -> int:
        """Return the counter of a cryptogram that this HSM issued over this purchase."""
        well_formed = len(proof.atc) == 4 and len(proof.un) == 8 and _HEX.issuperset(proof.atc + proof.un)
        atc = int(proof.atc, 16) if well_formed else 0
        if atc not in card.issued and atc not in card.spent:
            raise HsmError(CRYPTOGRAM_NOT_ISSUED)
        data = _bound(purchase, bytes.fromhex(proof.un), atc)
        expected = self._token_key.token_cryptogram(card.row.token, atc, data).hex().upper()
        if not same(expected, proof.cryptogram):
            raise HsmError(CRYPTOGRAM_WRONG)
        return atc

    def _forget_stale(self, card: _Card, at: int) -> None:
        """Drop counters that were never used and no longer can be: memory holds what may still be spent.

        They lie in the order of their issue, so this looks only at those that it drops and at one more.
        """
        while card.issued:
            atc = next(iter(card.issued))
            if at - card.issued[atc] <= CRYPTOGRAM_LIVES_S:
                break
            del card.issued[atc]


def _context(token: str, expiry: str, requestor: str, key_version: int) -> bytes:
    """Return what the sealed PAN is bound to. The requestor, which may hold any byte, comes last."""
    return "\x00".join(("hsm_sim/card/v1", token, expiry, str(key_version), requestor)).encode("utf-8")


def _bound(purchase: Purchase, un: bytes, atc: int) -> bytes:
    """Return the bytes that a cryptogram covers: amount 6, currency 2, UN 4, merchant hash 8, counter 2."""
    if not purchase.currency.isdigit():
        raise HsmError(BAD_DATA)
    merchant = hashlib.sha256(purchase.merchant.rstrip(" ").encode("utf-8")).digest()[:8]
    return bytes.fromhex(purchase.amount + "0" + purchase.currency) + un + merchant + atc.to_bytes(2, "big")


def _luhn_token(left: str, last4: str) -> str:
    """Put between `left` and `last4` the digit that makes the whole Luhn-valid."""
    return next(token for token in (f"{left}{digit}{last4}" for digit in range(10)) if luhn_valid(token))
