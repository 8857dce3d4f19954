"""Virtual cards: names like `pm_card_visa` that stand for test cards, read from a data file.

What happens to a payment with one of them is decided by the issuer's data, as for a typed card.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

_PREFIXES = ("pm_card_", "tok_")
_EXP_MONTH = 12
_YEARS_AHEAD = 3
_CVC = "123"
_CVC_AMEX = "1234"


def virtual_card(name: str, now: datetime) -> dict[str, Any] | None:
    """Return the typed card that a virtual name stands for.

    Parameters
    ----------
    name
        `pm_card_...` or `tok_...`.
    now
        Business time: the card expires three years later.

    Returns
    -------
    dict[str, Any] | None
        `number`, `exp_month`, `exp_year`, `cvc`; None if the name is not virtual.
    """
    if not is_virtual_name(name):
        return None
    number = _numbers()[name.removeprefix("tok_").removeprefix("pm_card_")]
    cvc = _CVC_AMEX if len(number) == 15 else _CVC
    return {"number": number, "exp_month": _EXP_MONTH, "exp_year": now.year + _YEARS_AHEAD, "cvc": cvc}


def is_virtual_name(name: str) -> bool:
    """Whether a name stands for a virtual card."""
    return any(name.startswith(prefix) and name.removeprefix(prefix) in _numbers() for prefix in _PREFIXES)


@cache
def _numbers() -> dict[str, str]:
    """Read the data file: the part of a name after its prefix, to the test card's number."""
    text = (resources.files("gateway") / "data" / "virtual_cards.json").read_text("utf-8")
    numbers: dict[str, str] = json.loads(text)["cards"]
    return numbers


def names_of(number: str) -> tuple[str, ...]:
    """Return the payment methods of all accounts that stand for a test card, such as `pm_card_visa`."""
    return tuple(f"pm_card_{name}" for name, card in _numbers().items() if card == number)


def distinct_names() -> list[str]:
    """Return one name for each test card that has any, in the order of the data file."""
    first: dict[str, str] = {}
    for name, number in _numbers().items():
        first.setdefault(number, f"pm_card_{name}")
    return list(first.values())
