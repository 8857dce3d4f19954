"""Presents what merchants are owed: every capture and refund of the acquirer goes to the issuer of its card, once.

Until clearing files do this, an operator does. A crash at any step loses and doubles nothing: an issuer posts an ARN
once and says the same again, and the acquirer marks only what an issuer has posted; the next run takes up the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from node.bank_client import BankClient
from node.control_client import ControlError

UNKNOWN_PAYMENT, SILENT = "unknown_payment", "silent"
"""No issuer knows the payment; an issuer that might know it does not answer."""
PAGE = 200


class Presented(NamedTuple):
    """What became of one capture or refund.

    Attributes
    ----------
    issuer
        Who has the card; "" if nobody says so.
    outcome
        What the issuer says (`banks.issuer.presenting.Presented`, in lower case), or `SILENT`.
    is_done
        Whether the money has moved, now or before.
    """

    arn: str
    kind: str
    rrn: str
    amount_minor: int
    currency: str
    issuer: str
    outcome: str
    is_done: bool


def present_all(banks: BankClient, acquirer: str, issuers: Sequence[str]) -> Iterator[Presented]:
    """Present everything that an acquirer has not presented, oldest first.

    Parameters
    ----------
    acquirer, issuers
        Nodes. Each issuer is asked in turn: which one has the card is written only on the payment itself.

    Yields
    ------
    Presented
        After the acquirer has marked it, if it was posted.
    """
    after = ""
    while page := banks.unpresented(acquirer, PAGE, after):
        done = _present(banks, issuers, page)
        posted = [one.arn for one in done if one.is_done]
        if posted:
            banks.presented(acquirer, posted)
        yield from done
        after = page[-1]["arn"]


def _present(banks: BankClient, issuers: Sequence[str], page: Sequence[dict[str, Any]]) -> list[Presented]:
    found: dict[str, tuple[str, str, bool]] = {}
    is_anybody_silent = False
    for issuer in issuers:
        asked = [row for row in page if row["arn"] not in found]
        if not asked:
            break
        try:
            answers = banks.present(issuer, [_presentment(row) for row in asked])
        except ControlError:
            is_anybody_silent = True
            continue
        for answer in answers:
            if answer["outcome"] != UNKNOWN_PAYMENT:
                found[answer["arn"]] = (issuer, answer["outcome"], answer["done"])
    nobody = ("", SILENT if is_anybody_silent else UNKNOWN_PAYMENT, False)
    return [_presented(row, *found.get(row["arn"], nobody)) for row in page]


def _presentment(row: dict[str, Any]) -> dict[str, Any]:
    names = ("arn", "acquirer", "rrn", "terminal", "kind", "number", "amount_minor", "currency")
    return {**{name: row[name] for name in names}, "is_final": bool(row["is_final"])}


def _presented(row: dict[str, Any], issuer: str, outcome: str, is_done: bool) -> Presented:
    figures = (row["kind"], row["rrn"], row["amount_minor"], row["currency"])
    return Presented(row["arn"], *figures, issuer, outcome, is_done)
