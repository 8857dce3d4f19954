"""The audit log: who did what at the HSM, as a chain that shows whether anybody changed it afterwards.

Each record carries the MAC of the one before it and its own HMAC-SHA-256 over everything, under a key that never
leaves the HSM; the head, a row of its own under a MAC of its own, says which record is the last. Records are rows of
the turn that they tell about: what was answered is in the log. A record names a party, a command, an error code and a
subject: a token of this HSM, a key check value, or a keyed tag; never a PAN, a PIN or a key.

What `verify` finds without any other help: a changed record, a removed one, an inserted or copied one, exchanged ones,
a cut or lengthened tail, a missing or forged head. What it cannot find alone: an older copy of the whole database put
back, head and all. For that, keep a `Checkpoint` somewhere else (a line of `cardrails hsm audit --verify` printed in
time will do) and hand it in. Whoever has the master secret beside the database can write a new log from the start.

Levels: "security" records key management, cards that are stored for the first time, tokens that are opened, every
refusal that says somebody tried what he must not, failed verifications, faults, start and stop; "all" every command,
the open port's too; "off" only start and stop, so that a log is never empty and an emptied one is noticed.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, Literal, NamedTuple, TypeAlias

from hsm_sim.core.crypto.macs import KeyedHmac
from hsm_sim.core.errors import (
    BAD_ACCOUNT,
    BAD_DATA,
    BAD_INDEX,
    BAD_LENGTH,
    KEY_NOT_AVAILABLE,
    OK,
    UNKNOWN_COMMAND,
)
from hsm_sim.core.keys.key import Key
from hsm_sim.core.vault.numbers import TOKEN_BIN
from iso.pan import mask_text
from node.core.turn import Turn

AUDIT_TABLE: Final = "hsm_audit"
AUDIT_HEAD_TABLE: Final = "hsm_audit_head"

Level: TypeAlias = Literal["security", "all", "off"]
Sign: TypeAlias = Callable[[bytes], bytes]
"""HMAC-SHA-256 under the log's key: any bytes in, bytes[32] out."""

MAC_LENGTH: Final = 32
SUBJECT_MAX: Final = 64
FIRST: Final = bytes(MAC_LENGTH)
"""What the first record carries as the MAC before it."""

HSM: Final = "(hsm)"
OPERATOR: Final = "(operator)"
"""Parties of records that no party's command caused."""

_HEAD_ROW: Final = 1
_RECORD_LABEL: Final = b"hsm_sim/audit/record/v1\x00"
_HEAD_LABEL: Final = b"hsm_sim/audit/head/v1\x00"
_TAG_LABEL: Final = b"hsm_sim/audit/tag/v1\x00"
_TAG_LENGTH: Final = 8
_PAN_LENGTH_MIN: Final = 12

_HARMLESS: Final = frozenset((OK, BAD_ACCOUNT, BAD_DATA, BAD_LENGTH, BAD_INDEX, KEY_NOT_AVAILABLE, UNKNOWN_COMMAND))
"""Codes of a command that was carried out or could not be read: mistakes, not attempts. All others are recorded."""

_QUIET: Final = "open"
"""The open port holds nothing of the house and anybody may fill it with commands: recorded by level "all" only."""


class Record(NamedTuple):
    """One row of the log, in the order of the table's columns.

    Attributes
    ----------
    sequence
        1, 2, 3 and so on, without gaps.
    at_ms
        Business time of the turn, milliseconds since 1970 UTC.
    party, command, code
        Whose port, str[2] command (or "start", "stop", "fault"), str[2] error code.
    subject
        At most `SUBJECT_MAX` characters.
    previous, mac
        bytes[32] each: of the record before, and of this one.
    """

    sequence: int
    at_ms: int
    party: str
    command: str
    code: str
    subject: str
    previous: bytes
    mac: bytes


class Head(NamedTuple):
    """The one row that says where the log ends: `row` is always 1; `seal` is bytes[32] over the rest."""

    row: int
    sequence: int
    mac: bytes
    seal: bytes


class Checkpoint(NamedTuple):
    """Where the log stood at some time, to be kept elsewhere: bytes[32] `mac` of record `sequence`."""

    sequence: int
    mac: bytes


class Finding(NamedTuple):
    """Something that is wrong with a log: at which record, what, in words for people."""

    sequence: int
    problem: Literal["changed", "removed", "inserted", "cut", "head"]
    about: str


def signer(key: Key) -> Sign:
    """Return HMAC-SHA-256 under a key of the vault's slot; the material stays where it is."""
    return key.keep(KeyedHmac).of


