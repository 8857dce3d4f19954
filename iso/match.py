"""The one predicate language: which messages a rule is about.

Faults, verification, scripted outcomes, risk rules, scenarios and conformance all say it in these words, for example
`mti == "0100" and de4 >= 1000 and bin in ("400000", "42")`. The language is described in docs/reference/match.md.

A predicate is parsed once, checked for types, and becomes a closure over closures: there is no `eval`, no loop and no
regular expression of the user's, so its cost is bounded by its length and by the message. Evaluating never raises:
whatever is absent or malformed compares as false.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from iso.masks import mask_text
from iso.match_names import NAMES, NUMBER, PREFIX, TEXT, TRUTH, Name, Value, element_name, part_name
from iso.match_tokens import MatchError, Token, tokens
from iso.message import Message
from iso.subfields.node import Layout
from iso.subfields.standard import STANDARD

__all__ = ["MatchError", "Name", "Predicate", "glob", "predicate"]

Test = Callable[[Message], bool]

_DEPTH_MAX = 50
_ELEMENT_MAX = 128
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
    "matches": lambda text, pattern: glob(text, pattern),
}
_RESERVED = frozenset({"and", "or", "not", "in", "present", "true", "false", *_TEXT_TESTS})
_KINDS = {TEXT: "text", NUMBER: "a number", TRUTH: "true or false", PREFIX: "text"}


class Predicate:
    """A compiled condition; call it with a message.

    Attributes
    ----------
    source
        What it was made from.
    elements
        Data elements that it looks at; 0 is the MTI. Names of the caller's own are not in it.

    Examples
    --------
    >>> dear = predicate('mti == "0100" and de4 >= 1000')
    >>> dear(Message("0100", {4: "000000001999"})), dear(Message("0100", {}))
    (True, False)
    """

    __slots__ = ("_test", "elements", "source")

    def __init__(self, source: str, test: Test, elements: frozenset[int]) -> None:
        self.source = source
        self.elements = elements
        self._test = test

    def __call__(self, message: Message) -> bool:
        """Say whether the condition holds for `message`; never raises."""
        return self._test(message)

    def __repr__(self) -> str:
        return f"Predicate({mask_text(self.source)!r})"


def predicate(
    source: str,
    *,
    names: Mapping[str, Name] = MappingProxyType({}),
    layouts: Mapping[int, Layout] = MappingProxyType({}),
) -> Predicate:
    """Compile a condition.

    Parameters
    ----------
    source
        At most 4000 characters of the language; see docs/reference/match.md.
    names
        More names, for rules that know more than the message (a risk rule's counters). They may not hide the
        language's own.
    layouts
        How elements are divided for `deN.path`, beside or instead of the standard layouts of 1987.

    Returns
    -------
    Predicate

    Raises
    ------
    MatchError
        `source` is not a condition: show `error.pointed()` to whoever wrote it.

    Examples
    --------
    >>> chip = predicate('present(de55) and not bin in ("400000", "42") and de55.9F26 startswith "11"')
    >>> chip(Message("0100", {2: "5555555555554444", 55: "9F26081122334455667788"}))
    True
    >>> try:
    ...     predicate('de4 >= "1000"')
    ... except MatchError as error:
    ...     print(error.pointed())
    de4 >= "1000"
           ^
    de4 is a number: write 1000 without quotes
    """
    parser = _Parser(source, names, STANDARD["1987"] | dict(layouts))
    return Predicate(source, parser.whole(), frozenset(parser.elements))


def glob(text: str, pattern: str) -> bool:
    """Say whether all of `text` looks like `pattern`, in at most len(text) * len(pattern) steps.

    Parameters
    ----------
    text
        Any text.
    pattern
        `*` is any run of characters, `?` is any one, `#` is a digit; everything else is itself.

    Examples
    --------
    >>> glob("632613000123", "6326*"), glob("A12", "?##"), glob("A1", "?##")
    (True, True, False)
    """
    at = want = 0
    star = mark = -1
    while at < len(text):
        wanted = pattern[want] if want < len(pattern) else ""
        if wanted == "*":
            star, mark = want, at
            want += 1
        elif wanted == text[at] or wanted == "?" or (wanted == "#" and text[at] in "0123456789"):
            at, want = at + 1, want + 1
        elif star >= 0:
            # The last star takes one character more; earlier ones never need to be tried again.
            mark += 1
            at, want = mark, star + 1
        else:
            return False
    return not pattern[want:].strip("*")


class _Term(NamedTuple):
    """An operand: its kind, how it is read, how it is called, and its value if it is written down."""

    kind: str
    read: Callable[[Message], Value]
    token: Token
    constant: Value = None


class _Parser:
    """Recursive descent: one method a level, from `or` down to a single name."""

    def __init__(self, source: str, names: Mapping[str, Name], layouts: Mapping[int, Layout]) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._at = 0
        self._depth = 0
        self._names = dict(names) | dict(NAMES)
        self._layouts = layouts
        self.elements: set[int] = set()

    def whole(self) -> Test:
        test = self._either()
        if self._next.kind != "end":
            chained = self._next.text in _COMPARE
            self._fail(self._next, "comparisons do not chain: join them with and" if chained else "and or or expected")
        return test

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> Token | None:
        """Step over the next token if it is one of these words or marks (any token, where none are given)."""
        token = self._next
        if texts and not (token.kind in ("name", "mark") and token.text in texts):
            return None
        self._at += 1
        return token

    def _fail(self, token: Token, rule: str) -> NoReturn:
        raise MatchError(self._source, token.position, rule)

    def _either(self) -> Test:
        tests = [self._both()]
        while self._take("or"):
            tests.append(self._both())
        if len(tests) == 1:
            return tests[0]
        return lambda message: any(test(message) for test in tests)

    def _both(self) -> Test:
        tests = [self._negated()]
        while self._take("and"):
            tests.append(self._negated())
        if len(tests) == 1:
            return tests[0]
        return lambda message: all(test(message) for test in tests)

    def _negated(self) -> Test:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            self._fail(self._next, f"conditions nest at most {_DEPTH_MAX} deep")
        if self._take("not"):
            test = self._negated()
            found: Test = lambda message: not test(message)  # noqa: E731
        elif self._take("("):
            found = self._either()
            self._expect(")")
        elif self._take("present"):
            found = self._present()
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            self._fail(self._next, f"{mark} expected")

    def _present(self) -> Test:
        self._expect("(")
        term = self._term()
        if term.constant is not None:
            self._fail(term.token, "present() takes a name")
        self._expect(")")
        read = term.read
        return lambda message: read(message) is not None

    def _comparison(self) -> Test:
        left = self._term()
        negated = self._take("not") is not None
        sign = self._next
        if negated and sign.text != "in":
            self._fail(sign, "in expected")
        if left.constant is not None and (sign.text == "in" or sign.text in _TEXT_TESTS):
            self._fail(left.token, "a name expected before this word")
        if self._take("in"):
            test = self._membership(left)
            # What is absent is not in the list, and not outside of it either.
            return (lambda message: left.read(message) is not None and not test(message)) if negated else test
        if self._take(*_TEXT_TESTS):
            return self._text_test(left, sign.text)
        if self._take(*_COMPARE):
            return self._compared(left, sign, self._term())
        if left.kind != TRUTH:
            name = left.token.text
            hint = f"compare {name} with something" + ("" if left.constant is not None else f", or present({name})")
            self._fail(left.token if left.constant is not None else sign, f"a condition expected: {hint}")
        read = left.read
        return lambda message: read(message) is True

    def _compared(self, left: _Term, sign: Token, right: _Term) -> Test:
        if left.constant is not None and right.constant is not None:
            self._fail(left.token, "one side must be a name")
        named, other = (right, left) if left.constant is not None else (left, right)
        self._same_kind(named, other)
        compare, one, two = _COMPARE[sign.text], left.read, right.read
        if TRUTH in (left.kind, right.kind) and sign.text not in ("==", "!="):
            self._fail(sign, "true and false have no order: use == or !=")
        if PREFIX in (left.kind, right.kind):
            return self._prefix_compared(compare, named, other, swapped=named is right)

        def test(message: Message) -> bool:
            first, second = one(message), two(message)
            return first is not None and second is not None and compare(first, second)

        return test

    def _prefix_compared(
        self, compare: Callable[[Any, Any], bool], named: _Term, other: _Term, *, swapped: bool
    ) -> Test:
        if not isinstance(other.constant, str):
            self._fail(other.token, f"{named.token.text} is compared with text in quotes")
        text, read = other.constant, named.read

        def test(message: Message) -> bool:
            value = read(message)
            if not isinstance(value, str):
                return False
            first = value[: len(text)]
            return compare(text, first) if swapped else compare(first, text)

        return test

    def _membership(self, left: _Term) -> Test:
        self._expect("(")
        items: list[Value] = []
        while True:
            item = self._term()
            if item.constant is None:
                self._fail(item.token, "a list holds values, not names")
            self._same_kind(left, item)
            items.append(item.constant)
            if not self._take(","):
                break
        self._expect(")")
        read = left.read
        if left.kind == PREFIX:
            starts = tuple(str(item) for item in items)
            return lambda message: str(read(message) or "").startswith(starts)
        wanted = frozenset(items)
        return lambda message: read(message) in wanted

    def _text_test(self, left: _Term, name: str) -> Test:
        right = self._term()
        if left.kind not in (TEXT, PREFIX):
            self._fail(left.token, f"{name} is for text, and {left.token.text} is {_KINDS[left.kind]}")
        if not isinstance(right.constant, str):
            self._fail(right.token, f"{name} takes text in quotes")
        test, text, read = _TEXT_TESTS[name], right.constant, left.read

        def holds(message: Message) -> bool:
            value = read(message)
            return isinstance(value, str) and test(value, text)

        return holds

    def _same_kind(self, named: _Term, other: _Term) -> None:
        if _KINDS[named.kind] == _KINDS[other.kind]:
            return
        name, text = named.token.text, other.token.text
        if named.kind == NUMBER and other.token.kind == "string":
            bare = text[1:-1]
            rule = f"{name} is a number: write {bare or 0} without quotes"
        elif named.kind in (TEXT, PREFIX) and other.token.kind == "number":
            rule = f'{name} is text: write "{text}" in quotes'
        else:
            rule = f"{name} is {_KINDS[named.kind]}, and {text} is {_KINDS[other.kind]}"
        self._fail(other.token, mask_text(rule))

    def _term(self) -> _Term:
        token = self._next
        self._at += token.kind != "end"
        if token.kind == "string":
            quote = token.text[0]
            text = token.text[1:-1].replace(f"\\{quote}", quote).replace("\\\\", "\\")
            return _Term(TEXT, lambda message: text, token, text)
        if token.kind == "number":
            number = int(token.text.replace("_", ""))
            return _Term(NUMBER, lambda message: number, token, number)
        if token.kind == "name" and token.text in ("true", "false"):
            truth = token.text == "true"
            return _Term(TRUTH, lambda message: truth, token, truth)
        if token.kind != "name" or token.text in _RESERVED:
            self._fail(token, "a name or a value expected")
        name = self._name(token)
        return _Term(name.kind, name.read, token)

    def _name(self, token: Token) -> Name:
        if (known := self._names.get(token.text)) is not None:
            self.elements |= set(known.elements)
            return known
        head, _, path = token.text.partition(".")
        number = head[2:]
        if head[:2] != "de" or not (number.isascii() and number.isdigit()):
            self._fail(token, f"no such name: de2 to de128, de55.9F26, or {', '.join(sorted(self._names))}")
        element = int(number)
        if not 2 <= element <= _ELEMENT_MAX or number[0] == "0":
            self._fail(token, "an element is de2 to de128")
        self.elements.add(element)
        if not path:
            return element_name(element)
        layout = self._layouts.get(element)
        if layout is None:
            self._fail(token, f"de{element} has no parts here")
        return part_name(element, path, layout)
