"""Routing: which issuer's link a request goes to, by rules, by the longest prefix of the card, and by what is up.

A table is immutable but for whose turn it is in a round: it is replaced as a whole, between two events, and what is in
flight keeps the link that it was given. Routes apply to card numbers, never to network tokens, which all share one
reserved prefix and are routed after they have been opened.

The order is fixed: the first enabled rule whose conditions all hold; else the narrowest prefix or range; then the group
that it names chooses a link. A rule that matched is not tried again elsewhere because its links are down: where money
goes is the operator's decision, not the weather's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from iso import Message
from iso.errors import CardrailsError
from iso.masks import mask_text
from iso.match import Predicate
from switch.core.prefixes import TOKEN_PREFIX, Span, is_token, overlap, span

__all__ = [
    "NOBODY",
    "PRIMARY",
    "ROUND_ROBIN",
    "TOKEN_PREFIX",
    "Choice",
    "Group",
    "IsUp",
    "Route",
    "RouteTable",
    "is_token",
]

PRIMARY: Final = "primary"
"""The links of the group in their order: the first that is up."""
ROUND_ROBIN: Final = "round-robin"
"""The links of the group in turn; one that is down is stepped over."""

IsUp = Callable[[str], bool]


class Group(NamedTuple):
    """Links that lead to the same issuer. `choose` is `PRIMARY` or `ROUND_ROBIN`."""

    name: str
    links: tuple[str, ...]
    choose: str = PRIMARY


class Route(NamedTuple):
    """One line of the table.

    Attributes
    ----------
    name
        Unique.
    to
        A group, or a link.
    spans
        Card numbers it is about; none = all, for a rule.
    when
        A condition on the acquirer's request, in which DE 2 is the card number.
    members
        Links of acquirers it is about; none = all.
    on_us
        True: only if acquirer and issuer are the same institution; False: only if not; None: either.
    enabled
        A route that is not is kept, shown and never chosen.
    """

    name: str
    to: str
    spans: tuple[Span, ...] = ()
    when: Predicate | None = None
    members: frozenset[str] = frozenset()
    on_us: bool | None = None
    enabled: bool = True

    @property
    def is_rule(self) -> bool:
        """Whether it looks at more than the card number."""
        return self.when is not None or bool(self.members) or self.on_us is not None


class Choice(NamedTuple):
    """Where a request goes.

    Attributes
    ----------
    route
        Name of the route that decided; "" = nobody's card.
    link
        The link; "" = none of the route's links is up, or nobody's card.
    owner
        The first link of the route: who is answered for if `link` is "".
    """

    route: str
    link: str
    owner: str


NOBODY: Final = Choice("", "", "")


class Target(NamedTuple):
    """A route with its group and the answer for each link of it, made once."""

    route: Route
    group: Group
    choices: tuple[Choice, ...]
    nothing: Choice


class RouteTable:
    """Where every card number goes.

    Parameters
    ----------
    bins
        The simple form: prefix of 1 to 11 digits to link name.
    routes
        Rules in the order in which they are tried, and routes by card number alone.
    groups
        What routes may name beside links.
    institutions
        Link to the institution behind it, for `on_us`; a link that is not in it is on-us with nobody.

    Raises
    ------
    CardrailsError
        One line that names the route: a prefix is not 1 to 11 digits or inside the reserved range of the tokens; two
        routes have the same prefix or overlap; a name is used twice; a group is empty. Fix the topology.

    Examples
    --------
    >>> table = RouteTable({"4": "issuer-a", "990001": "issuer-a", "99": "issuer-b"})
    >>> table.link_of("9900010000000000"), table.link_of("9900020000000000"), table.link_of("5100")
    ('issuer-a', 'issuer-b', None)
    """

    __slots__ = (
        "_lengths",
        "_looks_at_cards",
        "_next",
        "_targets",
        "groups",
        "institutions",
        "links",
        "routes",
        "rules",
    )

    def __init__(
        self,
        bins: Mapping[str, str],
        routes: Iterable[Route] = (),
        groups: Iterable[Group] = (),
        institutions: Mapping[str, str] | None = None,
    ) -> None:
        simple = [Route(f"bin {prefix}", link, (_span(f"bin {prefix}", prefix),)) for prefix, link in bins.items()]
        self.routes: tuple[Route, ...] = (*routes, *simple)
        self.groups = _named(groups)
        self.institutions = dict(institutions or {})
        _check(self.routes)
        live = [route for route in self.routes if route.enabled]
        self.rules = tuple(_Rule(self._target(route)) for route in live if route.is_rule)
        self._targets = self._by_prefix([route for route in live if not route.is_rule])
        self.links = frozenset(link for route in self.routes for link in self._group_of(route).links)
        self._lengths = sorted({len(prefix) for prefix in self._targets}, reverse=True)
        self._looks_at_cards = any(route.when is not None and 2 in route.when.elements for route in live)
        self._next = dict.fromkeys(self.groups, 0)

    def choose(self, pan: str, request: Message, member: str, is_up: IsUp) -> Choice:
        """Choose the link of a request, and take turns where a group says so.

        Parameters
        ----------
        pan
            The card number, opened.
        request
            As the acquirer sent it; its DE 2 may be a token.
        member
            The acquirer's link.
        is_up
            Whether a link carries traffic.

        Returns
        -------
        Choice
            `NOBODY` if no route is about this card.
        """
        target = self.target_of(pan, request, member)
        if target is None:
            return NOBODY
        if len(target.choices) == 1:
            return target.choices[0] if is_up(target.group.links[0]) else target.nothing
        at = self.turn_of(target.group, is_up)
        if at is None:
            return target.nothing
        if target.group.choose == ROUND_ROBIN:
            self._next[target.group.name] = at + 1
        return target.choices[at]

    def target_of(self, pan: str, request: Message, member: str) -> Target | None:
        """Return what decides about a request: its first rule, else the longest prefix, else None."""
        target = self.by_prefix(pan)
        if not self.rules:
            return target
        on_us = self.is_on_us(member, target)
        asked = request.with_fields({2: pan}) if self._looks_at_cards else request
        return next((rule.target for rule in self.rules if rule.fails(pan, asked, member, on_us) is None), target)

    def by_prefix(self, pan: str) -> Target | None:
        """Return the target of the longest prefix that fits, or None."""
        for length in self._lengths:
            target = self._targets.get(pan[:length])
            if target is not None:
                return target
        return None

    def prefix_of(self, pan: str) -> str | None:
        """Return the longest prefix of the table that fits, or None."""
        return next((pan[:length] for length in self._lengths if pan[:length] in self._targets), None)

    def link_of(self, pan: str) -> str | None:
        """Return the first link of the longest prefix that fits, rules and state of links left aside, or None."""
        target = self.by_prefix(pan)
        return None if target is None else target.nothing.owner

    def is_on_us(self, member: str, target: Target | None) -> bool:
        """Whether the acquirer's institution is also the issuer's, whom the card number names."""
        if target is None:
            return False
        acquirer = self.institutions.get(member)
        return acquirer is not None and acquirer == self.institutions.get(target.nothing.owner)

    def turn_of(self, group: Group, is_up: IsUp) -> int | None:
        """Return the index of the link whose turn it is, or None if all are down. Nobody's turn passes."""
        links = group.links
        first = self._next[group.name] if group.choose == ROUND_ROBIN else 0
        for offset in range(len(links)):
            at = (first + offset) % len(links)
            if is_up(links[at]):
                return at
        return None

    def view(self) -> dict[str, Any]:
        """Return the table for the control port, in the order in which it is tried: plain values."""
        return {
            "routes": [
                {
                    "name": route.name,
                    "prefixes": [piece.text() for piece in route.spans],
                    "when": None if route.when is None else mask_text(route.when.source),
                    "members": sorted(route.members),
                    "on_us": route.on_us,
                    "to": route.to,
                    "enabled": route.enabled,
                }
                for route in self.routes
            ],
            "groups": [{**group._asdict(), "links": list(group.links)} for group in self.groups.values()],
        }

    def _group_of(self, route: Route) -> Group:
        return self.groups.get(route.to) or Group(route.to, (route.to,))

    def _target(self, route: Route) -> Target:
        group = self._group_of(route)
        choices = tuple(Choice(route.name, link, group.links[0]) for link in group.links)
        return Target(route, group, choices, Choice(route.name, "", group.links[0]))

    def _by_prefix(self, routes: Sequence[Route]) -> dict[str, Target]:
        pieces = [(piece, self._target(route)) for route in routes for piece in route.spans]
        clash = overlap([piece for piece, _ in pieces])
        if clash is not None:
            raise CardrailsError(
                f"ranges {clash[0].text()} and {clash[1].text()} overlap, and neither is inside the other"
            )
        owners: dict[tuple[int, int], Target] = {}
        targets: dict[str, Target] = {}
        # The widest first: where a narrower one needs the same prefix, it takes it over.
        for piece, target in sorted(pieces, key=lambda each: -each[0].width):
            other = owners.setdefault(piece.bounds, target)
            if other is not target:
                raise CardrailsError(f"prefix {piece.text()} is routed twice: {other.route.name}, {target.route.name}")
            targets.update(dict.fromkeys(piece.prefixes(), target))
        return targets


