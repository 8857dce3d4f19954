"""Parameter specifications: what an operation takes, and how a form's text becomes values.

A specification is data: a dict from name to a field. Reading a form by it either gives a dict of typed values or
refuses with the error that an official SDK shows to its user. The text of a value is never repeated in an error where
it could be a card number or a CVC (`secret`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from gateway.core.cards import carries_card_number
from gateway.core.errors import ApiError, excerpt, missing_parameter, unknown_parameters
from gateway.core.forms import Tree

METADATA_KEY_MAX = 40
METADATA_VALUE_MAX = 500
UNKNOWN_SHOWN_MAX = 10
"""Of the parameters that an operation does not know, so many are named."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


class Field(Protocol):
    """One parameter. An attribute `required` says whether it may be absent."""

    @property
    def required(self) -> bool:
        """Whether the operation needs it."""

    def read(self, value: str | Tree, path: str) -> Any:
        """Return the typed value; ApiError 400 if it breaks the field's rule. "" unsets where that is allowed."""


class Text(NamedTuple):
    """Text of at most `longest` characters. With `unsettable`, "" becomes None."""

    longest: int = 5_000
    required: bool = False
    unsettable: bool = True
    secret: bool = False

    def read(self, value: str | Tree, path: str) -> str | None:
        """Return the text."""
        text = _scalar(value, path)
        if text == "" and not self.unsettable:
            raise _empty(path)
        if len(text) > self.longest:
            message = f"Invalid string: {path} has {len(text)} characters; it must have at most {self.longest}."
            raise ApiError(400, message, code="parameter_invalid_string", param=path)
        if not self.secret:
            _check_no_card(text, path)
        return text or None


class Email(NamedTuple):
    """An email address, as far as can be told without writing to it; "" becomes None."""

    longest: int = 512
    required: bool = False

    def read(self, value: str | Tree, path: str) -> str | None:
        """Return the address."""
        text = Text(self.longest).read(value, path)
        if text is not None and not _ADDRESS.fullmatch(text):
            raise ApiError(400, f"Invalid email address: {excerpt(text)}", code="email_invalid", param=path)
        return text


class Choice(NamedTuple):
    """One of `values`."""

    values: tuple[str, ...]
    required: bool = False
    unsettable: bool = False

    def read(self, value: str | Tree, path: str) -> str | None:
        """Return the chosen value."""
        text = _scalar(value, path)
        if text == "" and self.unsettable:
            return None
        if text == "":
            raise _empty(path)
        if text not in self.values:
            allowed = _one_of(self.values)
            raise ApiError(400, f"Invalid {path}: must be one of {allowed}", param=path)
        return text


class Integer(NamedTuple):
    """A whole number from `least` to `most`; a `secret` one is not repeated in errors."""

    least: int = -(10**15)
    most: int = 10**15
    required: bool = False
    code: str = "parameter_invalid_integer"
    secret: bool = False

    def read(self, value: str | Tree, path: str) -> int:
        """Return the number."""
        text = _scalar(value, path, "integer").strip()
        if text == "":
            raise _empty(path)
        if not _INTEGER.fullmatch(text):
            shown = "" if self.secret else f": {excerpt(text)}"
            raise ApiError(400, f"Invalid integer{shown}", code="parameter_invalid_integer", param=path)
        number = int(text)
        if number < self.least:
            message = f"This value must be greater than or equal to {self.least}."
            raise ApiError(400, message, code=self.code, param=path)
        if number > self.most:
            raise ApiError(400, f"This value must be less than or equal to {self.most}.", code=self.code, param=path)
        return number


class Truth(NamedTuple):
    """`true` or `false`."""

    required: bool = False

    def read(self, value: str | Tree, path: str) -> bool:
        """Return the truth value."""
        text = _scalar(value, path, "boolean")
        if text not in ("true", "false"):
            raise ApiError(400, f"Invalid boolean: {excerpt(text)}", code="parameter_invalid_boolean", param=path)
        return text == "true"


class Hash(NamedTuple):
    """A hash with its own specification. With `unsettable`, "" becomes None."""

    fields: Mapping[str, Field]
    required: bool = False
    unsettable: bool = True

    def read(self, value: str | Tree, path: str) -> dict[str, Any] | None:
        """Return the typed hash."""
        if value == "" and self.unsettable:
            return None
        if isinstance(value, str):
            raise ApiError(400, f"Invalid hash: {path} must be a hash.", code="parameter_invalid_hash", param=path)
        return read(self.fields, value, path)


