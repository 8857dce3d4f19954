"""The token vault: cards in, network tokens out, and back again only for one transaction at a time.

A token is random: it holds no function of the PAN beyond its last four digits, so to everyone outside it is
irreversible. The PAN is kept encrypted, bound to everything else that its row says, so that rows cannot be changed or
swapped. A CVV2 waits in memory only, until the first authorisation or ten minutes.

Three ways lead back to the PAN: a one-time cryptogram over amount, currency and merchant, which is spent on a reference
in the same commit that records it; a reference that was recorded so; and, where the token's domain allows it, a
payment that one of its merchants starts without the cardholder, which is recorded in the same way.

Storing the same card twice for the same requestor gives the same token, so that it keeps its counter; another
expiry makes another token, and so does a token that has expired or whose counter is used up.

Source
------
Shared facts, hsm 5. The cryptogram is EMV-shaped (option A, common session key, algorithm 3) over our own data.
"""

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

from hsm_sim.core.crypto.ciphers import same
from hsm_sim.core.errors import (
    BAD_ACCOUNT,
    BAD_DATA,
    COUNTER_TOO_OLD,
    CRYPTOGRAM_EXPIRED,
    CRYPTOGRAM_NOT_ISSUED,
    CRYPTOGRAM_REPLAYED,
    CRYPTOGRAM_WRONG,
    DOMAIN_DIFFERS,
    MERCHANT_INITIATED_REFUSED,
    RECORD_FORGED,
    REFERENCE_UNKNOWN,
    TOKEN_DELETED,
    TOKEN_SUSPENDED,
    TOKENS_EXHAUSTED,
    HsmError,
)
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.vault.cvv2 import WaitingCvv2
from hsm_sim.core.vault.domain import UNRESTRICTED, Domain, Purchase, domain_of, has_expired, hold_against, is_month
from hsm_sim.core.vault.keyring import FINGERPRINT, Keyring
from hsm_sim.core.vault.life import LifeCycle
from hsm_sim.core.vault.numbers import TOKEN_BIN, draw_token
from hsm_sim.core.vault.rows import ACTIVE, DELETED, ERASED, NO_KEY, SUSPENDED, CardRow, ReferenceRow, Shelf
from hsm_sim.core.vault.settings import VaultSettings
from hsm_sim.core.vault.upkeep import Upkeep
from hsm_sim.core.vault.working import Card, Issued, WorkingSet
from iso.pan import luhn_valid
from node.core.turn import Turn

CRYPTOGRAM_LIVES_S: Final = 900
ATC_WINDOW: Final = 64
_TRIES: Final = 200
_ATC_MAX: Final = 0xFFFF
_HEX: Final = frozenset("0123456789ABCDEF")
_DEFAULTS: Final = VaultSettings()


class Proof(NamedTuple):
    """A cryptogram as it comes back: hex text of 8, 2 and 4 bytes, if the peer behaved."""

    cryptogram: str
    atc: str
    un: str


class Stored(NamedTuple):
    """What the gateway learns of a stored card.

    Attributes
    ----------
    fingerprint, former_fingerprint
        str[29] in the requestor's scope; the former one is "" unless the key is being changed.
    par
        str[29], payment account reference.
    is_new
        Whether the card had no such token before.
    """

    token: str
    fingerprint: str
    par: str
    former_fingerprint: str
    is_new: bool


class Opened(NamedTuple):
    """An opened card. `audit_id` is str[16] hex, of the record it was opened by: each spent counter has its own."""

    pan: str
    expiry: str
    cvv2: str
    audit_id: str

    def __repr__(self) -> str:
        return f"Opened(audit_id={self.audit_id!r})"


