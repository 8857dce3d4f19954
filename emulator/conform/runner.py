"""Plays a suite: case after case, step after step; the first step that does not hold ends its case.

A case begins and ends without a connection. What its steps save is gone with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from math import isfinite
from typing import NamedTuple

import anyio

from emulator.conform.ends import Crossing, End, Place, StepError, Wrongs
from emulator.conform.suite import MTI, ORIGINAL, REFERENCE, Case, Role, Step, Suite
from emulator.drafts import changed, filled
from iso import CardrailsError, Message, dialect
from iso.masks import mask_text
from iso.match import MatchError, Predicate, predicate
from iso.mti import is_answered_by
from iso.original import OriginalData
from node.core.session import SIGN_ON, network_management
from node.pipes import Pipes

_STANS = 999_999
_INSIDE = dialect("ascii87")
"""Suites are written in the 1987 form; short values are filled up as here, whatever an end speaks."""
_IDENTITY = (11, 32, 37, 41)
"""Elements that a response brings back unchanged if it has them; DE 7 too, which a host may also set anew."""


class Verdict(Enum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class CaseResult(NamedTuple):
    """One case.

    Attributes
    ----------
    step
        Number of the step that did not hold, from 1; 0 if all did.
    what
        That step in words.
    why
        Why it did not hold, or why the case was skipped.
    crossings
        Everything that crossed, in order, network management too.
    tested
        Index in `crossings` of the message that did not hold; None if it is about no message.
    """

    case: Case
    verdict: Verdict
    elapsed_s: float
    step: int = 0
    what: str = ""
    why: str = ""
    crossings: tuple[Crossing, ...] = ()
    tested: int | None = None


class Run:
    """One run of a suite.

    Parameters
    ----------
    suite
        What to play.
    places
        The ends that there are; a case that needs another one is skipped.
    pipes
        Dials and listens.
    now
        Where DE 7, 12, 13 and 37 come from.
    first_stan
        1..999999; they count up from here.
    tell
        Shows a line to whoever runs the suite.
    """

    def __init__(
        self,
        suite: Suite,
        places: Sequence[Place],
        pipes: Pipes,
        now: Callable[[], datetime],
        first_stan: int,
        tell: Callable[[str], None],
    ) -> None:
        self.suite = suite
        self._now = now
        self._stan = first_stan
        self._tell = tell
        self._crossings: list[Crossing] = []
        self._tested: Crossing | None = None
        self._saved: dict[str, Message] = {}
        self.ends: dict[Role, End] = {
            place.role: End(place, pipes, now, self._crossings.append, answers_management=suite.answers_management)
            for place in places
        }

    async def play(self, done: Callable[[CaseResult], None]) -> list[CaseResult]:
        """Play every case; `done` is told of each as soon as it has ended.

        Raises
        ------
        PipeError
            An end cannot listen: its port is in use.
        """
        results: list[CaseResult] = []
        async with anyio.create_task_group() as tasks:
            for end in self.ends.values():
                await end.start(tasks)
            for case in self.suite.cases:
                results.append(await self._case(case))
                done(results[-1])
            tasks.cancel_scope.cancel()
        return results

    async def _case(self, case: Case) -> CaseResult:
        lacking = self._lacking(case)
        if lacking:
            return CaseResult(case, Verdict.SKIPPED, 0.0, why=lacking)
        self._crossings.clear()
        self._saved, self._tested = {}, None
        began_at, failed, why = anyio.current_time(), 0, ""
        for number, step in enumerate(case.steps, 1):
            try:
                await self._step(step, self.ends.get(case.end_of(step)))
            except (StepError, MatchError) as error:
                failed, why = number, mask_text(str(error))
                break
        for end in self.ends.values():
            end.disconnect()
        elapsed_s, crossings = anyio.current_time() - began_at, tuple(self._crossings)
        if not why:
            return CaseResult(case, Verdict.PASSED, elapsed_s, crossings=crossings)
        tested = next((at for at, one in enumerate(crossings) if one is self._tested), None)
        what = step_words(case.steps[failed - 1], case.end_of(case.steps[failed - 1]))
        return CaseResult(case, Verdict.FAILED, elapsed_s, failed, what, why, crossings, tested)

    def _lacking(self, case: Case) -> str:
        """Say what a case needs that this run does not have, or ""."""
        for role in sorted(case.roles - self.ends.keys()):
            return f"it needs an end as {role}, and there is none"
        for role in sorted(case.needs_mac):
            if not self.ends[role].place.dialect.mac:
                return f"it needs MACs, and the end as {role} has none"
        return ""

    async def _step(self, step: Step, end: End | None) -> None:
        self._tested = None
        if step.do == "tell":
            self._tell(mask_text(self._text(step.text or "", masked=True)))
            return
        assert end is not None
        within_s = self._seconds(step.within_s, self.suite.timeout_s)
        match step.do:
            case "connect":
                await end.connect(within_s)
            case "sign-on":
                await self._sign_on(end, within_s)
            case "disconnect":
                end.disconnect()
            case "closed":
                await end.closed(within_s)
            case "send" | "reply":
                await self._send(step, end)
            case "expect":
                await self._expect(step, end, within_s)
            case "nothing":
                tests = [self._condition(source) for source in step.where]
                matters = lambda message: all(test(message) for test in tests)  # noqa: E731
                await end.quiet(self._seconds(step.for_s, self.suite.timeout_s), matters)

    async def _sign_on(self, end: End, within_s: float) -> None:
        """Sign on as whoever dialled must: ourselves, or the host, whom we answer."""
        if end.line is None:
            await end.connect(within_s)
        if end.place.listens:
            asked = await self._taken(end, within_s)
            if (asked.mti, asked.get(70)) != ("0800", SIGN_ON):
                raise StepError(f"a sign-on (0800, DE 70 = {SIGN_ON}) expected, {asked.mti} came")
            await end.send(asked.reply("00"))
            return
        await end.send(network_management(SIGN_ON, self._next_stan(), self._now()))
        answer = await self._taken(end, within_s)
        if answer.mti != "0810" or answer.response_code != "00":
            raise StepError(f"0810 with DE 39 = 00 expected, {answer.mti} with {answer.response_code or 'none'} came")

    async def _send(self, step: Step, end: End) -> None:
        if step.raw is not None:
            await end.send_bytes(bytes.fromhex(step.raw))
            return
        fields = {element: self._text(value) for element, value in step.fields.items()}
        if step.do == "reply":
            asked = self._saved[step.to or ""]
            if not asked.is_request:
                raise StepError(f"{asked.mti} is answered by nothing")
            draft = asked.reply(self._text(step.code))
        elif step.copy_of is not None:
            draft = self._saved[step.copy_of]
        else:
            written = self.suite.messages[step.message or ""]
            draft = Message(written.mti, {})
            fields = {element: self._text(value) for element, value in written.fields.items()} | fields
        try:
            draft = changed(draft, [(int(element), "", value) for element, value in fields.items()], _INSIDE)
            message = filled(draft, self._now(), int(self._next_stan()))
        except CardrailsError as error:
            raise StepError(str(error)) from None
        message = message.with_fields({}, mti=step.mti)
        if step.save is not None:
            self._saved[step.save] = message
        spoil = tuple((int(element), bytes.fromhex(value)) for element, value in step.spoil.items())
        await end.send(message, Wrongs(step.mac, spoil, step.cut))

    async def _expect(self, step: Step, end: End, within_s: float) -> None:
        tests = [(source, self._condition(source)) for source in step.where]
        skip = None if step.skip is None else self._condition(step.skip)
        message = await self._taken(end, within_s, skip)
        if message.mti != step.mti:
            raise StepError(f"{step.mti} expected, {message.mti} came{_code_of(message)}")
        if step.answers is not None:
            _check_answer(message, self._saved[step.answers], step.answers)
        if step.same_as is not None:
            _check_same(message, self._saved[step.same_as], step.same_as)
        for written, test in tests:
            if not test(message):
                # As the suite writes it: what it is filled from may be secret.
                raise StepError(f"{written} does not hold: {_seen(test, message)}")
        if step.save is not None:
            self._saved[step.save] = message

    async def _taken(self, end: End, within_s: float, skip: Predicate | None = None) -> Message:
        crossing = await end.next(within_s, skip)
        self._tested = crossing
        if crossing.problem or crossing.message is None:
            raise StepError(f"what came cannot be used: {crossing.problem}")
        return crossing.message

    def _condition(self, source: str) -> Predicate:
        return predicate(self._text(source, quoted=True))

    def _seconds(self, given: float | str | None, otherwise: float) -> float:
        if given is None:
            return otherwise
        try:
            seconds = float(self._text(str(given)))
        except ValueError:
            seconds = -1.0
        if not isfinite(seconds) or seconds <= 0:
            raise StepError(f"{given}: seconds, more than 0, expected")
        return seconds

    def _text(self, text: str, *, quoted: bool = False, masked: bool = False) -> str:
        """Put values in the place of references, `masked` for people; `quoted` in a condition they end no text."""

        def value_of(match: re.Match[str]) -> str:
            value = self._value(match[1], match[2], masked=masked)
            return value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'") if quoted else value

        return REFERENCE.sub(value_of, text)

    def _value(self, name: str, part: str | None, *, masked: bool) -> str:
        if not part:
            return self.suite.variables[name]
        message = self._saved[name]
        if part == ORIGINAL:
            return OriginalData.of(message).to_de90()
        if part == MTI:
            return message.mti
        elements = message.masked() if masked else message.fields
        value = elements.get(int(part)) if part.isdigit() else None
        if value is None:
            raise StepError(f"{name} has no DE {part}")
        return value

    def _next_stan(self) -> str:
        self._stan = self._stan % _STANS + 1
        return f"{self._stan:06}"


def step_words(step: Step, role: Role) -> str:
    """Return a step in words."""
    match step.do:
        case "send":
            thing = f"send {step.mti or step.message or step.copy_of or 'bytes'}"
        case "reply":
            thing = f"reply to {step.to} with {step.code}"
        case "expect":
            thing = f"expect {step.mti}"
        case "nothing":
            thing = f"expect nothing for {step.for_s} s"
        case "closed":
            thing = "expect the host to close the connection"
        case "tell":
            return "tell"
        case _:
            thing = step.do
    return f"{thing} ({role})"


def _code_of(message: Message) -> str:
    return f" with DE 39 = {message.response_code}" if message.response_code else ""


def _check_answer(message: Message, request: Message, name: str) -> None:
    if not is_answered_by(request.mti, message.mti):
        raise StepError(f"{message.mti} does not answer {request.mti} ({name})")
    for element in (7, *_IDENTITY):
        # DE 11 and 7 pair an answer with its request and may not be missing; the others must not differ.
        asked, told = request.get(element), message.get(element)
        if asked is not None and told != asked and (told is not None or element in (7, 11)):
            raise StepError(f"it does not answer {name}: DE {element} is {_quoted(told)}, {_quoted(asked)} was sent")


def _check_same(message: Message, other: Message, name: str) -> None:
    if message == other:
        return
    mine, theirs = message.masked(), other.masked()
    differing = [
        element for element in sorted(mine.keys() | theirs.keys()) if message.get(element) != other.get(element)
    ]
    if not differing:
        raise StepError(f"it is not the same as {name}: {message.mti} came, {other.mti} is saved")
    element = differing[0]
    there, here = theirs.get(element), mine.get(element)
    raise StepError(f"it is not the same as {name}: DE {element} is {_quoted(here)}, {_quoted(there)} is saved")


def _seen(test: Predicate, message: Message) -> str:
    masked = message.masked()
    told: Mapping[int, str | None] = {element: masked.get(element) for element in sorted(test.elements) if element}
    parts = [f"the MTI is {message.mti}"] if 0 in test.elements else []
    for element, value in told.items():
        meaning = _INSIDE.meaning(element, value) if value else None
        parts.append(f"DE {element} is {_quoted(value)}" + (f" ({meaning})" if meaning else ""))
    return ", ".join(parts)


def _quoted(value: str | None) -> str:
    return "absent" if value is None else f'"{value}"'
