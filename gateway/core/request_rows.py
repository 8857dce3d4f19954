"""What is kept of an HTTP request: how it was asked and answered, for whoever has to find out what happened.

Nothing in it is secret: card data, keys and client secrets are hidden by their names, card numbers wherever they stand.
A row is history. No decision rests on one, and the oldest are dropped.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from gateway.core.cards import carries_card_number
from gateway.core.errors import MARGIN
from iso.masks import mask_pan, mask_text

HIDDEN = "(hidden)"
TEXT_MAX = 200
"""Characters of one value that are kept."""
PARAMS_MAX = 4_000
"""Characters of all parameters, as JSON, that are kept."""
PATH_MAX = 300

_SECRET_NAMES = frozenset(
    {"cvc", "cvc2", "cvv", "cvv2", "securitycode", "expmonth", "expyear", "pin", "pinblock", "cryptogram"}
    | {"track", "track1", "track2", "key", "apikey", "secret", "secretkey", "clientsecret", "password"}
)
_NUMBERS = frozenset({"number", "pan", "accountnumber", "cardnumber"})
_NAME_MAX = 40
_NO_LETTER = re.compile(r"[\W_]+")
"""What stands between the words of a name in some ways of writing it: names are compared without it."""
_SUBJECT = re.compile(r'\{"id":"([a-z]{2,8}_[A-Za-z0-9]{1,60})"')
_SECRET_PART = re.compile(r"_secret_\w+")
_KEY_PART = re.compile(r"((?:sk|rk|pk|emu)_(?:test|live)_)\w+")
_NO_DIGIT = re.compile(r"[^0-9]")
_SUSPECT = re.compile(r"[0-9](?:[ ._/-]{0,3}[0-9]){11}")
"""Whatever could be a card number, in the widest sense of any rule here."""
compact_json = json.JSONEncoder(separators=(",", ":")).encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HsmCall(NamedTuple):
    """One command to the HSM.

    Attributes
    ----------
    command
        Two characters.
    code
        What the HSM answered, "00" for success; "" if it did not in time.
    after_us, took_us
        Microseconds: from the begin of the request to the command, and from the command to its answer.
    """

    command: str
    code: str
    after_us: int
    took_us: int


class RequestRow(NamedTuple):
    """One HTTP request and its answer.

    Attributes
    ----------
    sequence
        In order of the answers, from 1.
    id, trace
        Headers `Request-Id` and `Emu-Trace-Id` of the answer.
    account
        Who asked; "" if nobody was authenticated.
    at
        When it came: business time, microseconds since 1970 UTC.
    took_us
        Microseconds until its answer was ready.
    subject
        Id of the object that was answered; "" if it was none.
    error
        `type` and `code` of an error, with a space between; else "".
    params
        JSON object, masked; "" if they could not be read.
    hsm
        JSON list of `HsmCall`.
    """

    sequence: int
    id: str
    trace: str
    account: str
    at: int
    took_us: int
    method: str
    path: str
    status: int
    subject: str
    error: str
    params: str
    hsm: str


def subject_of(body: str) -> str:
    """Return the id of the object that a body shows, or of the payment that an error is about.

    Examples
    --------
    >>> subject_of('{"id":"pi_1","object":"payment_intent"}'), subject_of('{"object":"list"}')
    ('pi_1', '')
    """
    found = _SUBJECT.match(body)
    if found is None and body.startswith('{"error":'):
        at = body.find('"payment_intent":{')
        found = None if at < 0 else _SUBJECT.match(body, at + len('"payment_intent":'))
    return "" if found is None else found[1]


def error_of(body: str) -> str:
    """Return type and code of an error's body, with a space between; "" if it is none."""
    if not body.startswith('{"error":'):
        return ""
    error = json.loads(body)["error"]
    return f"{error.get('type', '')} {error.get('code', '')}".strip()


def masked_path(path: str) -> str:
    """Return a path that may be kept."""
    return _plain(path, PATH_MAX)


def masked_params(tree: Any) -> str:
    """Return a tree of parameters (dicts, lists, text) as JSON that may be kept; a note if it is too long.

    Examples
    --------
    >>> masked_params({"card": {"number": "4242424242424242", "cvc": "123"}, "metadata": {"order": "6735"}})
    '{"card":{"number":"424242******4242","cvc":"(hidden)"},"metadata":{"order":"6735"}}'
    """
    length = _length(tree)
    text = compact_json(_masked("", tree)) if length <= PARAMS_MAX else ""
    length = max(length, len(text))
    return text if length <= PARAMS_MAX else compact_json({"(too long)": f"{length} characters"})


def shown(row: RequestRow) -> dict[str, Any]:
    """Return a row as JSON."""
    return {
        "request": row.id,
        "trace": row.trace,
        "account": row.account or None,
        "at": _instant(row.at),
        "method": row.method,
        "path": row.path,
        "status": row.status,
        "latency_ms": row.took_us / 1000,
        "subject": row.subject or None,
        "error": row.error or None,
        "params": json.loads(row.params) if row.params else None,
        "hsm": [_hsm(row, HsmCall(*call)) for call in json.loads(row.hsm)],
    }


def _hsm(row: RequestRow, call: HsmCall) -> dict[str, Any]:
    return {
        "at": _instant(row.at + call.after_us),
        "command": call.command,
        "code": call.code or None,
        "latency_ms": call.took_us / 1000,
    }


def _instant(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds")


def _length(tree: Any) -> int:
    """Count the characters that would be kept, so that nothing is masked that will not be."""
    if isinstance(tree, dict):
        return sum(min(len(name), TEXT_MAX) + _length(item) for name, item in tree.items())
    if isinstance(tree, list):
        return sum(map(_length, tree))
    return min(len(str(tree)), TEXT_MAX)


def _masked(name: str, value: Any) -> Any:
    known = _NO_LETTER.sub("", name[:_NAME_MAX]).lower()
    if known in _SECRET_NAMES:
        return HIDDEN
    if known in _NUMBERS:
        digits = "" if isinstance(value, dict | list) else _NO_DIGIT.sub("", str(value))
        return mask_pan(digits) if 12 <= len(digits) <= 19 else HIDDEN
    if isinstance(value, dict):
        return {_plain(inner, TEXT_MAX): _masked(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_masked("", item) for item in value]
    return _plain(str(value), TEXT_MAX)


def _plain(text: str, most: int) -> str:
    text = text[: most + MARGIN]
    # Every name and value of every request passes here, and nearly none of them has twelve digits.
    if _SUSPECT.search(text) is not None or not text.isascii():
        text = HIDDEN if carries_card_number(text) else mask_text(text)
    # Cut while it is as long as it was: what is hidden below is shorter, and would bring unknown text forward.
    text = text[:most]
    if "_secret_" in text:
        text = _SECRET_PART.sub(f"_secret_{HIDDEN}", text)
    if "_test_" in text or "_live_" in text:
        text = _KEY_PART.sub(rf"\1{HIDDEN}", text)
    return (text if text.isascii() else text.encode("ascii", "backslashreplace").decode())[:most]
