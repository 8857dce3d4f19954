"""The command engine: one frame in, one answer out, for the party whose port it came on.

Order of the checks: readable at all (else the connection is closed), known command ("67"), allowed for the role
("68"), well-formed ("15", "80" or a field's own code), this party's LMK ("13"), key usage and mode ("A6", "A8"),
and then the operation itself. A role learns nothing about the layout of a command that it may not send.

Whether a real device answers an unknown command with "67", "68" or not at all is not certain; this one says "67".
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hsm_sim.core import ceremony, indexes
from hsm_sim.core.commands import COMMANDS, Command, decode_command, encode_answer, read_tail, refusal
from hsm_sim.core.errors import COMMAND_DENIED, LMK_REFUSED, UNKNOWN_COMMAND, VERIFICATION_FAILED, HsmError
from hsm_sim.core.fields import Value
from hsm_sim.core.keyblock import Entropy
from hsm_sim.core.operations import OPERATIONS, Call
from hsm_sim.core.slots import VAULT_PARTY, KeyRow, Party, Slot
from hsm_sim.core.vault import CardRow, CryptogramRow, ReferenceRow, Vault
from iso.errors import ConfigError, RemoteProtocolError
from node.core.turn import Turn

KEYS_TABLE: Final = "hsm_keys"
_COMMAND_LETTERS: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
Stored = Mapping[str, Iterable[tuple[object, ...]]]


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
    header_length
        Characters before the command that are echoed, 1 to 255; 4 by default.
    """

    def __init__(self, slots: Mapping[str, Slot], vault: Vault, entropy: Entropy, header_length: int = 4) -> None:
        self._slots = slots
        self._vault = vault
        self._entropy = entropy
        self.header_length = header_length

    def handle(self, party: str, frame: bytes, now: float, turn: Turn) -> bytes:
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
        bytes
            Header, answer code, error code, data, trailer; without the length bytes.

        Raises
        ------
        RemoteProtocolError
            No command can be read from the frame. Close the connection.
        """
        start = self.header_length + 2
        raw = frame[self.header_length : start]
        if len(raw) != 2 or not _COMMAND_LETTERS.issuperset(raw):
            raise RemoteProtocolError("no host command in the frame", offset=self.header_length)
        header, code, slot = frame[: self.header_length], raw.decode("ascii"), self._slots[party]
        row = COMMANDS.get(code)
        if row is None:
            return header + refusal(code, UNKNOWN_COMMAND)
        if slot.party.role not in row.roles:
            return header + refusal(code, COMMAND_DENIED)
        trailer = b""
        try:
            values, at = decode_command(row, frame, start)
            lmk, trailer = read_tail(frame, at)
            answer = self._perform(row, slot, lmk, values, now, turn)
        except HsmError as error:
            answer = refusal(code, error.code)
        return header + answer + trailer

    def expire(self, now: float, turn: Turn) -> None:
        """Forget what has waited long enough."""
        self._vault.expire(now)

    def deadline(self) -> float | None:
        """Return when `expire` next has work, in monotonic seconds."""
        return self._vault.deadline()

    def check_values(self) -> dict[str, dict[str, str]]:
        """Return party -> place -> key check value, for the key custodian's view. The vault's slot is included."""
        return {
            name: {"LMK": slot.lmk_check, **{place: key.kcv for place, key in sorted(slot.keys.items())}}
            for name, slot in self._slots.items()
        }

    def _perform(
        self, row: Command, slot: Slot, lmk: str | None, values: dict[str, Value], now: float, turn: Turn
    ) -> bytes:
        if lmk is not None and lmk != slot.identifier:
            return refusal(row.code, LMK_REFUSED)
        key = None
        field = values.get("key")
        if isinstance(field, str):
            key = slot.key(field)
            key.permit(row.usages, row.mode)
        self._vault.expire(now)
        answer = OPERATIONS[row.code](Call(slot, self._vault, self._entropy, values, key, now, turn))
        if answer is None:
            return refusal(row.code, VERIFICATION_FAILED)
        return encode_answer(row, answer)


def build_engine(
    parties: Sequence[Party], master: bytes, entropy: Entropy, stored: Stored, header_length: int = 4
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

    Returns
    -------
    tuple
        The engine, and the rows of `hsm_keys` to store before it answers anything.

    Raises
    ------
    ConfigError
        The master secret does not open the stored keys, or the parties were reordered.
    """
    slots = {
        party.name: Slot(party, f"{number:02d}", master)
        for number, party in enumerate((*parties, Party(VAULT_PARTY, "")))
    }
    wanted = ceremony.places(parties)
    for raw in stored.get(KEYS_TABLE, ()):
        row = KeyRow(*map(str, raw))
        if row.party in slots:
            _load_key(slots[row.party], row, wanted.get((row.party, row.place)))
    rows = ceremony.hold(parties, slots, entropy)
    own = slots[VAULT_PARTY]
    vault = Vault(own.keys[indexes.VAULT], own.keys[indexes.FINGERPRINT], own.keys[indexes.TOKEN_IMK], entropy)
    vault.load(
        (CardRow(*card) for card in stored.get("hsm_cards", ())),  # type: ignore[arg-type]
        (CryptogramRow(*issued) for issued in stored.get("hsm_cryptograms", ())),  # type: ignore[arg-type]
        (ReferenceRow(*spent) for spent in stored.get("hsm_references", ())),  # type: ignore[arg-type]
    )
    return Engine(slots, vault, entropy, header_length), rows


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
