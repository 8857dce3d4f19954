"""Which parameters of the official SDK are refused, from its typed parameters and our specifications.

`python -m tests.support.sdk_parameters` prints docs/reference/refused-parameters.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import stripe.params

from gateway.api.routes import ENDPOINTS, Endpoint
from gateway.core.parameters import Hash, Items

HEAD = """# Parameters of the official SDK that `/v1` refuses

For each operation, what stripe-python 16.1.0 has a typed parameter for and this gateway answers with
`parameter_unknown`. Everything else that the SDK knows is read; what is read and has no effect yet is named in
[../STRIPE_COMPAT.md](../STRIPE_COMPAT.md). Of `payment_method_options` and `payment_method_data` only cards are listed:
the other ways to pay are all refused. Printed by `python -m tests.support.sdk_parameters`.

| operation | refused |
|---|---|
"""
_TAILS = {"GET": "Retrieve", "POST": "Update", "DELETE": "Delete"}
_OF_CARDS = {"payment_method_data", "payment_method_options"}
_KEPT = {"card", "metadata", "type", "billing_details", "allow_redisplay"}


def page() -> str:
    """Return the whole document."""
    rows = []
    for endpoint in ENDPOINTS:
        typed = parameters_of(endpoint)
        if typed is not None and (refused := sorted(missing(typed, endpoint.spec))):
            names = ", ".join(f"`{name}`" for name in refused)
            rows.append(f"| `{endpoint.method} {endpoint.path}` | {names} |\n")
    return HEAD + "".join(rows)


def parameters_of(endpoint: Endpoint) -> Any:
    """Return the SDK's typed parameters of an operation; None if it has none."""
    parts = endpoint.path.split("/")[2:]
    name = "".join(_camel(part.removesuffix("s")) for part in parts[::2])
    if len(parts) == 1:
        name += "List" if endpoint.method == "GET" and endpoint.is_list else "Create"
        if not endpoint.is_list and endpoint.method == "GET":
            name = f"{_camel(parts[0])}Retrieve"
    elif parts[-1].startswith("{"):
        name += _TAILS[endpoint.method]
    elif len(parts) == 3 and endpoint.is_list:
        name += "List"
    elif parts[1] == "search":
        name = f"{_camel(parts[0].removesuffix('s'))}Search"
    return getattr(stripe.params, f"{name}Params", None)


def missing(typed: Any, spec: Mapping[str, Any], path: str = "", *, has_cards_only: bool = False) -> Iterator[str]:
    """Yield the parameters that the SDK has and the specification has not, as they are written in a form."""
    for name, inner in _members(typed):
        if has_cards_only and name not in _KEPT:
            continue
        named = f"{path}[{name}]" if path else name
        if name not in spec:
            yield named
            continue
        field = spec[name].item if isinstance(spec[name], Items) else spec[name]
        if inner is not None and isinstance(field, Hash):
            yield from missing(inner, field.fields, named, has_cards_only=name in _OF_CARDS)


_OPTIONS = set(stripe.RequestOptions.__annotations__)
_HASHES = re.compile(r"\w+Params\w+")


def _members(typed: Any) -> Iterator[tuple[str, Any]]:
    """Yield each parameter, and the hash that it is, may be, or is a list of; None if it is none."""
    known = vars(import_module(typed.__module__))
    for name, hint in typed.__annotations__.items():
        if name not in _OPTIONS:
            hashes = (known.get(found) for found in _HASHES.findall(str(hint)))
            yield name, next((found for found in hashes if found is not None), None)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


if __name__ == "__main__":
    print(page(), end="")
