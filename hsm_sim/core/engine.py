"""The command engine: one frame in, one answer out, for the party whose port it came on.

Order of the checks: readable at all (else the connection is closed), known command ("67"), allowed for the role
("68"), well-formed ("15", "80" or a field's own code), this party's LMK ("13"), key usage and mode ("A6", "A8"),
and then the operation itself. A role learns nothing about the layout of a command that it may not send.

Whether a real device answers an unknown command with "67", "68" or not at all is not certain; this one says "67".
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from hsm_sim.core import ceremony, indexes
from hsm_sim.core.audit import AUDIT_HEAD_TABLE, AuditLog, Head, Level, is_sealed, signer
from hsm_sim.core.commands.call import Call, Reply, Warned
from hsm_sim.core.commands.fields import Value, Values
from hsm_sim.core.commands.keyfields import KeyField
from hsm_sim.core.commands.row import Command
from hsm_sim.core.commands.table import COMMANDS
from hsm_sim.core.commands.wire import decode_command, encode_answer, refusal
from hsm_sim.core.errors import (
    COMMAND_DENIED,
    FRAUD_DETECTED,
    NOT_AUTHORISED,
    OK,
    SOURCE_PARITY,
    UNKNOWN_COMMAND,
    VERIFICATION_FAILED,
    HsmError,
)
from hsm_sim.core.keys.header import Entropy
from hsm_sim.core.keys.key import Key
from hsm_sim.core.keys.lmk import Lmk, house_lmk
from hsm_sim.core.keys.public import public_lmks
from hsm_sim.core.limits import KEY_LENGTH, PinFails
from hsm_sim.core.policy import OPEN_POLICY, Policy
from hsm_sim.core.roles import OPEN
from hsm_sim.core.slots import KEYS_TABLE, OPEN_PARTY, VAULT_PARTY, KeyRow, Party, Slot
from hsm_sim.core.vault import Keyring, Shelf, Upkeep, Vault, VaultSettings
from iso.errors import ConfigError, RemoteProtocolError
from node.core.turn import Turn

_ROWS: Final = {row.raw_code: row for row in COMMANDS.values()}
_COMMAND_LETTERS: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
Stored = Mapping[str, Iterable[tuple[object, ...]]]
_VAULT_DEFAULTS: Final = VaultSettings()
_record = tuple.__new__
"""Makes a named tuple at half the price of calling its class."""


class Answer(NamedTuple):
    """What goes back to the connection.

    Attributes
    ----------
    data
        The frame without its length bytes.
    delay_s
        Seconds that it waits first; later answers of the connection wait behind it.
    is_dropped
        The connection is closed instead.
    """

    data: bytes
    delay_s: float = 0.0
    is_dropped: bool = False


class Engine:
    """The whole HSM without its sockets and its database.

    Parameters
    ----------
    slots
        Slot by party name, the vault's own among them, with their keys.
    vault
        The token vault.
    entropy
        Source of randomness.
    audit
        Where commands are recorded.
    pin_fails
        Counts wrong PINs.
    header_length
        Characters before the command that are echoed, 1 to 255; 4 by default.
    """

    def __init__(
        self,
        slots: Mapping[str, Slot],
        vault: Vault,
        entropy: Entropy,
        audit: AuditLog,
        pin_fails: PinFails,
        header_length: int = 4,
    ) -> None:
        self._slots = slots
        self._allowed = {name: _allowed(slot) for name, slot in slots.items()}
        self._vault = vault
        self._entropy = entropy
        self._pin_fails = pin_fails
        self.audit = audit
        self.header_length = header_length
        self._notes_all = audit.wants(OPEN, OK, is_audited=False)

    def handle(self, party: str, frame: bytes, now: float, turn: Turn) -> bytes:
        """Answer one command: `perform` for callers that need only the bytes."""
        return self.perform(party, frame, now, turn).data

    def perform(self, party: str, frame: bytes, now: float, turn: Turn) -> Answer:
        """Answer one command.

        Parameters
        ----------
        party
            Whose port the frame came on.
        frame
            Header, command, data, `%LL`, X'19' + trailer: what follows the two length bytes.
        now
            Monotonic seconds.
        turn
            Collects the rows that must be durable before the answer leaves.

        Returns
        -------
        Answer
            Header, answer code, error code, data, trailer, without the length bytes; and when it may leave.

        Raises
        ------
        RemoteProtocolError
            No command can be read from the frame. Close the connection.
        """
        start = self.header_length + 2
        header, raw, slot = frame[: self.header_length], frame[self.header_length : start], self._slots[party]
        row = self._allowed[party].get(raw)
        if row is None:
            return Answer(header + self._turned_away(slot, raw, turn))
        trailer, call = b"", None
        try:
            values, lmk, trailer = decode_command(row, frame, start)
            call = self._open(row, slot, lmk, values, now, turn)
            answer = self._carry_out(row, call)
        except HsmError as error:
            answer = refusal(row.code, error.code)
        subject, delay_s, is_audited = "", 0.0, row.is_audited
        if call is not None:
            subject, delay_s, is_audited = call.subject, call.delay_s, is_audited or call.is_audited
        if is_audited or self._notes_all or not answer.startswith(row.accepted):
            self._note(slot, row.code, answer[2:4].decode("ascii"), turn, subject, is_audited)
        return _record(Answer, (header + answer + trailer, delay_s, False))

    def expire(self, now: float, turn: Turn) -> None:
        """Forget what has waited long enough."""
        self._vault.expire(now)
        self._vault.tend(now, turn)
        self._pin_fails.expire(now)

    def deadline(self) -> float | None:
        """Return when `expire` next has work, in monotonic seconds."""
        first, second = self._vault.deadline(), self._pin_fails.deadline()
        return second if first is None else first if second is None else min(first, second)

    @property
    def upkeep(self) -> Upkeep:
        """The vault's keys and their rotation: the operator's, no host command reaches it."""
        return self._vault.upkeep

    def check_values(self) -> dict[str, dict[str, str]]:
        """Return party -> place -> key check value, for the key custodian's view. The vault's slot is included."""
        return {
            name: {"LMK": slot.lmk.check, **{place: key.kcv for place, key in sorted(slot.keys.items())}}
            for name, slot in self._slots.items()
        }

    def _turned_away(self, slot: Slot, raw: bytes, turn: Turn) -> bytes:
        """Return the refusal of a command that does not exist, or that this party may not send."""
        if raw in _ROWS:
            code, refused = _ROWS[raw].code, COMMAND_DENIED
        elif len(raw) == 2 and _COMMAND_LETTERS.issuperset(raw):
            code, refused = raw.decode("ascii"), UNKNOWN_COMMAND
        else:
            raise RemoteProtocolError("no host command in the frame", offset=self.header_length)
        self._note(slot, code, refused, turn)
        return refusal(code, refused)

    def _open(
        self, row: Command, slot: Slot, identifier: str | None, values: dict[str, Value], now: float, turn: Turn
    ) -> Call:
        """Check what every command must pass, open its keys, and return the call."""
        lmk = slot.lmk if identifier is None else slot.lmk_of(identifier)
        if row.is_authorised and not slot.policy.authorised:
            raise HsmError(NOT_AUTHORISED)
        keys: dict[str, Key] = {}
        for field in row.keys:
            name = values.get(field.name)
            if name is None:
                continue
            # Nearly every key is named by its place; whatever else a field may say is no place of a table.
            key = slot.keys.get(name)  # type: ignore[arg-type]
            if key is None:
                key = _opened(slot, field, values, identifier)
            else:
                use = field.use_for(values)
                key.permit(use.usages, use.mode)  # type: ignore[union-attr]  # fields without a use are not in `keys`
            keys[field.name] = key
        return Call(slot, lmk, self._vault, self._entropy, values, keys, now, turn)

    def _carry_out(self, row: Command, call: Call) -> bytes:
        reply = self._try_pin(row, call) if row.counts_pin else row.perform(call)
        if reply is None:
            return refusal(row.code, VERIFICATION_FAILED)
        if isinstance(reply, Warned):
            return encode_answer(row, reply.values, reply.code)
        return encode_answer(row, reply)

    def _try_pin(self, row: Command, call: Call) -> Reply:
        """Carry out a command whose "01" is a wrong PIN, unless the account had too many of them."""
        party, account = call.slot.party, call.text("account")
        if party.role == OPEN:
            return row.perform(call)
        if self._pin_fails.blocked(party.name, account, call.now):
            raise HsmError(FRAUD_DETECTED)
        reply = row.perform(call)
        if reply is None:
            self._pin_fails.failed(party.name, account, call.now)
        return reply

    def _note(
        self, slot: Slot, command: str, code: str, turn: Turn, subject: str = "", is_audited: bool = False
    ) -> None:
        party = slot.party
        if self.audit.wants(party.role, code, is_audited):
            self.audit.record(turn, party.name, command, code, subject)


def _allowed(slot: Slot) -> dict[bytes, Command]:
    """Return the commands that a party may send."""
    return {
        row.raw_code: row
        for row in COMMANDS.values()
        if slot.party.role in row.roles and row.code not in slot.policy.commands_disabled
    }


def _opened(slot: Slot, field: KeyField, values: Values, identifier: str | None) -> Key:
    """Open one key and refuse it unless it is for what the field needs."""
    use = field.use_for(values)
    assert use is not None, field.name
    try:
        key = slot.key(str(values[field.name]), use.usages, identifier)
    except HsmError as error:
        code = field.parity if error.code == SOURCE_PARITY else error.code
    else:
        key.permit(use.usages, use.mode)
        return key
    raise HsmError(code)


def build_engine(
    parties: Sequence[Party],
    master: bytes,
    entropy: Entropy,
    stored: Stored,
    shelf: Shelf,
    header_length: int = 4,
    policies: Mapping[str, Policy] = MappingProxyType({}),
    *,
    open_lmks: Mapping[str, Lmk] | None = None,
    audit_level: Level = "security",
    pin_fails: PinFails | None = None,
    vault_settings: VaultSettings = _VAULT_DEFAULTS,
) -> tuple[Engine, list[KeyRow]]:
    """Make the engine from the stored rows and hold the key ceremony for what is missing.

    Parameters
    ----------
    parties
        The configured parties, in order.
    master
        bytes[32], the master secret.
    stored
        Rows by table name, as the store has them; empty for a new HSM.
    shelf
        Where the vault finds its cards, one at a time.
    policies
        Security settings by party name; a party that is not named gets the defaults, the open slot its own.
    open_lmks
        LMKs of the open slot by identifier, the default one first; the public test LMKs if None.
    audit_level
        What the audit log records.
    pin_fails
        The limit on wrong PINs; the default one if None.
    vault_settings
        Sizes and times of the token vault.

    Returns
    -------
    tuple
        The engine, and the rows of `hsm_keys` to store before it answers anything.

    Raises
    ------
    ConfigError
        The master secret does not open the stored keys, the parties were reordered, or the audit log's end was
        tampered with.
    """
    slots = {
        party.name: _house_slot(party, f"{number:02d}", master, policies.get(party.name, Policy()))
        for number, party in enumerate((*parties, Party(VAULT_PARTY, "")))
    }
    allowed = policies.get(OPEN_PARTY, OPEN_POLICY)
    lmks = open_lmks or public_lmks(allowed.single_length)
    slots[OPEN_PARTY] = Slot(Party(OPEN_PARTY, OPEN), lmks, allowed)
    wanted = ceremony.places(parties)
    for raw in stored.get(KEYS_TABLE, ()):
        row = KeyRow(*map(str, raw))
        # A block that is empty is all that is left of a destroyed version of a vault key.
        if row.party in slots and row.block:
            _load_key(slots[row.party], row, wanted.get((row.party, row.place)))
    rows = ceremony.hold(parties, slots, entropy)
    own = slots[VAULT_PARTY]
    vault = Vault(Keyring(own, entropy), shelf, entropy, vault_settings)
    audit = _audit_log(own.keys[indexes.AUDIT], stored, audit_level)
    return Engine(slots, vault, entropy, audit, pin_fails or PinFails(entropy(KEY_LENGTH)), header_length), rows


def _audit_log(key: Key, stored: Stored, level: Level) -> AuditLog:
    """Return the log that goes on where the stored one ends."""
    sign = signer(key)
    heads = [Head(*row) for row in stored.get(AUDIT_HEAD_TABLE, ())]  # type: ignore[arg-type]
    if heads and not is_sealed(heads[0], sign):
        raise ConfigError(
            "hsm.db", AUDIT_HEAD_TABLE, "hidden", "must be what this HSM wrote: the audit log was changed"
        )
    return AuditLog(sign, heads[0] if heads else None, level)


def _house_slot(party: Party, identifier: str, master: bytes, policy: Policy) -> Slot:
    lmk = house_lmk(master, party.name, identifier, single_length=policy.single_length)
    return Slot(party, {identifier: lmk}, policy)


def _load_key(slot: Slot, row: KeyRow, neighbour: str | None) -> None:
    if neighbour is not None and row.neighbour != neighbour:
        raise ConfigError(
            "topology",
            f"{row.party} {row.place}",
            neighbour,
            f"must stay {row.neighbour!r}: add parties behind the others, do not reorder them",
        )
    try:
        slot.load(row)
    except HsmError as error:
        refused = error.code
    else:
        return
    raise ConfigError("hsm.lmk", f"{row.party} {row.place}", refused, "must be the master secret of this key table")
