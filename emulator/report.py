"""Exchanges as people and programs read them: request and response, the verdict, and the time between."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from emulator.explain import explain
from emulator.peer import Exchange, Outcome
from emulator.render import explanation_lines, message_lines, wants_colour
from iso import Dialect, Message, RemoteProtocolError, decode
from iso.masks import masked_window


def is_as_expected(exchange: Exchange, spoken: Dialect, code: str | None) -> bool:
    """Say whether the answer is there and its DE 39 is `code`, or an approval if that is None."""
    answer = _answer(exchange, spoken)
    if answer is None:
        return False
    return answer.response_code == code if code is not None else spoken.is_approved(answer.response_code)


def response_code(exchange: Exchange, spoken: Dialect) -> str | None:
    """Give DE 39 of the answer, or None without one."""
    answer = _answer(exchange, spoken)
    return answer.response_code if answer is not None else None


def exchange_json(exchange: Exchange, spoken: Dialect, *, reveal: bool) -> dict[str, Any]:
    """Give one exchange as JSON-ready data."""
    code = response_code(exchange, spoken)
    return {
        "outcome": exchange.outcome.value,
        "ms": round(1000 * exchange.elapsed_s, 3),
        "code": code,
        "meaning": spoken.meaning(39, code) if code else None,
        "approved": is_as_expected(exchange, spoken, None),
        "request": _message_json(exchange.request, spoken, reveal=reveal),
        "response": None if exchange.response is None else _message_json(exchange.response, spoken, reveal=reveal),
    }


def exchange_lines(exchange: Exchange, spoken: Dialect, *, as_bytes: bool, reveal: bool, to: str) -> list[str]:
    """Return one exchange in full."""
    lines = [f"-> {to}  {len(exchange.request)} bytes"]
    lines += _body(exchange.request, spoken, as_bytes=as_bytes, reveal=reveal)
    lines.append(f"<- {_verdict(exchange, spoken)}  {_ms(exchange)}")
    if exchange.response is not None:
        lines += _body(exchange.response, spoken, as_bytes=as_bytes, reveal=reveal)
    return lines


def exchange_line(number: int, exchange: Exchange, spoken: Dialect) -> str:
    """Return one exchange as one line."""
    request = decode(exchange.request, spoken)
    return f"{number:>4}  {request.mti}  STAN {request.stan}  {_verdict(exchange, spoken)}  {_ms(exchange)}"


def summary(exchanges: Sequence[Exchange], good: Sequence[bool]) -> dict[str, Any]:
    """Count, and measure those that were answered; milliseconds."""
    times = [1000 * exchange.elapsed_s for exchange in exchanges if exchange.outcome is Outcome.ANSWERED]
    measured = {"min": min(times), "median": median(times), "max": max(times)} if times else {}
    return {
        "sent": sum(exchange.outcome is not Outcome.NOT_SENT for exchange in exchanges),
        "answered": len(times),
        "as_expected": sum(good),
        "ms": {name: round(value, 3) for name, value in measured.items()},
    }


def summary_line(exchanges: Sequence[Exchange], good: Sequence[bool]) -> str:
    """Return the summary as one line."""
    counts = summary(exchanges, good)
    line = f"{counts['sent']} sent, {counts['answered']} answered, {counts['as_expected']} as expected"
    if counts["ms"]:
        line += "; {min:.2f} / {median:.2f} / {max:.2f} ms (min / median / max)".format(**counts["ms"])
    return line


def _answer(exchange: Exchange, spoken: Dialect) -> Message | None:
    return None if exchange.response is None else decode(exchange.response, spoken)


def _verdict(exchange: Exchange, spoken: Dialect) -> str:
    answer = _answer(exchange, spoken)
    if answer is None:
        return exchange.outcome.value
    code = answer.response_code
    words = spoken.meaning(39, code) or ("approved" if spoken.is_approved(code) else "")
    return f"{answer.mti}  {code} {words}".rstrip()


def _ms(exchange: Exchange) -> str:
    return f"{1000 * exchange.elapsed_s:.2f} ms"


def _body(data: bytes, spoken: Dialect, *, as_bytes: bool, reveal: bool) -> list[str]:
    if as_bytes:
        return explanation_lines(explain(data, spoken, reveal=reveal), colour=wants_colour())
    message = decode(data, spoken)
    return message_lines(message.mti, dict(sorted(message.fields.items())) if reveal else message.masked(), spoken)


def _message_json(data: bytes, spoken: Dialect, *, reveal: bool) -> dict[str, Any]:
    try:
        message = decode(data, spoken)
    except RemoteProtocolError as error:
        return {"bytes": len(data), "error": str(error), "window": masked_window(data, error.offset)}
    fields = message.fields if reveal else message.masked()
    return {
        "bytes": len(data),
        "mti": message.mti,
        "header": message.header,
        "fields": {str(element): value for element, value in sorted(fields.items())},
    }
