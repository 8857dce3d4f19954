"""What a run tells: lines for people, JSON, and JUnit XML for build servers. Every message is shown masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from emulator.conform.ends import Crossing, Place
from emulator.conform.runner import CaseResult, Verdict
from emulator.conform.suite import Role, Suite
from emulator.render import message_lines
from iso import Dialect, Message, RemoteProtocolError, decode
from iso.masks import masked_window

_ARROWS = {"out": "->", "in": "<-"}


def is_good(results: Sequence[CaseResult]) -> bool:
    """Say whether every case that was played passed, and at least one was played."""
    verdicts = {result.verdict for result in results}
    return Verdict.FAILED not in verdicts and Verdict.PASSED in verdicts


def case_lines(result: CaseResult, spoken: Mapping[Role, Dialect], *, whole: bool = False) -> list[str]:
    """Return one case: a line, and if it failed (or `whole`) why, and its messages decoded as they were on the wire."""
    head = f"{result.verdict.value:<8} {result.case.name}"
    if result.verdict is Verdict.SKIPPED:
        return [f"{head}: {result.why}"]
    lines = [f"{head}  {1000 * result.elapsed_s:.0f} ms"]
    if result.verdict is Verdict.FAILED:
        lines.append(f"  step {result.step}, {result.what}: {result.why}")
        if result.case.needs:
            lines.append(f"  the host needs: {result.case.needs}")
    if whole or result.verdict is Verdict.FAILED:
        for number, crossing in enumerate(result.crossings):
            mark = "  <== this one" if number == result.tested else ""
            lines += _crossing_lines(crossing, spoken[crossing.role], mark)
    return lines


def summary_line(results: Sequence[CaseResult]) -> str:
    """Return how many cases ended how."""
    counts = {verdict: sum(result.verdict is verdict for result in results) for verdict in Verdict}
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items())


def run_json(suite: Suite, places: Sequence[Place], results: Sequence[CaseResult]) -> dict[str, Any]:
    """Return a whole run as JSON-ready data."""
    spoken: dict[Role, Dialect] = {place.role: place.dialect for place in places}
    return {
        "suite": suite.name,
        "ends": [
            {"role": place.role, "url": place.url, "listens": place.listens, "dialect": place.dialect.name}
            for place in places
        ],
        "cases": [
            {
                "name": result.case.name,
                "about": result.case.about,
                "verdict": result.verdict.value,
                "ms": round(1000 * result.elapsed_s, 3),
                "step": result.step,
                "what": result.what,
                "why": result.why,
                "tested": result.tested,
                "messages": [_crossing_json(crossing, spoken[crossing.role]) for crossing in result.crossings],
            }
            for result in results
        ],
        "summary": {verdict.value: sum(result.verdict is verdict for result in results) for verdict in Verdict},
        "passed": is_good(results),
    }


def junit_xml(suite: Suite, places: Sequence[Place], results: Sequence[CaseResult]) -> str:
    """Return a run as JUnit XML: one test suite, a failure with its messages.

    Source
    ------
    Common practice: the elements that build servers agree on; there is no standard.
    """
    spoken: dict[Role, Dialect] = {place.role: place.dialect for place in places}
    root = Element(
        "testsuite",
        name=suite.name,
        tests=str(len(results)),
        failures=str(sum(result.verdict is Verdict.FAILED for result in results)),
        errors="0",
        skipped=str(sum(result.verdict is Verdict.SKIPPED for result in results)),
        time=f"{sum(result.elapsed_s for result in results):.3f}",
    )
    for result in results:
        case = SubElement(root, "testcase", name=result.case.name, classname=suite.name, time=f"{result.elapsed_s:.3f}")
        if result.verdict is Verdict.SKIPPED:
            SubElement(case, "skipped", message=_printable(result.why))
        elif result.verdict is Verdict.FAILED:
            failure = SubElement(
                case, "failure", message=_printable(f"step {result.step}, {result.what}: {result.why}")
            )
            failure.text = _printable("\n".join(case_lines(result, spoken)))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """Take out what XML has no place for; hosts may send anything in text elements."""
    return "".join(char if char.isprintable() or char == "\n" else "." for char in text)


def _crossing_lines(crossing: Crossing, spoken: Dialect, mark: str) -> list[str]:
    head = f"  {_ARROWS[crossing.direction]} {crossing.role}  {len(crossing.frame)} bytes{mark}"
    message = _on_the_wire(crossing, spoken)
    if message is None:
        return [head, f"    no {spoken.name} message  {masked_window(crossing.frame, None)}"]
    lines = [head, *(f"    {line}" for line in message_lines(message.mti, message.masked(), spoken))]
    return [*lines, f"    {crossing.problem}"] if crossing.problem else lines


def _crossing_json(crossing: Crossing, spoken: Dialect) -> dict[str, Any]:
    message = _on_the_wire(crossing, spoken)
    return {
        "end": crossing.role,
        "direction": crossing.direction,
        "bytes": len(crossing.frame),
        "mti": message.mti if message else None,
        "fields": {str(element): value for element, value in message.masked().items()} if message else None,
        "problem": crossing.problem,
    }


def _on_the_wire(crossing: Crossing, spoken: Dialect) -> Message | None:
    try:
        return decode(crossing.frame, spoken)
    except RemoteProtocolError:
        return None
