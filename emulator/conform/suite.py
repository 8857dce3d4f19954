"""What a suite says: variables, messages, and cases made of steps; read from TOML and checked before anything is sent.

A step does one thing, on one end. Texts may hold `${name}`: a variable of the suite, `${saved.11}`: an element of a
message that was sent or received before, or `${saved.original}`: that message as DE 90 names it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from iso import ConfigError
from iso.masks import mask_text
from iso.match import MatchError, predicate
from node.settings import Section, first_problem

SUITE_NAMES = ("switch", "host")
"""The suites that are shipped."""

REFERENCE = re.compile(r"\$\{([A-Za-z][\w-]*)(?:\.([\w]+))?\}")
ORIGINAL, MTI = "original", "mti"
PARTS = (ORIGINAL, MTI)
"""What a saved message has beside its elements: DE 90 that names it, and its MTI."""

Role = Literal["acquirer", "issuer"]
Deed = Literal["connect", "sign-on", "disconnect", "closed", "send", "reply", "expect", "nothing", "tell"]

_NEEDS: Mapping[str, tuple[str, ...]] = {"reply": ("to",), "expect": ("mti",), "nothing": ("for_s",), "tell": ("text",)}
_TAKES: Mapping[str, frozenset[str]] = {
    "connect": frozenset({"within_s"}),
    "sign-on": frozenset({"within_s"}),
    "disconnect": frozenset(),
    "closed": frozenset({"within_s"}),
    "send": frozenset({"message", "copy_of", "raw", "mti", "fields", "mac", "spoil", "cut", "save"}),
    "reply": frozenset({"to", "code", "fields", "mac", "save"}),
    "expect": frozenset({"mti", "where", "answers", "same_as", "skip", "within_s", "save"}),
    "nothing": frozenset({"for_s", "where"}),
    "tell": frozenset({"text"}),
}


def _element_numbers(fields: dict[str, str]) -> dict[str, str]:
    for key in fields:
        if not (key.isascii() and key.isdigit() and 2 <= int(key) <= 128):
            raise ValueError("elements are named by their numbers, 2 to 128")
    return fields


def _condition(source: str) -> str:
    # A reference stands for text that is not known yet; any will do to see whether the rest is a condition.
    try:
        predicate(REFERENCE.sub("0", source))
    except MatchError as error:
        raise ValueError(f"a condition: {error.rule} (at character {error.position})") from None
    return source


Fields = Annotated[dict[str, str], AfterValidator(_element_numbers)]
Condition = Annotated[str, AfterValidator(_condition)]


class Draft(Section):
    """A message of the suite, in the 1987 form.

    Attributes
    ----------
    mti
        str[4].
    fields
        Element to value; `auto` in DE 7, 11, 12, 13 and 37.
    """

    mti: str = Field(pattern=r"^\d{4}$")
    fields: Fields = Field(default_factory=dict)


class Step(Section):
    """One thing to do. Which keys go with which deed: `docs/reference/conform.md`.

    Attributes
    ----------
    at
        On which end; that of the case if absent.
    within_s
        Seconds; the suite's `timeout_s` if absent.
    mac
        "good", "bad" or "none" (zeros); only on an end that has MACs.
    spoil
        Element to hexadecimal bytes that are written over its first ones, in place.
    cut
        Bytes that are left out at the end.
    where
        Conditions that must all hold; of `nothing`: which messages must not come.
    skip
        Messages that are passed over.
    """

    do: Deed
    at: Role | None = None
    message: str | None = None
    copy_of: str | None = None
    raw: str | None = Field(default=None, pattern=r"^([0-9A-Fa-f]{2})+$")
    to: str | None = None
    code: str = "00"
    mti: str | None = Field(default=None, pattern=r"^\d{4}$")
    fields: Fields = Field(default_factory=dict)
    mac: Literal["good", "bad", "none"] = "good"
    spoil: Annotated[dict[str, str], AfterValidator(_element_numbers)] = Field(default_factory=dict)
    cut: int = Field(default=0, ge=0)
    where: tuple[Condition, ...] = ()
    answers: str | None = None
    same_as: str | None = None
    skip: Condition | None = None
    within_s: float | str | None = None
    for_s: float | str | None = None
    save: str | None = Field(default=None, pattern=r"^[A-Za-z][\w-]*$")
    text: str | None = None

    @model_validator(mode="after")
    def _fits_its_deed(self) -> Self:
        given = self.model_fields_set - {"do", "at"}
        strange = sorted(given - _TAKES[self.do])
        if strange:
            raise ValueError(f"{strange[0]} does not go with do = '{self.do}'")
        missing = [key for key in _NEEDS.get(self.do, ()) if getattr(self, key) is None]
        if missing:
            raise ValueError(f"do = '{self.do}' needs {missing[0]}")
        if self.do == "send" and sum(value is not None for value in (self.message, self.copy_of, self.raw)) != 1:
            raise ValueError("do = 'send' needs one of message, copy_of and raw")
        for value in self.spoil.values():
            if not re.fullmatch("([0-9A-Fa-f]{2})+", value):
                raise ValueError("spoil takes hexadecimal bytes")
        return self


class Case(Section):
    """One case: it begins without a connection, and the first step that fails ends it.

    Attributes
    ----------
    role
        The end of steps that name none.
    needs
        What the host has to be set up with, in words for people.
    """

    name: str = Field(min_length=1)
    about: str = ""
    role: Role = "acquirer"
    needs: str = ""
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def roles(self) -> frozenset[Role]:
        """The ends it is played on."""
        return frozenset(self.end_of(step) for step in self.steps if step.do != "tell")

    @property
    def needs_mac(self) -> frozenset[Role]:
        """The ends that must have MACs."""
        return frozenset(self.end_of(step) for step in self.steps if step.mac != "good")

    def end_of(self, step: Step) -> Role:
        """Return the end of one of its steps."""
        return step.at or self.role


class Suite(Section):
    """A whole suite.

    Attributes
    ----------
    variables
        Name to text; `--set NAME=VALUE` replaces them.
    timeout_s
        How long a step waits unless it says otherwise.
    answers_management
        Whether echo, cut-over and sign-off of the host are answered by themselves, and not seen by any step.
    """

    name: str = Field(min_length=1)
    about: str = ""
    timeout_s: float = Field(default=5.0, gt=0, le=3600)
    answers_management: bool = True
    variables: dict[str, str] = Field(default_factory=dict)
    messages: dict[str, Draft] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Self:
        names = [case.name for case in self.cases]
        if len(set(names)) != len(names):
            raise ValueError("every case has a name of its own")
        for case in self.cases:
            saved: set[str] = set()
            for number, step in enumerate(case.steps, 1):
                problem = self._problem(step, saved)
                if problem is not None:
                    raise ValueError(f"case '{case.name}', step {number}: {problem}")
                saved |= {step.save} if step.save else set()
        return self

    def _problem(self, step: Step, saved: set[str]) -> str | None:
        if step.message is not None and step.message not in self.messages:
            return f"there is no message '{step.message}'"
        for name in (step.copy_of, step.to, step.answers, step.same_as):
            if name is not None and name not in saved:
                return f"no step before it saves '{name}'"
        texts = [*step.fields.values(), *step.where, step.skip or "", step.code, step.text or ""]
        texts += [str(step.within_s or ""), str(step.for_s or "")]
        if step.message is not None:
            texts += self.messages[step.message].fields.values()
        for name, part in REFERENCE.findall("\n".join(texts)):
            if part and name not in saved:
                return f"no step before it saves '{name}'"
            if part and not part.isdigit() and part not in PARTS:
                return f"'{name}.{part}': a part is an element's number or {', '.join(PARTS)}"
            if not part and name not in self.variables:
                return f"there is no variable '{name}'"
        return None

    def changed(self, settings: Mapping[str, str]) -> Suite:
        """Return the suite with other values of variables.

        Raises
        ------
        ConfigError
            It has no such variable.
        """
        for name in settings:
            if name not in self.variables:
                rule = f"a variable of the suite: {', '.join(sorted(self.variables)) or 'it has none'}"
                raise ConfigError("command line", "--set", name, rule)
        return self.model_copy(update={"variables": {**self.variables, **settings}})

    def only(self, names: Sequence[str]) -> Suite:
        """Return the suite with the named cases alone; all if none is named.

        Raises
        ------
        ConfigError
            It has no such case.
        """
        known = [case.name for case in self.cases]
        for name in names:
            if name not in known:
                raise ConfigError("command line", "--case", name, f"one of {', '.join(known)}")
        chosen = tuple(case for case in self.cases if not names or case.name in names)
        return self.model_copy(update={"cases": chosen})


def read_suite(given: str) -> Suite:
    """Read a suite.

    Parameters
    ----------
    given
        A file, or the name of a shipped suite.

    Raises
    ------
    ConfigError
        One line: file, key, value, rule.
    """
    if given in SUITE_NAMES:
        return parse_suite((resources.files("emulator") / "suites" / f"{given}.toml").read_text("utf-8"), given)
    try:
        text = Path(given).read_text("utf-8")
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
    else:
        return parse_suite(text, given)
    rule = f"a file, or a shipped suite ({', '.join(SUITE_NAMES)}): {problem}"
    raise ConfigError("command line", "SUITE", given, rule)


def parse_suite(text: str, file: str) -> Suite:
    """Read a suite from TOML; `file` is what errors call it. Raises as `read_suite`."""
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = ConfigError(file, "(syntax)", mask_text(str(error)), "must be TOML")
    else:
        try:
            return Suite.model_validate(data)
        except ValidationError as error:
            problem = first_problem(error, file)
    raise problem
