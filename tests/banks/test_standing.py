"""How a payment stands follows from its rows, in whatever order they have come."""

from __future__ import annotations

import doctest
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from banks.core import causes, standing
from banks.core.causes import CAUSE_CODES
from banks.core.requests import CHARGE, CREDIT, HOLD, RequestRow
from banks.core.standing import due_holds, standing_of
from banks.issuer.presenting import Presented

Messages = list[tuple[tuple[str, str, str], int, bool]]
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(((HOLD, "0100", ""), (CHARGE, "0220", "01P"), (CHARGE, "0220", "02F"), (CREDIT, "0200", ""))),
        st.integers(0, 100),
        st.booleans(),
    ),
    max_size=8,
)


def rows_of(messages: Messages) -> list[RequestRow]:
    rows = []
    for number, ((effect, mti, capture), left, is_posted) in enumerate(messages):
        texts = (f"k{number}", number, mti, "own", "payment", "", "card", "account", left, "840", "approved", "00", "r")
        posted = left if is_posted and effect != HOLD else 0
        rows.append(RequestRow(*texts, "", "h", "at", effect, left, posted, 0, capture))
    return rows


class TestStanding:
    """Sums do not depend on order, and holds never exceed what is authorised and not yet taken."""

    @given(MESSAGES, st.randoms(use_true_random=False))
    def test_the_order_of_rows_does_not_matter(self, messages: Messages, order: object) -> None:
        rows = rows_of(messages)
        shuffled = rows[:]
        order.shuffle(shuffled)  # type: ignore[attr-defined]

        assert standing_of(rows) == standing_of(shuffled)
        assert due_holds(rows) == due_holds(shuffled)

    @given(MESSAGES)
    def test_sums_are_those_of_a_plain_addition(self, messages: Messages) -> None:
        rows = rows_of(messages)

        found = standing_of(rows)

        assert found.authorised_minor == sum(row.left_minor for row in rows if row.effect == HOLD)
        assert found.completed_minor == sum(row.left_minor for row in rows if row.effect == CHARGE)
        assert found.posted_minor == sum(row.posted_minor for row in rows if row.effect == CHARGE)
        assert found.refunded_minor == sum(row.left_minor for row in rows if row.effect == CREDIT)

    @given(MESSAGES)
    def test_what_is_due_is_what_is_left_or_nothing(self, messages: Messages) -> None:
        rows = rows_of(messages)
        found = standing_of(rows)

        due = sum(amount for _, amount in due_holds(rows))

        left = max(0, found.authorised_minor - found.completed_minor)
        assert due == (0 if found.is_final else left)
        assert all(0 <= amount <= row.left_minor for row, amount in due_holds(rows))


class TestDocument:
    """The reference names every cause that refuses, with its code, and every outcome of a presentment."""

    def test_nothing_is_missing(self) -> None:
        text = (Path(__file__).parents[2] / "docs" / "reference" / "payment-life.md").read_text("utf-8")

        missing = [cause.name for cause, code in CAUSE_CODES.items() if f"| `{cause.name}` | {code} |" not in text]
        missing += [outcome.name for outcome in Presented if f"`{outcome.name}`" not in text]

        assert missing == []


class TestExamples:
    """What a docstring shows is what happens."""

    def test_of_each_module(self) -> None:
        assert [doctest.testmod(module).failed for module in (standing, causes)] == [0, 0]
