"""What must have crossed a node's links, said in one line and judged message by message.

    exactly 1 on switch/issuer-a out where mti == "0420" and de90.stan == "000123" within 5s
    none on switch/issuer-a out where mti == "0420" within 2s
    in order on switch where mti == "0100" then mti == "0420" then mti == "0430" within 10s

Predicates are those of `iso.match`, over messages in the 1987 form and with their secrets masked. "At least" and "in
order" hold as soon as they are true; "exactly", "at most" and "none" can be broken until the time is over, so they are
judged then, or when they break. Without `within` everything is judged at once, on what has crossed already.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from iso.errors import CardrailsError
from iso.masks import mask_text
from iso.match import MatchError, Predicate, predicate
from iso.message import Message

Bound = Literal["exactly", "at least", "at most", "in order"]
THEN = "then"
COUNT_MAX = 1_000_000
WITHIN_MAX_S = 600.0
"""The longest that an assertion may take."""

_HEAD = re.compile(
    r"(?P<bound>exactly|at\s+least|at\s+most|none|in\s+order)(?:\s+(?P<count>\d+))?"
    r"\s+on\s+(?P<node>[\w.-]+)(?:/(?P<link>[\w.-]+))?(?:\s+(?P<direction>in|out))?(?P<rest>\s.*)?",
    re.DOTALL,
)
_WITHIN = re.compile(r"\s+within\s+(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|s|min)\s*")
_UNITS_S = {"ms": 0.001, "s": 1.0, "min": 60.0}
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_THEN = re.compile(r"\bthen\b")


class VerifyError(CardrailsError):
    """An assertion is not one; `str` says what was expected."""


class Assertion(NamedTuple):
    """One assertion, parsed.

    Attributes
    ----------
    bound, times
        What is asserted; "none" is "exactly 0". `times` of "in order" is the number of steps.
    link, direction
        Where; None means any.
    steps
        One predicate; in "in order" one after the other. None: every message.
    within_s
        How long after the call messages still count; 0 judges at once.
    """

    source: str
    bound: Bound
    times: int
    node: str
    link: str | None
    direction: Literal["in", "out"] | None
    steps: tuple[Predicate | None, ...]
    within_s: float

    @property
    def expected(self) -> str:
        """What the count must be, in words."""
        return f"{self.times} {self.bound}" if self.bound == "in order" else f"{self.bound} {self.times}"


def parse(source: str) -> Assertion:
    """Read an assertion.

    Parameters
    ----------
    source
        `BOUND on NODE[/LINK] [in|out] [where PREDICATE [then PREDICATE]...] [within NUMBER(ms|s|min)]`; BOUND is
        `exactly N`, `at least N`, `at most N`, `none` or `in order`.

    Raises
    ------
    VerifyError
        It is not one.

    Examples
    --------
    >>> parse('none on switch/issuer-a out where mti == "0420" within 2s').expected
    'exactly 0'
    """
    head = _HEAD.fullmatch(source.strip())
    if head is None:
        raise VerifyError(
            "expected: exactly N | at least N | at most N | none | in order, then: on NODE[/LINK] [in|out]"
        )
    rest, within_s = _without_time(head["rest"] or "")
    if within_s > WITHIN_MAX_S:
        raise VerifyError(f"within: at most {WITHIN_MAX_S:g} s")
    condition = rest.strip()
    if condition.startswith("where ") or condition == "where":
        steps: tuple[Predicate | None, ...] = tuple(
            _predicate(part) for part in _split(condition.removeprefix("where"))
        )
    elif condition:
        raise VerifyError(f"expected where or within, found {mask_text(condition[:20])!r}")
    else:
        steps = (None,)
    bound, count = _bound(" ".join(head["bound"].split()), head["count"], len(steps))
    direction: Any = head["direction"]
    return Assertion(source.strip(), bound, count, head["node"], head["link"], direction, steps, within_s)


def _without_time(rest: str) -> tuple[str, float]:
    """Take `within ...` off the end, unless it stands inside a quoted text."""
    for match in _WITHIN.finditer(_blanked(rest)):
        if match.end() == len(rest):
            return rest[: match.start()], float(match["number"]) * _UNITS_S[match["unit"]]
    return rest, 0.0


def _blanked(text: str) -> str:
    """Return text of the same length in which nothing quoted can be mistaken for a word of ours."""
    return _STRING.sub(lambda match: "_" * len(match.group()), text)


def _split(condition: str) -> list[str]:
    parts, at = list[str](), 0
    for match in _THEN.finditer(_blanked(condition)):
        parts.append(condition[at : match.start()])
        at = match.end()
    return [*parts, condition[at:]]


def _predicate(source: str) -> Predicate:
    try:
        return predicate(source.strip())
    except MatchError as error:
        problem = error.pointed()
    raise VerifyError(f"the condition is wrong:\n{problem}")


def _bound(word: str, count: str | None, steps: int) -> tuple[Bound, int]:
    if word in ("none", "in order"):
        if count is not None:
            raise VerifyError(f"{word} takes no number")
        if word == "in order":
            return "in order", steps
    elif count is None:
        raise VerifyError(f"{word} needs a number")
    if steps > 1:
        raise VerifyError(f"{THEN} belongs to in order")
    if count is not None and (len(count) > 7 or int(count) > COUNT_MAX):
        raise VerifyError(f"at most {COUNT_MAX} messages can be counted")
    if word == "none":
        return "exactly", 0
    return ("exactly" if word == "exactly" else "at least" if word == "at least" else "at most"), int(count or 0)


class Watch:
    """Judges one assertion over the messages that it is shown, in the order in which they crossed.

    Attributes
    ----------
    count
        Messages that matched; of "in order" the steps that came true.
    """

    def __init__(self, assertion: Assertion) -> None:
        self.assertion = assertion
        self.count = 0

    def see(self, message: Message) -> bool:
        """Take a message of the right link and direction; True if it counts."""
        assertion = self.assertion
        if assertion.bound == "in order":
            if self.count == assertion.times:
                return False
            step = assertion.steps[self.count]
        else:
            step = assertion.steps[0]
        if step is not None and not step(message):
            return False
        self.count += 1
        return True

    def verdict(self, *, is_over: bool) -> bool | None:
        """Say whether the assertion holds; None while that is open."""
        bound, count, wanted = self.assertion.bound, self.count, self.assertion.times
        if bound in ("at least", "in order"):
            return True if count >= wanted else (False if is_over else None)
        if count > wanted:
            return False
        if not is_over:
            return None
        return count == wanted or bound == "at most"
