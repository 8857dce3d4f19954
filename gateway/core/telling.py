"""A payment's steps as people read them, line by line: the command line and `/emu/v1` say the same.

What comes in here is masked already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from gateway.core import timeline
from iso import IsoError
from iso.private import parse_private

View: TypeAlias = dict[str, Any]
Paint: TypeAlias = Callable[[str], str]
"""Makes a line fainter where it is shown; `str` leaves it."""

LINE_WIDTH = 112
HEX_WIDTH = 96


def story_lines(steps: Iterable[View], *, with_bytes: bool, paint: Paint = str) -> list[str]:
    """Return everything that happened, a step after the other; see `gateway.core.timeline`.

    Parameters
    ----------
    with_bytes
        With the masked bytes of each message.
    paint
        What is done to the lines of bytes.
    """
    lines: list[str] = []
    for number, step in enumerate(steps, 1):
        kind = step["step"]
        if kind == timeline.ISO:
            lines += message_lines(number, step, with_bytes=with_bytes, paint=paint)
        elif kind == timeline.REMARK:
            lines.append(f"{number:>3}  {remark_line(step)}")
        else:
            lines.append(f"{number:>3}  {_time(step)}  {step['node']:<9}    {_SHORT[kind](step)}")
    return lines


def silence_lines(silent: Mapping[str, str]) -> list[str]:
    """Return who did not answer, and why: what they know is missing among the steps."""
    return [f"{reason}; what it knows is missing" for reason in silent.values()]


def message_lines(number: int, message: View, *, with_bytes: bool, paint: Paint = str) -> list[str]:
    """Return a message at one side of a hop: how it crossed, its elements, and its masked bytes if they are wanted."""
    fields = {int(de): value for de, value in message.get("fields", {}).items()}
    lines = [f"{number:>3}  {headline(message)}", *compact_lines(fields, indent="       ")]
    text = message.get("hex", "") if with_bytes else ""
    return lines + [paint(f"       {text[at : at + HEX_WIDTH]}") for at in range(0, len(text), HEX_WIDTH)]


def headline(message: View) -> str:
    """Return when and where a message crossed, what it is, and how long its pair took."""
    arrow = "->" if message["direction"] == "out" else "<-"
    code = message.get("fields", {}).get("39", "")
    latency = f"  {message['latency_ms']:.2f} ms" if "latency_ms" in message else ""
    where = f"{message['node']:<9} {arrow} {message['link']}"
    what = f"{message.get('mti', '????')}  {code:<3}  {message['dialect']:<10} {message['bytes']:>4} bytes"
    return f"{_time(message)}  {where:<22} {what}{latency}"


def remark_line(remark: View) -> str:
    """Return what a node noted."""
    return f"{_time(remark)}  {remark['node']:<9}  {remark['link']:<10}  {remark['kind']}: {remark['detail']}"


def compact_lines(fields: Mapping[int, str], width: int = LINE_WIDTH, indent: str = "   ") -> list[str]:
    """Return a message as wrapped text, `DE value` after `DE value`; DE 48 by its tags."""
    words = []
    for element in sorted(fields):
        tags = private_tags(fields[element]) if element == 48 else {}
        words += [f"48.{tag} {value}" for tag, value in tags.items()] or [f"{element} {fields[element].strip()}"]
    lines, line = [], indent
    for word in words:
        if len(line) + len(word) > width:
            lines.append(line.rstrip())
            line = indent
        line += f"{word}   "
    return [*lines, line.rstrip()]


def private_tags(text: str) -> dict[str, str]:
    """Return the tags of a DE 48 in our layout; none if it is of somebody else's."""
    try:
        return parse_private(text)
    except IsoError:
        return {}


def _time(step: View) -> str:
    """Return the time of day, to the microsecond where that is known."""
    at = step["at"]
    return f"{at[11:26] if '.' in at else at[11:19]:<15}"


def _http(step: View) -> str:
    error = f"  {step['error']}" if step["error"] else ""
    return f"{step['method']} {step['path']}  {step['status']}{error}  {step['latency_ms']:.2f} ms  {step['request']}"


def _hsm(step: View) -> str:
    return f"HSM command {step['command']}  {step['code'] or 'no answer'}  {step['latency_ms']:.2f} ms"


def _decision(step: View) -> str:
    because = f": {step['because']}" if step["because"] else ""
    return f"decides {step['mti']}  {step['code']}  {step['reason']}{because}"


def _ledger(step: View) -> str:
    way = f"{step['account']}  {step['other']}".rstrip()
    return f"{step['kind']}  {step['amount_minor']}  {way}  {step['hold'] or step['reference']}"


_SHORT = {timeline.HTTP: _http, timeline.HSM: _hsm, timeline.DECISION: _decision, timeline.LEDGER: _ledger}
