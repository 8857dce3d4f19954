"""Routing as a topology says it: groups of links, and routes by card number and by condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from iso import Message
from iso.errors import CardrailsError, ConfigError
from iso.match import MatchError, predicate
from node.settings import Section, first_problem
from switch.core.prefixes import is_token, span
from switch.core.routing import PRIMARY, ROUND_ROBIN, Group, Route, RouteTable
from switch.rate_settings import CurrencyCode

_PAN_MAX = 19
_NAME = r"^[\w.-]{1,64}$"


class GroupSettings(Section):
    """Links that lead to the same issuer."""

    name: str = Field(pattern=_NAME)
    links: tuple[str, ...] = Field(min_length=1)
    choose: Literal["primary", "round-robin"] = "primary"

    def group(self) -> Group:
        """Return what the table takes."""
        return Group(self.name, self.links, ROUND_ROBIN if self.choose == ROUND_ROBIN else PRIMARY)


class RouteSettings(Section):
    """One route: what it is about, and where that goes.

    Attributes
    ----------
    prefixes
        Prefixes of 1 to 11 digits ("4242") and ranges ("400000-409999").
    when
        A condition on the request, in the predicate language; `bin` and `de2` are the card's number.
    members
        Links of acquirers.
    to
        A group or a link.
    """

    name: str = Field(pattern=_NAME)
    prefixes: tuple[str, ...] = ()
    when: str | None = None
    members: tuple[str, ...] = ()
    on_us: bool | None = None
    to: str = Field(min_length=1)
    enabled: bool = True

    @field_validator("prefixes")
    @classmethod
    def _are_prefixes(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        problem = None
        for text in prefixes:
            try:
                span(text)
            except CardrailsError as error:
                problem = str(error)
        if problem is not None:
            raise ValueError(problem)
        return prefixes

    @field_validator("when")
    @classmethod
    def _is_a_condition(cls, source: str | None) -> str | None:
        if source is None:
            return None
        try:
            predicate(source)
        except MatchError as error:
            problem = str(error)
        else:
            return source
        raise ValueError(problem)

    def route(self) -> Route:
        """Return what the table takes."""
        return Route(
            self.name,
            self.to,
            tuple(span(text) for text in self.prefixes),
            None if self.when is None else predicate(self.when),
            frozenset(self.members),
            self.on_us,
            self.enabled,
        )


class RoutingSettings(Section):
    """A whole table, as it is loaded at the start and again at run time.

    Attributes
    ----------
    bins
        The simple form: link of an issuer to the prefixes that are its own.
    institutions
        Link to the institution behind it, for `on_us`.
    """

    bins: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    groups: tuple[GroupSettings, ...] = ()
    routes: tuple[RouteSettings, ...] = ()
    institutions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_clear(self) -> Self:
        try:
            self.table()
        except CardrailsError as error:
            problem = str(error)
        else:
            return self
        raise ValueError(problem)

    def table(self) -> RouteTable:
        """Return the table.

        Raises
        ------
        CardrailsError
            One line that names the route.
        """
        bins: dict[str, str] = {}
        for link, prefixes in self.bins.items():
            for prefix in prefixes:
                if bins.setdefault(prefix, link) != link:
                    raise CardrailsError(f"prefix {prefix} is routed to two issuers: {bins[prefix]}, {link}")
        return RouteTable(
            bins,
            [route.route() for route in self.routes],
            [group.group() for group in self.groups],
            self.institutions,
        )


def check_names(table: RouteTable, issuers: Iterable[str], members: Iterable[str]) -> None:
    """Refuse a table that names a link which is not there.

    Parameters
    ----------
    issuers, members
        The links to issuers, and those of acquirers.

    Raises
    ------
    CardrailsError
        One line: the route or group, the name, and the names that there are.
    """
    issuers, members = sorted(issuers), sorted(members)
    named: Mapping[str, tuple[str, ...]] = {
        **{f"group {group.name}": group.links for group in table.groups.values()},
        **{f"route {route.name}": (route.to,) for route in table.routes if route.to not in table.groups},
    }
    for group in table.groups:
        if group in issuers:
            raise CardrailsError(f"group {group}: an issuer's link has that name")
    for who, links in named.items():
        for link in links:
            if link not in issuers:
                known = ", ".join([*issuers, *(table.groups if who.startswith("route") else ())])
                raise CardrailsError(f"{who}: {link} is not one of {known}")
    for route in table.routes:
        for member in sorted(route.members):
            if member not in members:
                raise CardrailsError(f"route {route.name}: member {member} is not one of {', '.join(members)}")


class RouteQuestion(Section):
    """Where would this go: a card number, or its first digits, and what conditions look at.

    Attributes
    ----------
    amount
        DE 4, in minor units.
    currency
        Either code.
    member
        Link of the acquirer.
    """

    pan: str = Field(repr=False)
    mti: str = Field(default="0100", pattern=r"^[0-9]{4}$")
    processing_code: str = Field(default="000000", pattern=r"^[0-9]{6}$")
    mcc: str | None = Field(default=None, pattern=r"^[0-9]{4}$")
    currency: CurrencyCode | None = None
    amount: int | None = Field(default=None, ge=0, lt=10**12)
    member: str = "acquirer"

    @field_validator("pan")
    @classmethod
    def _is_a_card_number(cls, pan: str) -> str:
        if not (1 <= len(pan) <= _PAN_MAX and pan.isascii() and pan.isdigit()):
            raise ValueError("1 to 19 digits of a card number")
        if is_token(pan):
            raise ValueError("a network token is opened before it is routed: give the card number")
        return pan

    def message(self) -> Message:
        """Return the request that is asked about; without its card number."""
        amount = None if self.amount is None else f"{self.amount:012d}"
        said = {3: self.processing_code, 4: amount, 18: self.mcc, 49: self.currency}
        return Message(self.mti, {element: value for element, value in said.items() if value is not None})


def question_of(asked: Mapping[str, object], file: str) -> RouteQuestion:
    """Read a question; `file` is what errors call it.

    Raises
    ------
    ConfigError
        One line, without a card number.
    """
    try:
        return RouteQuestion.model_validate(asked)
    except ValidationError as error:
        problem = first_problem(error, file)
    if problem.key == "pan":
        problem = ConfigError(file, "pan", "***", problem.rule)
    raise problem
