"""Scripted outcomes: what an issuer answers on purpose, as data.

A script says about which requests it is (a predicate of `iso.match`), and what becomes of them: a response code, a
delay before the answer, no answer at all, or several of these. It belongs to one card or to the whole issuer. A card's
scripts come before the issuer's, older before newer; the first that fits is taken, and only that one.

A script never approves: what an issuer approves, it holds. And it names no card number: a card's script is filed under
the card's fingerprint, and the condition is stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from iso import LocalProtocolError, Message
from iso.masks import mask_text
from iso.match import MatchError, Predicate, predicate

SCRIPTS = "scripts"
OPEN, ENDED = "open", "ended"
SEEDED, CONFIGURED, ORDERED = "seed", "config", "order"
"""Where a script came from: with its card, from the issuer's settings, or from somebody at run time."""
FOR_EVER = -1
SCRIPTS_MAX = 10_000
DELAY_MAX_MS = 600_000
ANY_REQUEST = "present(mti)"

_CODE = re.compile(r"([0-9A-Z]{2})?")
_APPROVING = ("00", "08", "10", "11", "85")


class ScriptRow(NamedTuple):
    """One script.

    Attributes
    ----------
    number
        Primary key; the order in which scripts were put.
    card
        Fingerprint; "" for every card of the issuer.
    condition
        Which requests it is about.
    code
        DE 39; "" decides as usual.
    delay_ms
        Between the decision and its answer.
    answers
        0: the decision is taken and committed, and never answered.
    times
        How often it still happens; -1 for ever.
    source
        `SEEDED`, `CONFIGURED` or `ORDERED`.
    state
        "open" or "ended".
    """

    number: int
    card: str
    condition: str
    code: str = ""
    delay_ms: int = 0
    answers: int = 1
    times: int = FOR_EVER
    source: str = ORDERED
    state: str = OPEN

    def after(self) -> ScriptRow:
        """Return the script after it has happened once more."""
        if self.times == FOR_EVER:
            return self
        left = self.times - 1
        return self._replace(times=left, state=OPEN if left else ENDED)


def check_script(row: ScriptRow) -> Predicate:
    """Return the condition of a script that may be put.

    Raises
    ------
    LocalProtocolError
        A value breaks a rule: the text says which, without the value.
    """
    try:
        condition = predicate(row.condition)
    except MatchError as error:
        problem = f"script: its condition cannot be read: {error}"
    else:
        problem = _problem(row)
        if not problem:
            return condition
    raise LocalProtocolError(problem)


def _problem(row: ScriptRow) -> str:
    if mask_text(row.condition) != row.condition:
        return "script: a condition is stored, so no card number may be in it: name the card instead"
    if not _CODE.fullmatch(row.code) or row.code in _APPROVING:
        return "script: the code is two letters or digits, and none that approves"
    if not 0 <= row.delay_ms <= DELAY_MAX_MS:
        return f"script: the delay is 0 to {DELAY_MAX_MS} ms"
    if not (row.times == FOR_EVER or 1 <= row.times <= 1_000_000):
        return "script: it happens 1 to 1000000 times, or -1 for ever"
    return ""


class Scripts:
    """The open scripts of an issuer."""

    def __init__(self) -> None:
        self.rows: dict[int, ScriptRow] = {}
        self._conditions: dict[int, Predicate] = {}
        self._of: dict[str, list[int]] = {}

    def restore(self, rows: Iterable[ScriptRow]) -> None:
        """Take back the open scripts of a restart."""
        for row in sorted(rows):
            if row.state == OPEN:
                self._keep(row, predicate(row.condition))

    def put(self, row: ScriptRow) -> ScriptRow:
        """Add a script; return it as it is to be stored, with its number.

        Raises
        ------
        LocalProtocolError
            It breaks a rule, or there are `SCRIPTS_MAX`.
        """
        condition = check_script(row)
        if len(self.rows) >= SCRIPTS_MAX:
            raise LocalProtocolError(f"script: at most {SCRIPTS_MAX} can be open")
        # Numbers of ended scripts that are the newest come again: their rows are replaced.
        numbered = row._replace(number=max(self.rows, default=0) + 1, state=OPEN)
        self._keep(numbered, condition)
        return numbered

    def change(self, row: ScriptRow) -> ScriptRow:
        """Put a script as it is now; an ended one is forgotten. Return what is to be stored."""
        if row.state == OPEN:
            self.rows[row.number] = row
        elif self.rows.pop(row.number, None) is not None:
            del self._conditions[row.number]
            left = [number for number in self._of[row.card] if number != row.number]
            if left:
                self._of[row.card] = left
            else:
                del self._of[row.card]
        return row

    def find(self, fingerprint: str, request: Message) -> ScriptRow | None:
        """Return the script that is about a request of a card."""
        if not self.rows:
            return None
        for owner in (fingerprint, ""):
            for number in self._of.get(owner, ()):
                if self._conditions[number](request):
                    return self.rows[number]
        return None

    def _keep(self, row: ScriptRow, condition: Predicate) -> None:
        self.rows[row.number] = row
        self._conditions[row.number] = condition
        self._of.setdefault(row.card, []).append(row.number)
