"""One fault as data, and the rules that it must keep to be armed."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Literal, NamedTuple, get_args

from iso.masks import mask_text

Direction = Literal["in", "out"]
Action = Literal[
    "close",
    "reset",
    "drop",
    "delay",
    "late",
    "duplicate",
    "reorder",
    "coalesce",
    "wrong-stan",
    "wrong-mti",
    "wrong-bitmap",
    "wrong-mac",
    "wrong-length",
    "truncate",
    "dribble",
    "garbage",
]

ACTIONS: tuple[Action, ...] = get_args(Action)
DELAY_MAX_S = 86_400.0
COUNT_MAX = 1_000_000
COPIES_MAX = 100
LATE_MARGIN_S = 0.05
"""How long after the asker's deadline a late response comes, unless `delay_s` says otherwise."""
HELD_S = 1.0
"""How long "reorder" and "coalesce" wait for another message, unless `delay_s` says otherwise."""
DRIBBLE_S = 0.01
"""The pause between two bytes of "dribble", unless `delay_s` says otherwise."""


class Fault(NamedTuple):
    """One fault: which message, and what happens to it.

    Attributes
    ----------
    link
        On which link of the node; "" for every link.
    direction
        "out": between the node's decision and the wire. "in": between the wire and the node.
    mti
        Four digits in the 1987 form ("0100"); "" for every message, also for what cannot be read.
    action
        What happens; docs/reference/faults.md says what each does.
    times
        How often it strikes before it is spent; 0 for ever.
    match
        A predicate about the message in its 1987 form (`iso.match`); "" for every message.
    nth
        The first of the matching messages that it may strike, counted from 1.
    probability
        0 to 1, for each matching message from the nth on.
    seed
        Of its chances, delays and noise.
    delay_s, delay_max_s, sigma
        Seconds. Fixed; evenly between the two if the second is the longer; or, with `sigma`, log-normal with the median
        `delay_s` and that standard deviation of the logarithm, at most `delay_max_s` if that is not 0.
    in_order
        Of "delay": what follows on the connection waits behind the message, as behind a slow line.
    keep
        Bytes that still cross: of the message ("truncate", 0 for half of it), of its frame ("close", 0 for none).
    behind
        Of "reorder": how many messages overtake this one.
    copies
        Of "duplicate".
    value
        What is put there instead: DE 11, the MTI, the element whose bit is turned over (or the next one that makes the
        message unreadable), by how many bytes the length prefix is wrong ("+5", "-3"), or the bytes of "garbage" in
        hexadecimal. "" leaves it to the seed.
    """

    link: str
    direction: Direction
    mti: str
    action: Action
    times: int = 1
    match: str = ""
    nth: int = 1
    probability: float = 1.0
    seed: str = ""
    delay_s: float = 0.0
    delay_max_s: float = 0.0
    sigma: float = 0.0
    in_order: bool = False
    keep: int = 0
    behind: int = 1
    copies: int = 1
    value: str = ""

    def __repr__(self) -> str:
        said = {name: value for name, value in self.shown().items() if value != _DEFAULTS.get(name)}
        return f"Fault({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    def shown(self) -> dict[str, Any]:
        """Return it for people: a card number in its predicate or value is masked."""
        return {**self._asdict(), "match": mask_text(self.match), "value": mask_text(self.value)}


_DEFAULTS = Fault._field_defaults
_OPTIONS: dict[str, frozenset[str]] = {
    "delay": frozenset({"delay_s", "delay_max_s", "sigma", "in_order"}),
    "late": frozenset({"delay_s"}),
    "duplicate": frozenset({"copies"}),
    "reorder": frozenset({"behind", "delay_s"}),
    "coalesce": frozenset({"delay_s"}),
    "wrong-stan": frozenset({"value"}),
    "wrong-mti": frozenset({"value"}),
    "wrong-bitmap": frozenset({"value"}),
    "wrong-length": frozenset({"value"}),
    "truncate": frozenset({"keep"}),
    "dribble": frozenset({"delay_s"}),
    "garbage": frozenset({"value"}),
    "close": frozenset({"keep"}),
}
_OPTIONAL = ("delay_s", "delay_max_s", "sigma", "in_order", "keep", "behind", "copies", "value")
_VALUES = {
    "wrong-stan": (r"[0-9]{6}", "the value of wrong-stan is six digits"),
    "wrong-mti": (r"[0-9]{4}", "the value of wrong-mti is four digits"),
    "wrong-bitmap": (r"[2-9]|[1-5][0-9]|6[0-4]", "the value of wrong-bitmap is an element, 2 to 64"),
    "wrong-length": (r"[+-][1-9][0-9]{0,3}", "the value of wrong-length is how many bytes it is off, such as +5 or -3"),
    "garbage": (r"([0-9A-Fa-f]{2}){1,8192}", "the value of garbage is hexadecimal, at most 8192 bytes"),
}


def problem_of(fault: Fault) -> str:
    """Return the rule that a fault breaks by itself, or ""."""
    if fault.action not in ACTIONS:
        return f"action must be one of {', '.join(ACTIONS)}"
    if fault.direction not in ("in", "out"):
        return "direction must be in or out"
    if not re.fullmatch(r"([0-9]{4})?", fault.mti, re.ASCII):
        return "mti must be four digits, or empty for every message"
    if not (0 <= fault.times <= COUNT_MAX and 1 <= fault.nth <= COUNT_MAX and 0 <= fault.probability <= 1):
        return f"times must be 0 to {COUNT_MAX}, nth 1 to {COUNT_MAX}, probability 0 to 1"
    return _problem_of_time(fault) or _problem_of_options(fault)


def _problem_of_time(fault: Fault) -> str:
    for name in ("delay_s", "delay_max_s"):
        if not (isfinite(getattr(fault, name)) and 0 <= getattr(fault, name) <= DELAY_MAX_S):
            return f"{name} must be 0 to {DELAY_MAX_S:g}"
    if not 0 <= fault.sigma <= 10:
        return "sigma must be 0 to 10"
    if fault.action == "delay" and not (fault.delay_s or fault.delay_max_s):
        return "a delay needs delay_s"
    if fault.sigma and not fault.delay_s:
        return "sigma needs delay_s: it is the median"
    if fault.delay_max_s and fault.delay_max_s < fault.delay_s:
        return "delay_max_s must not be shorter than delay_s"
    return ""


def _problem_of_options(fault: Fault) -> str:
    allowed = _OPTIONS.get(fault.action, frozenset())
    for name in _OPTIONAL:
        if name not in allowed and getattr(fault, name) != _DEFAULTS[name]:
            return f"{fault.action} has no {name}"
    if not (fault.keep >= 0 and 1 <= fault.behind <= COUNT_MAX and 1 <= fault.copies <= COPIES_MAX):
        return f"keep cannot be negative, behind is 1 to {COUNT_MAX}, copies 1 to {COPIES_MAX}"
    pattern, rule = _VALUES.get(fault.action, ("", ""))
    if fault.value and not re.fullmatch(pattern, fault.value):
        return rule
    return ""
