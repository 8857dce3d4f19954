"""Rows about money that has moved: refunds, and what every capture and refund did to a merchant's balance."""

from __future__ import annotations

from typing import NamedTuple


class Refund(NamedTuple):
    """Money that is given back of a charge. `amount` in minor units; `currency` alphabetic, lower case.

    Attributes
    ----------
    status
        pending until its message is answered, then succeeded or failed; canceled if it was taken back before it left.
    failure_reason
        Stripe's word for why it failed.
    is_announced
        1 once its events are written: when it is known, or when the shop is told that it is not known yet.
    reference
        The acquirer's reference number (ARN), once the acquirer has told it.
    balance_transaction
        Set once it has succeeded.
    """

    id: str
    account: str
    created: int
    charge: str
    intent: str
    customer: str | None
    method: str
    amount: int
    currency: str
    status: str
    reason: str | None
    failure_reason: str | None
    is_announced: int
    reference: str | None
    balance_transaction: str | None
    details: str
    metadata: str


class BalanceTransaction(NamedTuple):
    """What a capture or refund that the acquirer has taken did to the merchant's balance.

    Attributes
    ----------
    type
        charge or refund.
    source
        Id of the charge or refund.
    charge
        The charge that it belongs to.
    amount
        Minor units; negative for a refund.
    send
        Id of the message that the acquirer booked it for.
    available_on
        Unix seconds.
    is_booked
        1 once the acquirer has said how it booked it; until then there are no fees to show.
    interchange, scheme, acquirer
        What the acquirer took of it, minor units; None before it is booked.
    """

    id: str
    account: str
    created: int
    type: str
    source: str
    charge: str
    amount: int
    currency: str
    send: str
    description: str | None
    available_on: int
    is_booked: int
    interchange: int | None
    scheme: int | None
    acquirer: int | None
