"""The type oracle: the annotations in the official `stripe` wheel are a schema of its answers.

`check(answer)` walks an answer beside the class that the SDK would read it into: what is not Optional must be there,
literals must be among those listed, values must have the annotated type, and what the class does not know is reported.
The clients that tests use hand every answer they get to an `Oracle`, and every event that was written, and fail at
their end if it found anything.
"""

from __future__ import annotations

import ast
import json
import sqlite3
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, ForwardRef, Literal, Union, get_args, get_origin, get_type_hints

from stripe._object_classes import get_object_class
from stripe._stripe_object import StripeObject

from gateway.core.events import render
from gateway.core.records_account import Event

_SPECIAL = {"object", "id", "deleted"}
_OK = 200
_SHOWN_BY_ERRORS = ("payment_intent", "payment_method", "setup_intent")

EXTENSIONS = {
    "Charge.PaymentMethodDetails.Card": {"partial_authorization"},
    "PaymentIntent.PaymentMethodOptions.Card": {"request_partial_authorization"},
}
"""What answers may have beyond the SDK's classes: a preview of Stripe's, shown only to who asked for it."""


class Oracle:
    """Collects what is wrong with the answers and events of one client, for one assertion at its end."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.answers = 0
        self.events = 0

    def see(self, what: str, status: int, content: str | bytes) -> None:
        """Look at an answer of `/v1`: the object itself, or those that an error shows; a preflight has neither."""
        if not content:
            return
        body = json.loads(content)
        shown = [body] if status == _OK else [body.get("error", {}).get(name) for name in _SHOWN_BY_ERRORS]
        for answer in shown:
            if answer is not None:
                self.answers += 1
                self.findings += [f"{what}: {finding}" for finding in check(answer)]

    def see_events(self, rows: Iterable[Event]) -> None:
        """Look at events as they were written, with the objects that they show."""
        for row in rows:
            self.events += 1
            self.findings += [f"{row.type} {row.id}: {finding}" for finding in check(render(row))]

    def see_database(self, path: Path) -> None:
        """Look at every event that a gateway has written into its SQLite file; an oracle that sees none is no use."""
        if not path.exists():
            raise FileNotFoundError(path)
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            columns = ", ".join(Event._fields)
            self.see_events(Event(*row) for row in database.execute(f"SELECT {columns} FROM events ORDER BY seq"))

    def verdict(self) -> None:
        """Fail if anything was found."""
        assert not self.findings, "\n".join(self.findings)


def check(answer: Any) -> list[str]:
    """Say what an official client would find wrong with an answer.

    Parameters
    ----------
    answer
        A JSON object with an `object` member, or the SDK's object made of one.

    Returns
    -------
    list[str]
        One line per finding, `path: what`; empty if it fits.
    """
    return list(_object(_plain(answer), "$"))


def _plain(answer: Any) -> Any:
    return answer.to_dict(for_json=True) if isinstance(answer, StripeObject) else answer


def _object(value: Mapping[str, Any], path: str) -> Iterator[str]:
    kind = value.get("object")
    if kind in _PAGES:
        yield from _page(value, _PAGES[kind], path)
        return
    known = get_object_class("V1", str(kind))
    if known is StripeObject:
        yield f"{path}.object: {kind!r} is no object of the API"
    elif value.get("deleted"):
        yield from (f"{path}.{name}: not part of a deleted object" for name in value if name not in _SPECIAL)
    else:
        yield from _members(value, known, path)


_LIST: dict[str, Any] = {"object": str, "data": list, "has_more": bool, "url": str, "total_count": int}
_FOUND: dict[str, Any] = {**_LIST, "next_page": str | None}
_PAGES = {"list": _LIST, "search_result": _FOUND}


def _page(value: Mapping[str, Any], members: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in value:
        if name not in members:
            yield f"{path}.{name}: not part of a page"
    for name, kind in members.items():
        if name not in value and name == "total_count":
            continue
        if name not in value or not isinstance(value[name], kind):
            yield f"{path}.{name}: {kind} expected"
    for index, item in enumerate(value.get("data") or []):
        if not item.get("id"):
            yield f"{path}.data[{index}].id: missing"
        yield from _object(item, f"{path}.data[{index}]")


def _members(value: Mapping[str, Any], known: type, path: str) -> Iterator[str]:
    hints = _hints(known)
    for name in value:
        if name not in hints and name not in EXTENSIONS.get(known.__qualname__, ()):
            yield f"{path}.{name}: unknown to {known.__qualname__}"
    for name, hint in hints.items():
        if name not in value:
            if not _takes_none(hint):
                yield f"{path}.{name}: missing"
        else:
            yield from _value(value[name], hint, f"{path}.{name}")


def _value(value: Any, hint: Any, path: str) -> Iterator[str]:
    origin = get_origin(hint)
    if hint is Any or isinstance(hint, ForwardRef):
        return
    if value is None:
        if not _takes_none(hint):
            yield f"{path}: null"
    elif origin in (Union, types.UnionType):
        yield from _union(value, [option for option in get_args(hint) if option is not type(None)], path)
    elif origin is Literal:
        if value not in get_args(hint):
            yield f"{path}: {value!r} is not one of {get_args(hint)}"
    elif origin in (list, dict):
        yield from _collection(value, hint, path)
    else:
        yield from _plain_value(value, origin or hint, path)


def _union(value: Any, options: list[Any], path: str) -> Iterator[str]:
    literals = [option for option in options if get_origin(option) is Literal]
    if literals:
        # The SDK writes Union[Literal[...], str] so that old clients live; for us only the literals are right.
        options = literals
    findings = [list(_value(value, option, path)) for option in options]
    yield from min(findings, key=len)


def _collection(value: Any, hint: Any, path: str) -> Iterator[str]:
    inner = get_args(hint)
    if not isinstance(value, get_origin(hint)):
        yield f"{path}: {get_origin(hint).__name__} expected"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _value(item, inner[0], f"{path}[{index}]")
    else:
        for name, item in value.items():
            yield from _value(item, inner[1], f"{path}.{name}")


def _plain_value(value: Any, kind: Any, path: str) -> Iterator[str]:
    if isinstance(kind, type) and issubclass(kind, StripeObject):
        if not isinstance(value, Mapping):
            yield f"{path}: an object expected, found {type(value).__name__}"
        elif path.endswith(".data.object"):
            # The snapshot of an event: untyped in the SDK, and yet an object of the API.
            yield from _object(value, path)
        elif kind.__name__ == "UntypedStripeObject":
            return
        elif isinstance(value.get("object"), str) or kind.__name__ == "ListObject":
            yield from _object(value, path)
        else:
            yield from _members(value, kind, path)
    elif kind is float:
        if not isinstance(value, int | float):
            yield f"{path}: a number expected"
    elif isinstance(kind, type) and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        yield f"{path}: {kind.__name__} expected, found {type(value).__name__}"


@cache
def _takes_none(hint: Any) -> bool:
    return hint is Any or (get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint))


class _Names(dict[str, Any]):
    """Resolves names that an SDK module imports for type checkers only."""

    def __init__(self, module: str) -> None:
        source = import_module(module).__file__
        assert source is not None
        imports = [
            node for node in ast.walk(ast.parse(Path(source).read_text("utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        self._found = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in imports
            for alias in node.names
            if node.module and node.module.startswith("stripe")
        }

    def __missing__(self, name: str) -> Any:
        module, attribute = self._found[name]
        return getattr(import_module(module), attribute)


@cache
def _hints(known: type) -> dict[str, Any]:
    own = {
        name
        for base in known.__mro__
        if base not in (StripeObject, object, dict)
        for name, annotation in vars(base).get("__annotations__", {}).items()
        if not name.startswith("_") and "ClassVar" not in str(annotation)
    }
    hints = get_type_hints(known, localns=_Names(known.__module__))
    return {name: hint for name, hint in hints.items() if name in own and get_origin(hint) is not ClassVar}
