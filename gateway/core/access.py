"""Who may do what: one table of resources, and the rule for each kind of key. What is not allowed here is refused.

A secret key may do everything that its account can do. A publishable key, which everybody can read in a web page, may
call the few operations that are marked as public, and what is between the merchant and its customer is blank in the
answers (`public_view`). A restricted key may do what its scopes say: per resource nothing, "read" or "write" (which
includes reading).

An operation needs read or write of the resource whose object it answers; to expand an object is to read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.core.errors import ApiError, excerpt

SECRET, PUBLISHABLE, RESTRICTED = "secret", "publishable", "restricted"
KINDS = (SECRET, PUBLISHABLE, RESTRICTED)
READ, WRITE = "read", "write"

RESOURCES = frozenset(
    {
        "account",
        "balance",
        "balance_transaction",
        "charge",
        "customer",
        "event",
        "payment_intent",
        "payment_method",
        "refund",
        "setup_attempt",
        "setup_intent",
        "token",
    }
)
"""What scopes can be given for. A resource that is missing here is closed to every restricted key."""

PUBLIC_EXPANSIONS = frozenset({"payment_method"})
"""What a publishable key may expand."""

SECRET_PARAMETERS = frozenset(
    {"capture_method", "error_on_requires_action", "payment_method_options", "payment_method_types"}
)
"""How a payment is made: not to be said by whoever pays it.

Source: Stripe's API reference marks them "secret key only" in the confirmation of a PaymentIntent (common knowledge;
the page could not be seen). `off_session` is one, too, and is kept by the table of a payment's states.
"""

_BLANKS: dict[str, dict[str, Any]] = {
    "payment_intent": {"customer": None, "latest_charge": None, "metadata": {}},
    "payment_method": {"customer": None, "metadata": {}},
    "setup_intent": {"customer": None, "latest_attempt": None, "metadata": {}},
}
_FINGERPRINT = "fingerprint"


def permission(resource: str, access: str) -> str:
    """Return the name of a permission, as Stripe writes it."""
    return f"rak_{resource}_{access}"


def allows(kind: str, scopes: Mapping[str, str], resource: str, access: str, *, is_public: bool) -> bool:
    """Whether a key may call an operation.

    Parameters
    ----------
    kind
        Of the key, one of `KINDS`; anything else may nothing.
    scopes
        Of a restricted key.
    resource, access
        What the operation needs.
    is_public
        Whether the operation is open to publishable keys.
    """
    if kind == SECRET:
        return True
    if kind == PUBLISHABLE:
        return is_public
    if kind != RESTRICTED or resource not in RESOURCES:
        return False
    return scopes.get(resource) in ((READ, WRITE) if access == READ else (WRITE,))


def refusal(kind: str, hint: str, account: str, resource: str, access: str) -> ApiError:
    """Return the 403 for a key that may not call an operation; it names the permission that is missing."""
    if kind == PUBLISHABLE:
        message = "This API call cannot be made with a publishable API key. Please use a secret API key."
        return ApiError(403, message, code="secret_key_required")
    message = (
        f"The provided key '{hint}' does not have the required permissions for this endpoint on account '{account}'. "
        f"Having the '{permission(resource, access)}' permission would allow this request to continue."
    )
    return ApiError(403, message)


def check_expansion(kind: str, scopes: Mapping[str, str], hint: str, account: str, expanded: Iterable[str]) -> None:
    """Refuse a key that asks to see objects which it may not read.

    Parameters
    ----------
    expanded
        The kinds of object that `expand[]` puts into the answer.

    Raises
    ------
    ApiError
        403.
    """
    for resource in sorted(expanded):
        if not allows(kind, scopes, resource, READ, is_public=resource in PUBLIC_EXPANSIONS):
            raise refusal(kind, hint, account, resource, READ)


def check_parameters(kind: str, names: Iterable[str]) -> None:
    """Refuse parameters that a publishable key may not give.

    Raises
    ------
    ApiError
        403.
    """
    if kind == PUBLISHABLE:
        for name in names:
            if name in SECRET_PARAMETERS:
                raise for_secret_keys(name)


def for_secret_keys(name: str) -> ApiError:
    """Return the 403 for a parameter that a publishable key may not give, or not like this."""
    message = (
        f"The parameter `{name}` cannot be given like this with a publishable API key. Please use a secret API key."
    )
    return ApiError(403, message, code="secret_key_required", param=name)


def public_view(value: Any) -> Any:
    """Return an answer without what a publishable key may not see.

    Whose customer pays, the merchant's own metadata and what would link a card to its other payments become null or
    empty at every depth; the shape stays.
    """
    if isinstance(value, list):
        return [public_view(item) for item in value]
    if not isinstance(value, dict):
        return value
    blank = _BLANKS.get(str(value.get("object")), {})
    return {
        name: blank[name] if name in blank else None if name == _FINGERPRINT else public_view(item)
        for name, item in value.items()
    }


def checked_scopes(scopes: Mapping[str, Any]) -> dict[str, str]:
    """Return the scopes of a new restricted key; those of "none" are left out.

    Raises
    ------
    ApiError
        400: no such resource or access, or nothing that the key may do.
    """
    for resource, access in scopes.items():
        if resource not in RESOURCES:
            raise ApiError(400, f"No such resource: '{excerpt(resource)}'", param="scopes")
        if access not in ("none", READ, WRITE):
            raise ApiError(400, f"Invalid scopes[{resource}]: must be one of none, read or write", param="scopes")
    given = {resource: access for resource, access in sorted(scopes.items()) if access != "none"}
    if not given:
        raise ApiError(400, "A restricted key needs a scope for at least one resource.", param="scopes")
    return given
