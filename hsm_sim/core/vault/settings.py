"""Sizes and times of the token vault."""

from typing import NamedTuple


class VaultSettings(NamedTuple):
    """Settings of the token vault.

    Attributes
    ----------
    cards_max
        Cards kept in memory, and CVV2s that may wait at once.
    keep_deleted_days
        Days of business time after which a deleted token's card number is erased. Until then the references that
        were recorded can be followed up (refunds, chargebacks).
    luhn_valid
        Whether tokens pass the Luhn check. False for tokens that can never be taken for a card number; peers that
        check DE 2 must allow it.
    par_controller
        str[4], the first characters of every payment account reference.
    batch_rows
        Cards that the background work changes in one turn.
    batch_every_s
        Seconds between two turns of background work.
    """

    cards_max: int = 100_000
    keep_deleted_days: int = 120
    luhn_valid: bool = True
    par_controller: str = "CRLS"
    batch_rows: int = 64
    batch_every_s: float = 0.05
