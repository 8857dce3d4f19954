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
    ) -> None:
        self.message = mask_text(message)
        super().__init__(self.message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = None if param is None else mask_text(param)
        self.extra = extra or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return error_body(self.kind, self.message, code=self.code, param=self.param, **self.extra)


def error_body(kind: str, message: str, **members: Any) -> dict[str, Any]:
    """Return an error body in Stripe's shape; members that are None are left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return {"error": {"type": kind, "message": message, **given}}


def unknown_parameter(param: str) -> ApiError:
    """Return the refusal of a parameter that the operation does not know."""
    return ApiError(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def missing_parameter(param: str) -> ApiError:
    """Return the refusal of a request that lacks a parameter."""
    return ApiError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(what: str, identifier: str, *, status: int = 404, param: str = "id") -> ApiError:
    """Return the refusal of an id that this account does not have.

    `status` is 404 for an id in the path, 400 for one in a parameter.
    """
    return ApiError(status, f"No such {what}: '{identifier}'", code="resource_missing", param=param)


def unavailable() -> ApiError:
    """Return the refusal of a request that could not begin because a part of the house did not answer."""
    message = "The card vault did not answer. Nothing was done; please try again."
    return ApiError(503, message, kind=API_ERROR)