class AuditLog:
    """The writing end.

    Parameters
    ----------
    sign
        HMAC-SHA-256 under the log's key.
    head
        The stored head; None for a new log. `is_sealed` says whether it may be trusted.
    level
        What is recorded.
    """

    __slots__ = ("_at", "_at_ms", "_is_all", "_is_on", "_mac", "_sequence", "_sign")

    def __init__(self, sign: Sign, head: Head | None = None, level: Level = "security") -> None:
        self._sign = sign
        self._sequence = head.sequence if head is not None else 0
        self._mac = head.mac if head is not None else FIRST
        self._is_all = level == "all"
        self._is_on = level != "off"
        self._at: datetime | None = None
        self._at_ms = 0

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the log stands now."""
        return Checkpoint(self._sequence, self._mac)

    def wants(self, party_role: str, code: str, is_audited: bool) -> bool:
        """Return whether a command is recorded.

        Parameters
        ----------
        party_role
            Role of the party whose port it came on.
        code
            Its error code.
        is_audited
            Whether the command's row asks for a record also when it succeeds.
        """
        if self._is_all:
            return True
        return self._is_on and (is_audited or code not in _HARMLESS) and party_role != _QUIET

    def record(self, turn: Turn, party: str, command: str, code: str, subject: str = "") -> None:
        """Add a record to the turn, whatever the level. Its row and the head are durable with the turn's other rows.

        Parameters
        ----------
        turn
            The turn that carried the command out.
        party, command, code
            As in `Record`.
        subject
            Cut at `SUBJECT_MAX` characters. A number as long as a PAN that is no token is replaced by its tag, for a
            peer may send a PAN where a token belongs; for the rest the caller answers.
        """
        if turn.at is not self._at:
            self._at, self._at_ms = turn.at, round(turn.at.timestamp() * 1000)
        sequence, previous = self._sequence + 1, self._mac
        fields = (sequence, self._at_ms, party, command, code, self._said(subject) if subject else "")
        mac = self._sign(_record_data(*fields, previous))
        turn.store(AUDIT_TABLE, Record(*fields, previous, mac))
        # One head a turn is enough, and the journal would write each of them: the last one replaces the others.
        turn.stores[AUDIT_HEAD_TABLE] = [Head(_HEAD_ROW, sequence, mac, self._sign(_head_data(sequence, mac)))]
        self._sequence, self._mac = sequence, mac

    def tag(self, text: str) -> str:
        """Return a short keyed tag: the same text gives the same tag, and nobody can guess the text from it."""
        return self._sign(_TAG_LABEL + text.encode())[:_TAG_LENGTH].hex().upper()

    def _said(self, subject: str) -> str:
        """Return what may be written of a subject."""
        if subject.isdigit() and len(subject) >= _PAN_LENGTH_MIN:
            return subject[:SUBJECT_MAX] if subject.startswith(TOKEN_BIN) else f"#{self.tag(subject)}"
        return mask_text(subject[:SUBJECT_MAX])

    def __repr__(self) -> str:
        return f"AuditLog(sequence={self._sequence})"


def is_sealed(head: Head, sign: Sign) -> bool:
    """Return whether this HSM wrote a head; a log must not be continued behind one that it did not write."""
    return hmac.compare_digest(sign(_head_data(head.sequence, head.mac)), head.seal)


def verify(
    records: Iterable[Record], head: Head | None, sign: Sign, checkpoint: Checkpoint | None = None
) -> Iterator[Finding]:
    """Check a whole log.

    Parameters
    ----------
    records
        All of them, in the order of their sequence; read once, never held.
    head
        The stored head, or None if there is none.
    sign
        HMAC-SHA-256 under the log's key.
    checkpoint
        Where the log once stood, if that was kept.

    Yields
    ------
    Finding
        Nothing at all if the log is whole.
    """
    last: Record | None = None
    kept: bytes | None = None
    end = None if head is None else head.sequence
    for record in records:
        yield from _misfits(record, last, end, sign)
        if checkpoint is not None and record.sequence == checkpoint.sequence:
            kept = record.mac
        last = record
    yield from _head_misfits(head, last, sign)
    if checkpoint is not None and (kept is None or not hmac.compare_digest(kept, checkpoint.mac)):
        yield Finding(checkpoint.sequence, "cut", "the log does not contain the record of the checkpoint")


def _misfits(record: Record, last: Record | None, end: int | None, sign: Sign) -> Iterator[Finding]:
    """Compare a record with itself, with the one before it, and with the head."""
    sequence = record.sequence
    before, mac = (last.sequence, last.mac) if last is not None else (0, FIRST)
    if not _is_own(record, sign):
        yield Finding(sequence, "changed", "its MAC does not fit what it says")
    if sequence <= before:
        yield Finding(sequence, "inserted", f"it does not lie behind record {before}")
    elif sequence > before + 1:
        missing = f"record {before + 1} is" if sequence == before + 2 else f"records {before + 1} to {sequence - 1} are"
        yield Finding(before + 1, "removed", f"{missing} missing")
    elif not hmac.compare_digest(bytes(record.previous), mac):
        yield Finding(sequence, "inserted", f"it was not written behind record {before}")
    if end is not None and sequence > end:
        yield Finding(sequence, "inserted", "it lies behind the end that the head names")


def _is_own(record: Record, sign: Sign) -> bool:
    try:
        data = _record_data(*record[:7])
    except (AttributeError, TypeError, UnicodeEncodeError):  # a column of another type than the HSM writes
        return False
    return hmac.compare_digest(sign(data), bytes(record.mac))


def _head_misfits(head: Head | None, last: Record | None, sign: Sign) -> Iterator[Finding]:
    end = last.sequence if last is not None else 0
    if head is None:
        yield Finding(end, "head", "there is no head: the log, or its end, was removed")
        return
    if not is_sealed(head, sign):
        yield Finding(head.sequence, "head", "its MAC does not fit: the HSM did not write it")
    if end < head.sequence:
        yield Finding(end + 1, "cut", f"the log ends at record {end}, the head says {head.sequence}")
    elif last is not None and end == head.sequence and not hmac.compare_digest(bytes(last.mac), bytes(head.mac)):
        yield Finding(end, "head", "it does not belong to the last record")


def _record_data(
    sequence: int, at_ms: int, party: str, command: str, code: str, subject: str, previous: bytes
) -> bytes:
    """Return what a record's MAC covers; lengths before the texts, so that no two records read the same."""
    text = (
        f"{sequence} {at_ms} {len(party)}:{party} {len(command)}:{command} {len(code)}:{code} {len(subject)}:{subject}"
    )
    return _RECORD_LABEL + text.encode() + b"\x00" + previous


def _head_data(sequence: int, mac: bytes) -> bytes:
    return _HEAD_LABEL + b"%d\x00" % sequence + mac
