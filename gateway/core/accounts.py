"""Accounts: the merchants that the gateway serves, where they come from, and how they are shown.

The topology brings the first ones. A platform may make more; the acquirer takes them on before they are written down.
What every account can do here is take card payments; other capabilities may be asked for and stay inactive. There is
no verification of people and no payout, so an account never says that it has either.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

from gateway.core.bank import Enrolment
from gateway.core.books import Books
from gateway.core.claims import Ticket
from gateway.core.errors import ApiError, excerpt
from gateway.core.identifiers import LENGTH_BYTES, identifier
from gateway.core.metadata import metadata_after
from gateway.core.records_account import AccountRow, ApiKey
from iso.errors import IsoError
from iso.money import currency

DEFAULT_MCC = "5999"
"""Miscellaneous retail: for an account that names no category."""
ONLINE_CITY = "ONLINE"
"""DE 43 of a merchant without an address."""
CARD_PAYMENTS = "card_payments"
NAME_MAX, CITY_MAX = 25, 13

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_MERCHANT_LENGTH, _TERMINAL_LENGTH = 15, 8
_UNPRINTABLE = re.compile(r"[^ -~]")
_MCC = re.compile(r"[0-9]{4}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_ADDRESS_PARTS = ("city", "country", "line1", "line2", "postal_code", "state")
_PROFILE_PARTS = ("product_description", "support_email", "support_phone", "support_url", "url")
_NOTHING_DUE: dict[str, Any] = {
    "alternatives": [],
    "current_deadline": None,
    "currently_due": [],
    "disabled_reason": None,
    "errors": [],
    "eventually_due": [],
    "past_due": [],
    "pending_verification": [],
}


class Seed(NamedTuple):
    """An account of the topology with its keys, hashed."""

    row: AccountRow
    keys: tuple[ApiKey, ...]


def seed(books: Books, seeds: Iterable[Seed]) -> None:
    """Write down the accounts and keys of the topology.

    What leads to the network (DE 41 and 42) and who is a platform follow the topology at every start; what the API can
    change stays as it was changed, and a key that was revoked stays revoked.
    """
    for row, keys in seeds:
        held = books.get(AccountRow, row.id)
        if held is None:
            books.add(row)
        else:
            books.put(held._replace(merchant=row.merchant, terminal=row.terminal, is_platform=row.is_platform))
        for key in keys:
            if books.get(ApiKey, key.id) is None:
                books.add(key)


def name_of(books: Books, ticket: Ticket, entropy: bytes) -> str:
    """Return the id of the account that a request makes.

    Under an idempotency key it follows from the request: whoever makes it again, because it is under way or its
    gateway died, asks the acquirer for the same merchant.

    Parameters
    ----------
    ticket
        Of a request that has no answer yet. Its key may have made accounts whose answers are too old to be replayed.
    entropy
        What an account without a key is named by.
    """
    if ticket.key is None:
        return identifier("acct", entropy)
    for number in count():
        request = f"{ticket.account} {ticket.digest} {number} {ticket.key}"
        name = identifier("acct", hashlib.sha256(request.encode()).digest()[:LENGTH_BYTES])
        if books.get(AccountRow, name) is None:
            break
    return name


def drafted(name: str, platform: AccountRow, params: Mapping[str, Any], created: int) -> AccountRow:
    """Return the row of a new account, as its platform describes it.

    Raises
    ------
    ApiError
        400: a name, a category, a country or a currency that the network cannot carry.
    """
    blank = AccountRow(
        id=name,
        account=platform.id,
        created=created,
        merchant=_letters(f"merchant {name}", _MERCHANT_LENGTH),
        terminal=_letters(f"terminal {name}", _TERMINAL_LENGTH),
        name=name[:NAME_MAX],
        mcc=DEFAULT_MCC,
        country=_country(params.get("country") or platform.country),
        currency=platform.currency,
        email=None,
        is_platform=0,
        details=json.dumps({"type": params.get("type") or "none"}),
        metadata="{}",
    )
    return changed(blank, params)


def changed(row: AccountRow, params: Mapping[str, Any]) -> AccountRow:
    """Return the row with what the parameters change.

    Raises
    ------
    ApiError
        400.
    """
    row = row._replace(metadata=metadata_after(row.metadata, params))
    profile = params.get("business_profile") or {}
    if profile.get("name"):
        row = row._replace(name=_printable(profile["name"], "business_profile[name]", NAME_MAX))
    if profile.get("mcc"):
        row = row._replace(mcc=_mcc(profile["mcc"]))
    if "email" in params:
        row = row._replace(email=params["email"])
    if "default_currency" in params:
        row = row._replace(currency=_currency(params["default_currency"]))
    details = json.loads(row.details)
    for name in ("business_profile", "business_type", "tos_acceptance"):
        if name in params:
            details[name] = _merged(details.get(name), params[name])
    for name, group in (params.get("settings") or {}).items():
        details.setdefault("settings", {})[name] = _merged(details.get("settings", {}).get(name), group)
    for name, given in (params.get("capabilities") or {}).items():
        wanted = set(details.get("capabilities", ()))
        details["capabilities"] = sorted(wanted | {name} if (given or {}).get("requested") else wanted - {name})
    return row._replace(details=json.dumps(details, separators=(",", ":")))


def enrolment(row: AccountRow) -> Enrolment:
    """Return what the acquirer is asked to take on."""
    assert row.mcc is not None
    money = currency(row.currency.upper())
    return Enrolment(row.merchant, row.terminal, row.name, row.mcc, city_of(row), row.country, money.numeric)


def told(before: AccountRow, after: AccountRow) -> dict[str, str]:
    """Return what the acquirer has to be told of a change; {} for nothing."""
    facts = [{"name": row.name, "mcc": row.mcc or DEFAULT_MCC, "city": city_of(row)} for row in (before, after)]
    return {name: value for name, value in facts[1].items() if facts[0][name] != value}


def city_of(row: AccountRow) -> str:
    """Return the city of DE 43: that of the support address, as far as it can be written there."""
    address = (json.loads(row.details).get("business_profile") or {}).get("support_address") or {}
    return _UNPRINTABLE.sub("", address.get("city") or "")[:CITY_MAX].strip() or ONLINE_CITY


def render(row: AccountRow) -> dict[str, Any]:
    """Return an account as the API shows it."""
    details = json.loads(row.details)
    wanted = details.get("capabilities", ())
    tos = details.get("tos_acceptance") or {}
    shape = {
        "id": row.id,
        "object": "account",
        "business_profile": _profile(row, details.get("business_profile") or {}),
        "business_type": details.get("business_type"),
        "capabilities": {**dict.fromkeys(wanted, "inactive"), CARD_PAYMENTS: "active"},
        "charges_enabled": True,
        "country": row.country,
        "created": row.created,
        "default_currency": row.currency,
        "details_submitted": False,
        "email": row.email,
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/accounts/{row.id}/external_accounts",
        },
        "future_requirements": _NOTHING_DUE,
        "metadata": json.loads(row.metadata),
        "payouts_enabled": False,
        "requirements": _NOTHING_DUE,
        "settings": _settings(row, details.get("settings") or {}),
        "tos_acceptance": {name: tos.get(name) for name in ("date", "ip", "user_agent")},
        "type": details.get("type", "standard"),
    }
    if row.account is not None:
        shape["controller"] = {"is_controller": True, "type": "application"}
    return shape


def _profile(row: AccountRow, given: Mapping[str, Any]) -> dict[str, Any]:
    address = given.get("support_address")
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": row.mcc,
        "name": row.name,
        **{name: given.get(name) for name in _PROFILE_PARTS},
        "support_address": None if address is None else {part: address.get(part) for part in _ADDRESS_PARTS},
    }


def _settings(row: AccountRow, given: Mapping[str, Any]) -> dict[str, Any]:
    cards, payments = given.get("card_payments") or {}, given.get("payments") or {}
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": cards.get("statement_descriptor_prefix"),
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": row.name, "timezone": "Etc/UTC"},
        "payments": {
            "statement_descriptor": payments.get("statement_descriptor"),
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        },
    }


def _merged(held: Any, given: Any) -> Any:
    """Return a hash with the given members replaced, at every depth; anything else is replaced whole."""
    if not (isinstance(held, dict) and isinstance(given, Mapping)):
        return given
    return {**held, **{name: _merged(held.get(name), value) for name, value in given.items()}}


def _letters(seed_text: str, length: int) -> str:
    digest = hashlib.sha256(seed_text.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:length])


def _printable(text: str, param: str, longest: int) -> str:
    if len(text) > longest or _UNPRINTABLE.search(text) or not text.strip():
        message = f"Invalid {param}: a name on the card network has at most {longest} characters, all of them ASCII."
        raise ApiError(400, message, param=param)
    return text


def _mcc(text: str) -> str:
    if not _MCC.fullmatch(text):
        raise ApiError(400, "Invalid MCC: must be four digits.", param="business_profile[mcc]")
    return text


def _country(text: str) -> str:
    if not _COUNTRY.fullmatch(text):
        message = f"Country '{text[:10]}' is unknown. Use a two-letter code, as of ISO 3166-1."
        raise ApiError(400, message, code="country_unsupported", param="country")
    return text


def _currency(text: str) -> str:
    try:
        found = currency(text.upper()).alpha
    except IsoError:
        found = ""
    if found == text.upper():
        return found.lower()
    raise ApiError(400, f"Invalid currency: {excerpt(text, 20).lower()}", param="default_currency")
