"""Messages as people write them down: templates in TOML or JSON, single elements, and what is filled in by itself.

A draft may say `auto` for the elements that are different each time: DE 7, 11, 12, 13 and 37. Light on purpose: it
imports the language of the house and nothing else.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from iso import CardrailsError, ConfigError, Dialect, LocalProtocolError, Message
from iso.formats import FieldFormat
from iso.masks import mask_text
from iso.stan import local_date, local_time, rrn, stan, transmission_time
from iso.subfields import Layout, Node, element_value, find, parse_element, replaced
from iso.translate import to_1993

__all__ = ["AUTO", "TEMPLATE_NAMES", "changed", "filled", "in_version_of", "read_draft"]

AUTO = "auto"
TEMPLATE_NAMES = ("sign-on", "sign-off", "echo", "purchase", "reversal")
_AUTO_ELEMENTS = (7, 11, 12, 13, 37)
_HOW = f"a template ({', '.join(TEMPLATE_NAMES)}), a .json or .toml file, JSON, or - for standard input"
_PYISO8583 = {"h": "header", "t": "mti"}
_ELEMENT = re.compile("[0-9]{1,3}")
_IGNORED = frozenset({"p", "1", "about", "dialect", "remarks"})


def read_draft(given: str | None, mti: str | None) -> Message:
    """Read what to begin with.

    Parameters
    ----------
    given
        A template's name, a file, JSON text or "-"; None begins with nothing but the MTI.
    mti
        The MTI, or None to take that of the draft.

    Returns
    -------
    Message
        May hold `auto`; see `filled`.

    Raises
    ------
    ConfigError
        There is no such draft, or it is not a message.
    """
    source, table = _table(given) if given is not None else ("command line", {})
    message = _message(table, source)
    wanted = mti or message.mti
    if not re.fullmatch("[0-9]{4}", wanted):
        raise ConfigError(source, "mti", mask_text(wanted), "four digits, in the draft or by --mti")
    return Message(wanted, message.fields, message.header)


def _table(given: str) -> tuple[str, dict[str, Any]]:
    if given.lstrip().startswith("{"):
        return "command line", _parsed(given, "command line", is_json=True)
    if given == "-":
        text = sys.stdin.read()
        return "standard input", _parsed(text, "standard input", is_json=text.lstrip().startswith("{"))
    if given in TEMPLATE_NAMES:
        text = (resources.files("emulator") / "templates" / f"{given}.toml").read_text("utf-8")
        return given, _parsed(text, given, is_json=False)
    file = Path(given)
    if file.suffix not in (".json", ".toml"):
        raise ConfigError("command line", "MESSAGE", mask_text(given), _HOW)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        problem = f"{file}: {getattr(error, 'strerror', None) or 'not UTF-8'}"
    else:
        return given, _parsed(text, given, is_json=file.suffix == ".json")
    raise ConfigError("command line", "MESSAGE", given, problem)


def _parsed(text: str, source: str, *, is_json: bool) -> dict[str, Any]:
    rule = "a table"
    try:
        table = json.loads(text) if is_json else tomllib.loads(text)
        if isinstance(table, dict):
            return table
    except ValueError as error:
        rule = f"must be {'JSON' if is_json else 'TOML'}: {error}"
    raise ConfigError(source, "(syntax)", "", rule)


def _message(table: Mapping[str, Any], source: str) -> Message:
    """Take `{"mti", "fields", "header"}`, as `decode --json` prints it, or one flat table as pyiso8583 has it."""
    flat = {_PYISO8583.get(key, key): value for key, value in table.items() if key not in _IGNORED}
    head = {key: str(flat.pop(key, "")) for key in ("mti", "header")}
    nested = flat.pop("fields", {})
    head["mti"] = head["mti"] or str(flat.pop("0", ""))
    fields: dict[int, str] = {}
    for key, value in [*flat.items(), *(nested.items() if isinstance(nested, dict) else [("fields", nested)])]:
        if not _ELEMENT.fullmatch(key) or not isinstance(value, str):
            # The value may be a card number in the wrong place: only its type is shown.
            raise ConfigError(
                source, mask_text(key), type(value).__name__, "mti, header, or an element's number with a string"
            )
        fields[int(key)] = value
    return Message(head["mti"], fields, head["header"])


def changed(draft: Message, changes: Iterable[tuple[int, str, str]], spoken: Dialect) -> Message:
    """Set elements, and parts of elements.

    Parameters
    ----------
    draft
        What to change.
    changes
        Element, path inside it ("" for the whole), value; an empty value for the whole drops the element.
    spoken
        Whose elements they are: short values of fixed elements are filled as their kind demands, digits with zeros on
        the left and text with spaces on the right.

    Raises
    ------
    CardrailsError
        An element has no such part.
    """
    for element, path, value in changes:
        if path:
            value = _with_part(element, draft.get(element) or "", path, value, spoken)
        elif value != AUTO and (what := spoken.formats.get(element)) is not None:
            value = _padded(value, what)
        draft = draft.with_fields({element: value or None})
    return draft


def _padded(value: str, what: FieldFormat) -> str:
    if what.prefix_bytes or not value:
        return value
    if what.kind == "n":
        return value.zfill(what.size)
    return value.ljust(what.size) if what.kind in ("a", "an", "ans") else value


def _with_part(element: int, value: str, path: str, text: str, spoken: Dialect) -> str:
    layout = spoken.layout(element)
    if layout is None:
        raise LocalProtocolError(f"DE {element} has no parts that are known in dialect {spoken.name}", element=element)
    raw = _part_bytes(element, text, layout)
    nodes = parse_element(value, layout, element) if value else ()
    if find(nodes, path) is not None:
        return element_value(replaced(nodes, path, raw), layout)
    if "." in path:
        raise LocalProtocolError(f"DE {element} has no part {path}", element=element)
    return element_value((*nodes, Node(path.upper(), raw)), layout)


def _part_bytes(element: int, text: str, layout: Layout) -> bytes:
    try:
        return bytes.fromhex(text) if layout.binary else text.encode("latin-1")
    except ValueError:
        pass
    raise LocalProtocolError(f"DE {element}: parts are given in hexadecimal", element=element)


def filled(draft: Message, at: datetime, number: int) -> Message:
    """Replace every `auto`.

    Parameters
    ----------
    draft
        May say `auto` in DE 7, 11, 12, 13 and 37.
    at
        Aware UTC.
    number
        Of the message; becomes its STAN.

    Raises
    ------
    CardrailsError
        `auto` stands in another element.
    """
    trace = stan(number)
    values = {
        7: transmission_time(at),
        11: trace,
        # The 1993 form has the date in DE 12.
        12: ("" if draft.mti[:1] == "0" else at.strftime("%y%m%d")) + local_time(at),
        13: local_date(at),
        37: rrn(at, trace),
    }
    asked = [element for element, value in draft.fields.items() if value == AUTO]
    for element in asked:
        if element not in values:
            among = ", ".join(map(str, _AUTO_ELEMENTS))
            raise CardrailsError(f"DE {element}: only elements {among} can be {AUTO}")
    return draft.with_fields({element: values[element] for element in asked})


def in_version_of(message: Message, spoken: Dialect, at: datetime) -> Message:
    """Give the message in the dialect's version: 1987 becomes 1993 as it does at the edge of the house."""
    if spoken.version == "1993" and message.mti[:1] == "0":
        return to_1993(message, year=at.year)
    return message
