"""What a caller of the REST face is told when a request cannot be carried out.

An `ApiError` means that nothing was done, or that the caller's books disagree with ours; a declined payment is an
outcome and is rendered with the same body, but never raised. Messages are shown to merchants and stored: they pass
through `mask_text`, because a caller may put a card number into any parameter, even into its name.
"""

from __future__ import annotations

from typing import Any

from iso.errors import CardrailsError
from iso.pan import mask_text

API_ERROR = "api_error"
CARD_ERROR = "card_error"
IDEMPOTENCY_ERROR = "idempotency_error"
INVALID_REQUEST = "invalid_request_error"

MARGIN = 64
"""Characters behind a cut that are looked at, too: more than a card number takes, however it is written."""

_DOCUMENTS = "https://stripe.com/docs"
_PATH_MAX = 300


class ApiError(CardrailsError):
    """A request is refused; nothing of it was carried out.

    Parameters
    ----------
    status
        HTTP status.
    message
        For the caller; card numbers in it are masked.
    kind
        The `type` of Stripe's error body.
    code, param
        Stripe's error code and the parameter to blame, if any.
    extra
        More members of the error body, already rendered.
    reason
        Why a limit was exceeded, for the header `Stripe-Rate-Limited-Reason`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID_REQUEST,
        code: str | None = None,
        param: str | None = None,
        extra: dict[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        self.message = mask_text(message)
        super().__init__(self.message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = None if param is None else mask_text(param)
        self.extra = extra or {}
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return error_body(self.kind, self.message, code=self.code, param=self.param, **self.extra)


def error_body(kind: str, message: str, **members: Any) -> dict[str, Any]:
    """Return an error body in Stripe's shape; members that are None are left out, a code brings its explanation."""
    given = {name: value for name, value in members.items() if value is not None}
    if "code" in given:
        given["doc_url"] = doc_url(given["code"])
    return {"error": {"type": kind, "message": message, **given}}


def doc_url(code: str) -> str:
    """Return where Stripe explains an error code."""
    return f"{_DOCUMENTS}/error-codes/{code.replace('_', '-')}"


def excerpt(text: str, most: int = 100) -> str:
    """Return the beginning of a caller's text, for a message.

    Card numbers are masked before it is cut: what is left of one would not be known for one any more. What cannot
    reach into the excerpt is not looked at, so that a long text costs no more than a short one.
    """
    return mask_text(text[: most + MARGIN])[:most]


def unknown_parameters(*params: str) -> ApiError:
    """Return the refusal of parameters that the operation does not know; the first of them is to blame."""
    message = f"Received unknown parameter{'s' if len(params) > 1 else ''}: {', '.join(params)}"
    return ApiError(400, message, code="parameter_unknown", param=params[0])


def missing_parameter(param: str) -> ApiError:
    """Return the refusal of a request that lacks a parameter."""
    return ApiError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(what: str, identifier: str, *, status: int = 404, param: str = "id") -> ApiError:
    """Return the refusal of an id that this account does not have.

    `status` is 404 for an id in the path, 400 for one in a parameter.
    """
    return ApiError(status, f"No such {what}: '{excerpt(identifier)}'", code="resource_missing", param=param)


def unavailable() -> ApiError:
    """Return the refusal of a request that could not begin because a part of the house did not answer."""
    message = "The card vault did not answer. Nothing was done; please try again."
    return ApiError(503, message, kind=API_ERROR)


def rate_limited(reason: str) -> ApiError:
    """Return the refusal of a request that came too soon, or while too many others were running."""
    message = f"Request rate limit exceeded. You can learn more about rate limits here {_DOCUMENTS}/rate-limits."
    return ApiError(429, message, code="rate_limit", reason=reason)


def unrecognized(method: str, path: str) -> ApiError:
    """Return the refusal of an address at which there is nothing, or nothing for this method."""
    message = (
        f"Unrecognized request URL ({method}: {excerpt(path, _PATH_MAX)}). If you are trying to list objects, remove "
        "the trailing slash. If you are trying to retrieve an object, make sure you passed a valid (non-empty) "
        "identifier in your code."
    )
    return ApiError(404, message)
