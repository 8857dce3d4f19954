"""Who the acquirer takes payments for: merchants and their terminals, as data.

Each row type lists its table's columns in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from banks.core.columns import checked_changes
from banks.core.kinds import Kind
from iso import LocalProtocolError
from iso.money import CURRENCIES

MERCHANTS, TERMINALS = "merchants", "terminals"
PENDING, ACTIVE, SUSPENDED, CLOSED = "pending", "active", "suspended", "closed"
"""pending: nothing yet; active: everything; suspended: no new sales, but captures and refunds of old ones; closed:
only reversals."""
NO_PIN_KEY, TPK, DUKPT_TDES, DUKPT_AES = "none", "tpk", "dukpt-tdes", "dukpt-aes"
"""Under what kind of key a terminal sends PIN blocks."""
NO_LIMIT = -1

NO_MERCHANT, NOT_THE_TERMINAL, ABOVE_LIMIT, UNKNOWN_CURRENCY = "03", "58", "61", "12"
"""DE 39: a merchant that is unknown or not allowed to; a terminal that is not the merchant's or not allowed to; an
amount above the merchant's limit; a currency that nobody here can count in. Source: shared facts, iso8583 3.4."""

_CURRENCIES = frozenset(entry.numeric for entry in CURRENCIES)
_CHANGEABLE = {
    "name": re.compile(r"[\x20-\x7e]{1,25}"),
    "mcc": re.compile(r"[0-9]{4}"),
    "country": re.compile(r"[A-Z]{2}"),
    "city": re.compile(r"[\x20-\x7e]{1,13}"),
    "status": re.compile("|".join((PENDING, ACTIVE, SUSPENDED, CLOSED))),
    "currency": re.compile("|".join(sorted(_CURRENCIES))),
    "settlement_account": re.compile(r"[\w./-]{0,34}", re.ASCII),
    "fee_plan": re.compile(r"[a-z0-9-]{1,40}"),
    "reserve_bp": re.compile(r"10000|[0-9]{1,4}"),
    "over_capture_percent": re.compile(r"100|[0-9]{1,2}"),
    "amount_max_minor": re.compile(r"-1|[0-9]{1,12}"),
    "may_refund_unlinked": re.compile(r"[01]"),
}
_IDENTIFIER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,13}[\x21-\x7e])?")
_TERMINAL = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,6}[\x21-\x7e])?")
_KINDS = frozenset(kind.name for kind in Kind if kind is not Kind.UNKNOWN)
_PIN_KEY = re.compile("|".join((NO_PIN_KEY, TPK, DUKPT_TDES, DUKPT_AES)))


class Merchant(NamedTuple):
    """One merchant.

    Attributes
    ----------
    identifier
        DE 42 without the spaces that fill it.
    mcc
        DE 18, 4 digits.
    country
        Two letters.
    status
        pending, active, suspended or closed.
    currency
        Of its settlement account, ISO 4217 numeric; it may take payments in others.
    settlement_account
        Where it is paid out to; "".
    fee_plan
        Name of its fee plan.
    reserve_bp
        Hundredths of a per cent of each capture that are kept back.
    over_capture_percent
        By how much all captures of a payment together may exceed what was authorised.
    amount_max_minor
        Greatest amount of one payment in `currency`; -1 = none.
    may_refund_unlinked
        1: it may pay money to a card without naming a payment.
    """

    identifier: str
    name: str
    mcc: str
    country: str
    city: str
    status: str = ACTIVE
    currency: str = "840"
    settlement_account: str = ""
    fee_plan: str = "standard"
    reserve_bp: int = 0
    over_capture_percent: int = 0
    amount_max_minor: int = NO_LIMIT
    may_refund_unlinked: int = 0

    def name_location(self) -> str:
        """Return DE 43: name (25), city (13), country (2)."""
        return f"{self.name[:25]:<25}{self.city[:13]:<13}{self.country[:2]:<2}"

    def changed(self, changes: Mapping[str, str | int]) -> Merchant:
        """Return the merchant with some columns changed.

        Raises
        ------
        LocalProtocolError
            A column does not exist, may not be changed, or cannot have this value.
        """
        numeric = {column for column, value in self._asdict().items() if isinstance(value, int)}
        told = checked_changes("merchant", changes, _CHANGEABLE, numeric)
        return Merchant._make({**self._asdict(), **told}.values())

    def checked(self) -> Merchant:
        """Return the merchant; LocalProtocolError if a column has a value that it cannot have."""
        columns = self._asdict()
        if not _IDENTIFIER.fullmatch(columns.pop("identifier")):
            raise LocalProtocolError("merchant: DE 42 is 1 to 15 printable characters")
        return self.changed(columns)


class Terminal(NamedTuple):
    """One terminal.

    Attributes
    ----------
    identifier
        DE 41 without the spaces that fill it.
    merchant
        The DE 42 that it belongs to.
    pin_key
        none, tpk, dukpt-tdes or dukpt-aes.
    capabilities
        What it may ask for, as names of `banks.core.kinds.Kind` with commas between them; "" = everything.
    """

    identifier: str
    merchant: str
    pin_key: str = NO_PIN_KEY
    capabilities: str = ""

    def may(self, kind: str) -> bool:
        """Whether it may ask for a kind (its name)."""
        return not self.capabilities or kind in self.capabilities.split(",")

    def checked(self) -> Terminal:
        """Return the terminal; LocalProtocolError if a column has a value that it cannot have."""
        if not _TERMINAL.fullmatch(self.identifier):
            raise LocalProtocolError("terminal: DE 41 is 1 to 8 printable characters")
        if not _PIN_KEY.fullmatch(self.pin_key):
            raise LocalProtocolError("terminal: no such kind of PIN key")
        if self.capabilities and not _KINDS.issuperset(self.capabilities.split(",")):
            raise LocalProtocolError(f"terminal: capabilities are some of {', '.join(sorted(_KINDS))}")
        return self


class Directory:
    """Merchants and terminals, by identifier."""

    def __init__(self, merchants: Iterable[Merchant] = (), terminals: Iterable[Terminal] = ()) -> None:
        self.merchants = {merchant.identifier: merchant for merchant in merchants}
        self.terminals = {terminal.identifier: terminal for terminal in terminals}

    def admit(self, merchant: str, terminal: str, *, follows: bool = False) -> Merchant | str:
        """Return the merchant if it may be paid at this terminal, else DE 39.

        Parameters
        ----------
        merchant, terminal
            DE 42 and 41 without the spaces that fill them.
        follows
            True for what follows from an earlier payment (capture, refund): a suspended merchant may do that.

        Returns
        -------
        Merchant | str
            Unknown merchant, or one whose status forbids it: 03. A terminal that is unknown or another merchant's: 58.
        """
        found = self.merchants.get(merchant)
        if found is None or not (found.status == ACTIVE or (follows and found.status == SUSPENDED)):
            return NO_MERCHANT
        owner = self.terminals.get(terminal)
        return found if owner is not None and owner.merchant == merchant else NOT_THE_TERMINAL


def refused_amount(merchant: Merchant, amount_minor: int, currency: str) -> str | None:
    """Return the DE 39 that refuses an amount at a merchant; None if it does not."""
    if currency not in _CURRENCIES:
        return UNKNOWN_CURRENCY
    limit = merchant.amount_max_minor
    if limit != NO_LIMIT and currency == merchant.currency and amount_minor > limit:
        return ABOVE_LIMIT
    return None