class Vault:
    """The token vault. It decides on its working set and records rows into the turn.

    Parameters
    ----------
    keyring
        The vault's keys.
    shelf
        Committed rows; asked for one card at a time.
    entropy
        Source of randomness.
    settings
        Sizes and times.

    Attributes
    ----------
    life
        Suspending, resuming, deleting; changing domains.
    upkeep
        Key rotation and erasure, in the background.
    """

    def __init__(self, keyring: Keyring, shelf: Shelf, entropy: Entropy, settings: VaultSettings = _DEFAULTS) -> None:
        self._keyring = keyring
        self._entropy = entropy
        self._settings = settings
        self._cards = WorkingSet(shelf, settings.cards_max)
        self._cvv2 = WaitingCvv2(settings.cards_max)
        self.upkeep = Upkeep(self._cards, keyring, shelf, settings)
        self.life = LifeCycle(self._cards, keyring, self._cvv2, self.upkeep, settings)

    def store(
        self,
        pan: str,
        expiry: str,
        cvc: str,
        requestor: str,
        now: float,
        turn: Turn,
        domain: Domain = UNRESTRICTED,
    ) -> Stored:
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
        domain
            What the token may be used for. A card that is stored again keeps its token's domain, also where a new
            token takes the place of one whose counter is used up; after an expired one it has this domain.

        Raises
        ------
        HsmError
            "22" not a card number; "15" not an expiry, CVC or domain; "V6" no free token; "VH" the card's token has
            another domain than is asked for.
        """
        if not 13 <= len(pan) <= 19 or not luhn_valid(pan) or pan.startswith(TOKEN_BIN):
            raise HsmError(BAD_ACCOUNT)
        if not is_month(expiry) or len(cvc) in (1, 2):
            raise HsmError(BAD_DATA)
        domain.check()
        self._cards.begin(turn)
        fingerprint, former = self._keyring.fingerprints(requestor, pan)
        par = self._keyring.par(self._settings.par_controller, pan)
        card = self._known(fingerprint, former, expiry)
        if card is not None and has_expired(card.row, turn.at):
            self._release(card.row, turn)
            card = None
        if card is not None and domain not in (UNRESTRICTED, domain_of(card.row)):
            raise HsmError(DOMAIN_DIFFERS)
        if card is not None and card.atc >= _ATC_MAX and card.row.state == ACTIVE:
            domain = domain_of(card.row)
            self._release(card.row, turn)
            card = None
        row = self._new_row(pan, expiry, requestor, fingerprint, par, domain, turn) if card is None else card.row
        if cvc:
            self._cvv2.put(row.token, cvc, now)
        return Stored(row.token, fingerprint, par, former, card is None)

    def issue(self, token: str, purchase: Purchase, turn: Turn) -> Proof:
        """Make the cryptogram of one payment; it lives for `CRYPTOGRAM_LIVES_S` of business time.

        Raises
        ------
        HsmError
            "V0" unknown token; "V9", "VA" it is suspended or deleted; "VB" to "VF" outside its domain; "15" the
            currency is not numeric; "V6" the token's counter is used up.
        """
        self._cards.begin(turn)
        card = self._cards.card(token)
        _check_use(card.row, purchase, turn)
        atc = _next_counter(card)
        un = self._entropy(4)
        covered = _bound(purchase, un, atc)
        cryptogram = self._keyring.token.token_cryptogram(token, atc, covered)
        self._cards.issue(card, Issued(int(turn.at.timestamp()), covered, cryptogram), turn)
        return Proof(cryptogram.hex().upper(), f"{atc:04X}", un.hex().upper())

    def spend(self, token: str, reference: str, proof: Proof, purchase: Purchase, turn: Turn) -> Opened:
        """Open a token for its first authorisation and record the reference.

        The same cryptogram under the same reference opens again, without the CVV2, whatever has become of the token
        since; under another reference it is refused.

        Raises
        ------
        HsmError
            "V0" unknown token; "15" no reference; "V5" this counter was never issued; "V1" the cryptogram is not over
            this purchase; "V2" it was spent on another reference; "V4" it is too old; "V8" its counter is too far
            behind; "V9", "VA" the token is suspended or deleted; "VB" to "VF" outside its domain; "V7" forged row.
        """
        self._cards.begin(turn)
        card = self._cards.card(token)
        if not reference:
            raise HsmError(BAD_DATA)
        atc = _counter(proof)
        issued = self._cards.issued(card, atc)
        spent = self._cards.spent_on(card, atc) if issued is None else None
        issued_at = issued.at if issued is not None else None if spent else self._cards.issued_at(card, atc)
        if spent is None and issued_at is None:
            raise HsmError(CRYPTOGRAM_NOT_ISSUED)
        self._verify(token, atc, proof, purchase, issued)
        if spent is not None:
            if spent.reference != reference:
                raise HsmError(CRYPTOGRAM_REPLAYED)
            return self._open(card.row, spent)
        assert issued_at is not None
        if int(turn.at.timestamp()) - issued_at > CRYPTOGRAM_LIVES_S:
            raise HsmError(CRYPTOGRAM_EXPIRED)
        if atc <= card.seen - ATC_WINDOW:
            raise HsmError(COUNTER_TOO_OLD)
        _check_use(card.row, purchase, turn)
        opened = self._record(card, atc, reference, purchase, turn, seen=max(card.seen, atc))
        return opened._replace(cvv2=self._cvv2.take(token))

    def start(self, token: str, reference: str, purchase: Purchase, turn: Turn) -> Opened:
        """Open a token for a merchant-initiated payment, which has no cryptogram, and record the reference.

        The same reference opens again, for the same merchant. A CVV2 is never handed out.

        Raises
        ------
        HsmError
            "V0" unknown token; "15" no reference; "VG" its domain does not allow it, or not to this merchant; "V9",
            "VA" it is suspended or deleted; "VB" to "VF" outside its domain; "V6" its counter is used up; "V7" forged
            row.
        """
        self._cards.begin(turn)
        card = self._cards.card(token)
        if not reference:
            raise HsmError(BAD_DATA)
        recorded = self._cards.recorded(token, reference)
        if recorded is not None:
            if recorded.merchant != purchase.merchant.rstrip(" "):
                raise HsmError(MERCHANT_INITIATED_REFUSED)
            return self._open(card.row, recorded)
        _check_use(card.row, purchase, turn)
        if not card.row.merchant_initiated:
            raise HsmError(MERCHANT_INITIATED_REFUSED)
        return self._record(card, _next_counter(card), reference, purchase, turn, seen=card.seen)

    def follow(self, token: str, reference: str, turn: Turn) -> Opened:
        """Open a token for a follow-up of a recorded payment: never a CVV2, and whether or not the token still lives.

        Raises
        ------
        HsmError
            "V0" unknown token; "V3" nothing is recorded under this reference; "VA" it was deleted so long ago that its
            number is erased; "V7" forged row.
        """
        self._cards.begin(turn)
        card = self._cards.card(token)
        recorded = self._cards.recorded(token, reference)
        if recorded is None:
            raise HsmError(REFERENCE_UNKNOWN)
        return self._open(card.row, recorded)

    def expire(self, now: float) -> None:
        """Forget every CVV2 that has waited long enough."""
        self._cvv2.expire(now)

    def tend(self, now: float, turn: Turn) -> None:
        """Do a bounded piece of the work in the background."""
        self._cards.begin(turn)
        self.upkeep.step(now, turn)

    def deadline(self) -> float | None:
        """Return when `expire` or `tend` next has work, in monotonic seconds."""
        return min((at for at in (self._cvv2.deadline(), self.upkeep.deadline()) if at is not None), default=None)

    def __repr__(self) -> str:
        return f"Vault(cards={len(self._cards)})"

    def _known(self, fingerprint: str, former: str, expiry: str) -> Card | None:
        """Return a card that this requestor has stored; during a key change under either fingerprint."""
        token = self._cards.token_of(fingerprint, expiry)
        if token is None and former:
            token = self._cards.token_of(former, expiry)
        return None if token is None else self._cards.card(token)

    def _release(self, row: CardRow, turn: Turn) -> None:
        """Let a card lead to a new token from now on. Opening first: a forged row must not be sealed as a good one."""
        released = row._replace(fingerprint="", fingerprint_version=NO_KEY)
        self._cards.put(self._keyring.seal(released, self._keyring.open(row)), turn)

    def _new_row(
        self, pan: str, expiry: str, requestor: str, fingerprint: str, par: str, domain: Domain, turn: Turn
    ) -> CardRow:
        at = int(turn.at.timestamp())
        version = self._keyring.current(FINGERPRINT)
        token = self._free_token(pan)
        row = CardRow(token, requestor, expiry, fingerprint, version, NO_KEY, b"", at, par, changed_at=at)
        row = self._keyring.seal(domain.onto(row), pan)
        self._cards.put(row, turn)
        return row

    def _free_token(self, pan: str) -> str:
        for _ in range(_TRIES):
            token = draw_token(pan, self._entropy, is_luhn_valid=self._settings.luhn_valid)
            if token != pan and not self._cards.has(token):
                return token
        raise HsmError(TOKENS_EXHAUSTED)

    def _verify(self, token: str, atc: int, proof: Proof, purchase: Purchase, issued: Issued | None) -> None:
        covered = _bound(purchase, bytes.fromhex(proof.un), atc)
        if issued is not None and issued.covered == covered:
            # What this HSM made a moment ago over the same data it need not make again.
            expected = issued.cryptogram
        else:
            expected = self._keyring.token.token_cryptogram(token, atc, covered)
        if not same(expected.hex().upper(), proof.cryptogram):
            raise HsmError(CRYPTOGRAM_WRONG)

    def _record(self, card: Card, atc: int, reference: str, purchase: Purchase, turn: Turn, *, seen: int) -> Opened:
        """Open a card and spend a counter of it; the row that records this is committed before the answer leaves."""
        row = ReferenceRow(
            card.row.token, atc, reference, purchase.merchant.rstrip(" "), self._entropy(8).hex().upper()
        )
        opened = self._open(card.row, row)
        card.atc, card.seen = max(card.atc, atc), seen
        self._cards.spend(card, row, turn)
        return opened

    def _open(self, row: CardRow, recorded: ReferenceRow) -> Opened:
        if row.state == ERASED:
            raise HsmError(TOKEN_DELETED)
        return Opened(self._keyring.open(row), row.expiry, "", recorded.audit_id)


def _check_use(row: CardRow, purchase: Purchase, turn: Turn) -> None:
    """Refuse a first use of a token that is not active, or outside its domain."""
    if row.state == SUSPENDED:
        raise HsmError(TOKEN_SUSPENDED)
    if row.state in (DELETED, ERASED):
        raise HsmError(TOKEN_DELETED)
    if row.state != ACTIVE:
        raise HsmError(RECORD_FORGED)
    hold_against(row, purchase, turn.at)


def _next_counter(card: Card) -> int:
    if card.atc >= _ATC_MAX:
        raise HsmError(TOKENS_EXHAUSTED)
    return card.atc + 1


def _counter(proof: Proof) -> int:
    """Return the counter of a cryptogram; 0, which is never issued, if it is not well-formed."""
    well_formed = len(proof.atc) == 4 and len(proof.un) == 8 and _HEX.issuperset(proof.atc + proof.un)
    return int(proof.atc, 16) if well_formed else 0


def _bound(purchase: Purchase, un: bytes, atc: int) -> bytes:
    """Return the bytes that a cryptogram covers: amount 6, currency 2, UN 4, merchant hash 8, counter 2."""
    if not purchase.currency.isdigit():
        raise HsmError(BAD_DATA)
    money = bytes.fromhex(purchase.amount + "0" + purchase.currency)
    return money + un + _merchant_hash(purchase.merchant) + atc.to_bytes(2, "big")


@lru_cache(maxsize=1024)
def _merchant_hash(merchant: str) -> bytes:
    return hashlib.sha256(merchant.rstrip(" ").encode("utf-8")).digest()[:8]