class Items(NamedTuple):
    """A list of at most `most` items."""

    item: Field
    most: int = 100
    required: bool = False

    def read(self, value: str | Tree, path: str) -> list[Any]:
        """Return the typed list, in the order of the indexes."""
        if value == "":
            return []
        if isinstance(value, str) or not all(key.isascii() and key.isdigit() for key in value):
            raise ApiError(400, f"Invalid array: {path} must be a list.", code="parameter_invalid_array", param=path)
        if len(value) > self.most:
            raise ApiError(400, f"Invalid array: {path} may have at most {self.most} items.", param=path)
        # Not int(): a key of thousands of digits is an index, too, as far as the form is concerned.
        keys = sorted(value, key=lambda key: (len(key.lstrip("0")), key.lstrip("0")))
        return [self.item.read(value[key], f"{path}[{key}]") for key in keys]


class Period(NamedTuple):
    """A span of time: `created[gte]=N`, or a bare number for exactly then. Unix seconds."""

    required: bool = False

    def read(self, value: str | Tree, path: str) -> dict[str, int]:
        """Return inclusive bounds, "from" and "to", as far as they were given."""
        if isinstance(value, str):
            instant = _INSTANT.read(value, path)
            return {"from": instant, "to": instant}
        bounds = read(_BOUNDS, value, path)
        lower = [bounds[name] + shift for name, shift in (("gte", 0), ("gt", 1)) if name in bounds]
        upper = [bounds[name] - shift for name, shift in (("lte", 0), ("lt", 1)) if name in bounds]
        return ({"from": max(lower)} if lower else {}) | ({"to": min(upper)} if upper else {})


_INSTANT = Integer(0)
_BOUNDS: Mapping[str, Field] = dict.fromkeys(("gt", "gte", "lt", "lte"), _INSTANT)


class Metadata(NamedTuple):
    """Up to 50 free keys; the value None means: remove this key. "" for the whole removes all."""

    required: bool = False

    def read(self, value: str | Tree, path: str) -> dict[str, str | None] | None:
        """Return the changes."""
        if value == "":
            return None
        if isinstance(value, str):
            raise ApiError(400, f"Invalid hash: {path} must be a hash.", code="parameter_invalid_hash", param=path)
        changes: dict[str, str | None] = {}
        for key, entry in value.items():
            text = _scalar(entry, f"{path}[{key}]")
            if len(key) > METADATA_KEY_MAX:
                message = f"Metadata keys must be at most {METADATA_KEY_MAX} characters long."
                raise ApiError(400, message, param=path)
            if len(text) > METADATA_VALUE_MAX:
                message = f"Metadata values must be at most {METADATA_VALUE_MAX} characters long."
                raise ApiError(400, message, param=path)
            _check_no_card(f"{key} {text}", path)
            changes[key] = text or None
        return changes


def read(fields: Mapping[str, Field], tree: Tree, prefix: str = "") -> dict[str, Any]:
    """Read a tree by a specification.

    Parameters
    ----------
    fields
        Name to field.
    tree
        As `parse_form` gives it.
    prefix
        Name of the hash that is being read, for errors; "" at the top.

    Returns
    -------
    dict[str, Any]
        Only the parameters that were given. None means: unset it.

    Raises
    ------
    ApiError
        400: `parameter_unknown`, `parameter_missing`, or what the field says.
    """
    unknown = [f"{prefix}[{name}]" if prefix else name for name in tree if name not in fields]
    if unknown:
        raise unknown_parameters(*unknown[:UNKNOWN_SHOWN_MAX])
    values = {name: fields[name].read(value, f"{prefix}[{name}]" if prefix else name) for name, value in tree.items()}
    for name, field in fields.items():
        if field.required and values.get(name) is None:
            raise missing_parameter(f"{prefix}[{name}]" if prefix else name)
    return values


def _one_of(values: tuple[str, ...]) -> str:
    """Return alternatives as Stripe writes them: `a`, `a or b`, `a, b, or c`."""
    return " or ".join(values) if len(values) < 3 else f"{', '.join(values[:-1])}, or {values[-1]}"


def _scalar(value: str | Tree, path: str, kind: str = "string") -> str:
    if isinstance(value, str):
        return value
    message = f"Invalid {kind}: {path} must be {'an' if kind == 'integer' else 'a'} {kind}."
    raise ApiError(400, message, code=f"parameter_invalid_{kind}", param=path)


def _check_no_card(text: str, path: str) -> None:
    """Refuse a card number where it would be stored and shown."""
    if carries_card_number(text):
        message = f"{path} has a card number in it. Card numbers belong into card[number] of a payment method only."
        raise ApiError(400, message, code="parameter_invalid_string", param=path)


def _empty(path: str) -> ApiError:
    message = (
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a field; however "
        f"'{path}' cannot be unset. You should remove '{path}' from your request or supply a non-empty value."
    )
    return ApiError(400, message, code="parameter_invalid_empty", param=path)
