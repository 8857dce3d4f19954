"""The life of a token: active, suspended, deleted, erased; and what it may be used for.

Every change is asked for by the token's own requestor, names a reason for the audit log, and seals the row anew, so
that an old row cannot be put back in place of a newer one's columns. A deleted token is refused at once; what was
recorded before stays open for follow-ups until the number is erased.
"""

from typing import Final, NamedTuple

from hsm_sim.core.errors import BAD_DATA, TOKEN_DELETED, TOKEN_UNKNOWN, HsmError
from hsm_sim.core.vault.cvv2 import WaitingCvv2
from hsm_sim.core.vault.domain import Domain, domain_of
from hsm_sim.core.vault.keyring import Keyring
from hsm_sim.core.vault.rows import ACTIVE, DELETED, ERASED, NO_KEY, SUSPENDED, CardRow
from hsm_sim.core.vault.settings import VaultSettings
from hsm_sim.core.vault.upkeep import Upkeep
from hsm_sim.core.vault.working import WorkingSet
from node.core.turn import Turn

DAY_S: Final = 86_400
_REASON_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz_")
_REASON_MAX: Final = 32


class Described(NamedTuple):
    """What a requestor may know of a token. Fingerprints and PAR are "" once it is deleted."""

    state: str
    reason: str
    expiry: str
    fingerprint: str
    former_fingerprint: str
    par: str
    domain: Domain


class LifeCycle:
    """Changes to stored cards. Parameters are the vault's own parts."""

    def __init__(
        self, cards: WorkingSet, keyring: Keyring, cvv2: WaitingCvv2, upkeep: Upkeep, settings: VaultSettings
    ) -> None:
        self._cards = cards
        self._keyring = keyring
        self._cvv2 = cvv2
        self._upkeep = upkeep
        self._settings = settings

    def suspend(self, token: str, requestor: str, reason: str, turn: Turn) -> None:
        """Refuse first authorisations until further notice. A suspended token may be suspended again.

        Parameters
        ----------
        requestor
            Whose token it is.
        reason
            1 to 32 of a-z and `_`, for the audit log: no digits, so that no number can get into it.

        Raises
        ------
        HsmError
            "V0" this requestor has no such token; "VA" it is deleted; "15" not a reason; "V7" forged row.
        """
        self._change(token, requestor, reason, SUSPENDED, turn)

    def resume(self, token: str, requestor: str, reason: str, turn: Turn) -> None:
        """Let a suspended token be used again. Parameters and errors as `suspend`."""
        self._change(token, requestor, reason, ACTIVE, turn)

    def delete(self, token: str, requestor: str, reason: str, turn: Turn) -> None:
        """Refuse first authorisations for ever. A second time changes nothing. Parameters as `suspend`.

        Raises
        ------
        HsmError
            "V0" this requestor has no such token; "15" not a reason; "V7" forged row.
        """
        _check_reason(reason)
        row = self._row(token, requestor, turn)
        if row.state in (DELETED, ERASED):
            return
        at = int(turn.at.timestamp())
        erase_at = at + self._settings.keep_deleted_days * DAY_S
        # Without its fingerprint the card no longer leads here: stored again, it gets another token.
        self._put(
            row,
            row._replace(
                state=DELETED,
                reason=reason,
                changed_at=at,
                erase_at=erase_at,
                fingerprint="",
                fingerprint_version=NO_KEY,
            ),
            turn,
        )
        self._cvv2.take(token)
        self._upkeep.erase_later(erase_at, turn)

    def restrict(self, token: str, requestor: str, domain: Domain, turn: Turn) -> None:
        """Give a token another domain in place of the one that it has.

        Raises
        ------
        HsmError
            "V0" this requestor has no such token; "VA" it is deleted; "15" not a domain; "V7" forged row.
        """
        domain.check()
        row = self._row(token, requestor, turn)
        if row.state in (DELETED, ERASED):
            raise HsmError(TOKEN_DELETED)
        self._put(row, domain.onto(row)._replace(changed_at=int(turn.at.timestamp())), turn)

    def describe(self, token: str, requestor: str, turn: Turn) -> Described:
        """Return what a requestor may know of its token.

        Raises
        ------
        HsmError
            "V0" this requestor has no such token; "V7" forged row.
        """
        row = self._row(token, requestor, turn)
        fingerprint, former = row.fingerprint, ""
        if row.state in (ACTIVE, SUSPENDED):
            fingerprint, former = self._keyring.fingerprints(requestor, self._keyring.open(row))
        return Described(row.state, row.reason, row.expiry, fingerprint, former, row.par, domain_of(row))

    def _change(self, token: str, requestor: str, reason: str, state: str, turn: Turn) -> None:
        _check_reason(reason)
        row = self._row(token, requestor, turn)
        if row.state in (DELETED, ERASED):
            raise HsmError(TOKEN_DELETED)
        self._put(row, row._replace(state=state, reason=reason, changed_at=int(turn.at.timestamp())), turn)

    def _row(self, token: str, requestor: str, turn: Turn) -> CardRow:
        self._cards.begin(turn)
        row = self._cards.card(token).row
        if row.requestor != requestor:
            raise HsmError(TOKEN_UNKNOWN)
        return row

    def _put(self, before: CardRow, after: CardRow, turn: Turn) -> None:
        """Store a changed row. Opening what it was comes first: a forged row must not be sealed as a good one."""
        self._cards.put(self._keyring.seal(after, self._keyring.open(before)), turn)


def _check_reason(reason: str) -> None:
    if not 1 <= len(reason) <= _REASON_MAX or not _REASON_LETTERS.issuperset(reason):
        raise HsmError(BAD_DATA)