class _Rule:
    """A rule, ready to be tried."""

    __slots__ = ("_prefixes", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self._prefixes = tuple(prefix for piece in target.route.spans for prefix in piece.prefixes())

    def fails(self, pan: str, asked: Message, member: str, on_us: bool) -> str | None:
        """Return which condition does not hold, in words; None if all do."""
        route = self.target.route
        if route.members and member not in route.members:
            return f"not from {', '.join(sorted(route.members))}"
        if self._prefixes and not pan.startswith(self._prefixes):
            return f"the card is not in {', '.join(piece.text() for piece in route.spans)}"
        if route.on_us is not None and route.on_us is not on_us:
            return "not on-us" if route.on_us else "on-us"
        if route.when is not None and not route.when(asked):
            return f"not: {mask_text(route.when.source)}"
        return None


def _span(name: str, text: str) -> Span:
    try:
        return span(text)
    except CardrailsError as error:
        problem = f"route {name}: {error}"
    raise CardrailsError(problem)


def _named(groups: Iterable[Group]) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for group in groups:
        if not group.links or len(set(group.links)) != len(group.links):
            raise CardrailsError(f"group {group.name}: one link or several, each once")
        if found.setdefault(group.name, group) is not group:
            raise CardrailsError(f"group {group.name} is there twice")
    return found


def _check(routes: Sequence[Route]) -> None:
    names = set[str]()
    for route in routes:
        if route.name in names:
            raise CardrailsError(f"route {route.name} is there twice")
        if not route.spans and not route.is_rule:
            raise CardrailsError(f"route {route.name}: prefixes, or a condition")
        names.add(route.name)
