"""The type oracle: the annotations in the official `stripe` wheel are a schema of its answers.

`check(answer)` walks an answer beside the class that the SDK would read it into: what is not Optional must be there,
literals must be among those listed, values must have the annotated type, and what the class does not know is reported.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, ForwardRef, Literal, Union, get_args, get_origin, get_type_hints

from stripe._object_classes import get_object_class
from stripe._stripe_object import StripeObject

_SPECIAL = {"object", "id", "deleted"}


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
    if kind == "list":
        yield from _list(value, path)
        return
    known = get_object_class("V1", str(kind))
    if known is StripeObject:
        yield f"{path}.object: {kind!r} is no object of the API"
    elif value.get("deleted"):
        yield from (f"{path}.{name}: not part of a deleted object" for name in value if name not in _SPECIAL)
    else:
        yield from _members(value, known, path)


def _list(value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, kind in (("data", list), ("has_more", bool), ("url", str)):
        if not isinstance(value.get(name), kind):
            yield f"{path}.{name}: {kind.__name__} expected"
    for index, item in enumerate(value.get("data") or []):
        if not item.get("id"):
            yield f"{path}.data[{index}].id: missing"
        yield from _object(item, f"{path}.data[{index}]")


def _members(value: Mapping[str, Any], known: type, path: str) -> Iterator[str]:
    hints = _hints(known)
    for name in value:
        if name not in hints:
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
        elif kind.__name__ == "UntypedStripeObject":
            return
        elif "object" in value or kind.__name__ == "ListObject":
            yield from _object(value, path)
        else:
            yield from _members(value, kind, path)
    elif kind is float:
        if not isinstance(value, int | float):
            yield f"{path}: a number expected"
    elif isinstance(kind, type) and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        yield f"{path}: {kind.__name__} expected, found {type(value).__name__}"


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
