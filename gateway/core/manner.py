"""In what manner a request wants its answer: whoever answers it later, in place of one that died, answers alike."""

from __future__ import annotations

import json
from typing import NamedTuple

from gateway.core.access import public_view
from gateway.core.books import Books
from gateway.core.claims import Answer, settle
from gateway.core.expand import expand
from gateway.core.records import Charge, Claim, SendRecord
from gateway.core.render import Shape, charge, dumps

_OK = 200


class Manner(NamedTuple):
    """Of an answer.

    Attributes
    ----------
    is_public
        Made with a publishable key, which sees less.
    expand
        Paths that are shown in full.
    is_of_charge
        The charge is shown and not its refund.
    """

    is_public: bool = False
    expand: tuple[str, ...] = ()
    is_of_charge: bool = False

    def text(self) -> str | None:
        """Return it as a claim keeps it; None if nothing about it is special."""
        return dumps(self._asdict()) if self != Manner() else None

    @classmethod
    def of(cls, text: str | None) -> Manner:
        """Return what `text` wrote."""
        if text is None:
            return cls()
        kept = json.loads(text)
        return cls(kept["is_public"], tuple(kept["expand"]), kept["is_of_charge"])


def answered(books: Books, record: SendRecord, told: tuple[int, Shape], manner: Manner) -> Answer:
    """Return the answer to the request that caused a message.

    Parameters
    ----------
    told
        Status, and the object or error that the outcome is.
    """
    status, shape = told
    if status == _OK:
        known = books.get(Charge, record.charge) if manner.is_of_charge else None
        shape = expand(books, record.account, shape if known is None else charge(known), manner.expand)
    return Answer(status, dumps(public_view(shape) if manner.is_public else shape))


def settle_claim(books: Books, record: SendRecord, told: tuple[int, Shape]) -> None:
    """Store the answer of the request that caused a message, if it still has none."""
    held = None if record.claim is None else books.get(Claim, record.account, record.claim)
    if held is not None and not held.status and held.request == (record.request or held.request):
        settle(books, record.account, record.claim, answered(books, record, told, Manner.of(held.manner)))
