"""Rows about cards that are kept for later: tokens, setup intents, and each attempt at setting a card up."""

from __future__ import annotations

from typing import NamedTuple


class Token(NamedTuple):
    """A card that can be taken up once: into a payment method.

    Attributes
    ----------
    card
        Id of the card object that the token shows.
    token
        The network token that stands for the card.
    has_cvc
        1 if a CVC came with it, which waits in the HSM and nowhere else.
    is_used
        1 once it was taken up.
    details
        JSON: the cardholder's name and address, as they were typed.
    """

    id: str
    account: str
    created: int
    card: str
    token: str
    bin: str
    last4: str
    exp_month: int
    exp_year: int
    brand: str
    funding: str
    country: str
    fingerprint: str
    has_cvc: int
    is_used: int
    details: str


class SetupIntent(NamedTuple):
    """The wish to keep a card for later payments; `usage` says of which kind. `last_error` JSON or None."""

    id: str
    account: str
    created: int
    customer: str | None
    status: str
    usage: str
    method: str | None
    latest_attempt: str | None
    client_secret: str
    last_error: str | None
    cancellation_reason: str | None
    details: str
    metadata: str


class SetupAttempt(NamedTuple):
    """One account verification, and what the network said.

    Attributes
    ----------
    setup
        The setup intent; None if the card is verified because somebody attaches it to `customer`.
    status
        processing, succeeded or failed.
    response_code
        DE 39.
    card
        JSON snapshot of the method, with the checks that were made.
    error
        JSON: why it failed, as the shop is told.
    """

    id: str
    account: str
    created: int
    setup: str | None
    customer: str | None
    method: str
    usage: str
    status: str
    response_code: str | None
    network_transaction_id: str | None
    card: str
    error: str | None
