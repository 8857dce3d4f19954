"""Form bodies and query strings as trees: `card[number]=..`, `expand[]=..`, `items[0][price]=..`.

A tree is a dict of strings and trees. Lists are dicts with the keys "0", "1", ...: whether a parameter is a list or a
hash is known to its specification, not to the form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from urllib.parse import parse_qsl

from gateway.core.errors import ApiError

Tree: TypeAlias = "dict[str, str | Tree]"

DEPTH_MAX = 10
FIELDS_MAX = 1_000
NAME_MAX = 500


def parse_form(text: str, tree: Tree | None = None) -> Tree:
    """Parse a form-encoded body or query string.

    Parameters
    ----------
    text
        `application/x-www-form-urlencoded`, brackets literal or percent-encoded. A parameter given twice keeps its
        last value; `a[]=x&a[]=y` appends.
    tree
        What was sent before it; a new tree if None.

    Returns
    -------
    Tree

    Raises
    ------
    ApiError
        400: not UTF-8, too many fields, or what `grow` refuses.

    Examples
    --------
    >>> parse_form("card[exp_month]=12&expand[]=customer&expand%5B%5D=latest_charge")
    {'card': {'exp_month': '12'}, 'expand': {'0': 'customer', '1': 'latest_charge'}}
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except UnicodeDecodeError:
        problem = "Invalid request: the parameters are not valid UTF-8."
    except ValueError:
        problem = f"Invalid request: more than {FIELDS_MAX} parameters."
    else:
        return grow(pairs, tree)
    raise ApiError(400, problem)


def grow(pairs: Iterable[tuple[str, str]], tree: Tree | None = None) -> Tree:
    """Put pairs of bracketed names and values into a tree.

    Parameters
    ----------
    pairs
        In the order in which they were sent.
    tree
        What was sent before them; a new tree if None.

    Raises
    ------
    ApiError
        400: a NUL, a name that is too long, too deep, or used both for a value and for a hash.
    """
    tree = {} if tree is None else tree
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise ApiError(400, "Invalid request: a parameter contains a null byte.")
        if len(name) > NAME_MAX:
            raise ApiError(400, f"Invalid request: the name of a parameter has more than {NAME_MAX} characters.")
        _put(tree, _path(name), value, name)
    return tree


def canonical(tree: Tree) -> str:
    """Return one text for equal trees, whatever order their parameters came in."""
    pieces = []
    for name in sorted(tree):
        value = tree[name]
        shown = f"={value!r}" if isinstance(value, str) else f"{{{canonical(value)}}}"
        pieces.append(f"{name!r}{shown}")
    return "&".join(pieces)


def _path(name: str) -> list[str]:
    """Split `a[b][]` into ["a", "b", ""]; a name whose brackets do not pair is taken literally."""
    head, bracket, rest = name.partition("[")
    if not bracket or not head or not rest.endswith("]"):
        return [name]
    parts = rest[:-1].split("][")
    if any("[" in part or "]" in part for part in parts):
        return [name]
    if len(parts) >= DEPTH_MAX:
        raise ApiError(400, f"Invalid request: parameters are nested more than {DEPTH_MAX} deep.")
    return [head, *parts]


def _put(tree: Tree, path: list[str], value: str, name: str) -> None:
    node = tree
    for index, part in enumerate(path[:-1]):
        key = part or _position(node, path[index + 1])
        child = node.setdefault(key, {})
        if isinstance(child, str):
            raise ApiError(400, f"Invalid request: {name} is used both as a value and as a hash.", param=path[0])
        node = child
    key = path[-1] or str(len(node))
    if isinstance(node.get(key), dict):
        raise ApiError(400, f"Invalid request: {name} is used both as a value and as a hash.", param=path[0])
    node[key] = value


def _position(node: Tree, following: str) -> str:
    """Return the index that an empty bracket before `following` means: `a[][x]` starts a new item when x repeats."""
    last = node.get(str(len(node) - 1)) if node else None
    if isinstance(last, dict) and following and following not in last:
        return str(len(node) - 1)
    return str(len(node))
