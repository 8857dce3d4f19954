"""Why a request goes where it goes: the same table, asked for its reasons, without taking anybody's turn."""

from __future__ import annotations

from typing import Any, NamedTuple

from iso import Message
from iso.pan import mask_pan
from switch.core.routing import NOBODY, Choice, IsUp, RouteTable

NO_ROUTE, NO_LINK = "15", "91"
"""DE 39 where there is no such issuer, and where none of its links is up (and nobody stands in)."""

_WHOLE_PAN = 12


class Explanation(NamedTuple):
    """What was tried, in order, and what came of it.

    Attributes
    ----------
    steps
        Plain values, JSON-able; each has `step` (rule, prefix, route, link), what it is about, and `text`.
    choice
        What `RouteTable.choose` would give now.
    """

    pan: str
    steps: list[dict[str, Any]]
    choice: Choice

    def view(self) -> dict[str, Any]:
        """Return it for JSON; the card number is masked."""
        code = None if self.choice.link else NO_LINK if self.choice.route else NO_ROUTE
        return {
            "pan": self.pan,
            "steps": self.steps,
            "route": self.choice.route or None,
            "link": self.choice.link or None,
            "owner": self.choice.owner or None,
            "code": code,
        }


def explain(table: RouteTable, pan: str, request: Message, member: str, is_up: IsUp) -> Explanation:
    """Explain a choice.

    Parameters
    ----------
    pan
        The card number, or its first digits.
    request
        What conditions look at; DE 2 need not be in it.
    member
        The acquirer's link.

    Returns
    -------
    Explanation
        Its choice is the one that `table.choose` would make of the same arguments.
    """
    plain = table.by_prefix(pan)
    asked = request.with_fields({2: pan})
    on_us = table.is_on_us(member, plain)
    steps: list[dict[str, Any]] = []
    target = None
    for rule in table.rules:
        name = rule.target.route.name
        failed = rule.fails(pan, asked, member, on_us)
        text = f"rule {name}: {failed or 'holds'}"
        steps.append({"step": "rule", "route": name, "holds": failed is None, "text": text})
        if failed is None:
            target = rule.target
            break
    if target is None:
        target = plain
        prefix = table.prefix_of(pan)
        found = "no prefix fits" if plain is None else f"longest prefix {prefix}, of route {plain.route.name}"
        steps.append({"step": "prefix", "prefix": prefix, "text": found})
    for route in table.routes:
        if not route.enabled and any(pan.startswith(tuple(piece.prefixes())) for piece in route.spans):
            steps.append({"step": "disabled", "route": route.name, "text": f"route {route.name} is disabled"})
    masked = mask_pan(pan) if len(pan) >= _WHOLE_PAN else pan
    if target is None:
        return Explanation(masked, steps, NOBODY)
    route, group = target.route, target.group
    how = f"link {route.to}" if group.name not in table.groups else f"group {group.name}, {group.choose}"
    suffix = " (on-us)" if on_us else ""
    steps.append({"step": "route", "route": route.name, "to": route.to, "text": f"route {route.name} to {how}{suffix}"})
    at = table.turn_of(group, is_up)
    for index, link in enumerate(group.links):
        up = is_up(link)
        text = f"{link}: {'up' if up else 'down'}{', chosen' if index == at else ''}"
        steps.append({"step": "link", "link": link, "up": up, "chosen": index == at, "text": text})
    return Explanation(masked, steps, target.nothing if at is None else target.choices[at])
