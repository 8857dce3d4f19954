"""What a shop may change of an attempt at a payment: what is said about it, never what was paid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.core.errors import ApiError
from gateway.core.metadata import metadata_after
from gateway.core.records import Charge, Intent
from gateway.core.render import dumps

_SAID = (
    "description",
    "fraud_details",
    "receipt_email",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
)


def described(charge: Charge, params: Mapping[str, Any]) -> Charge:
    """Return the charge with what a request says about it.

    Parameters
    ----------
    charge
        As it is in the books.
    params
        By the specification of an update or a capture.

    Raises
    ------
    ApiError
        400: it has a transfer group, and that cannot change.
    """
    details = json.loads(charge.details)
    group = params.get("transfer_group")
    if group is not None and details.get("transfer_group") not in (None, group):
        message = f"Charge {charge.id} already has a transfer group; it cannot be changed."
        raise ApiError(400, message, param="transfer_group")
    details |= {name: params[name] for name in _SAID if name in params}
    if group is not None:
        details["transfer_group"] = group
    return charge._replace(details=dumps(details), metadata=metadata_after(charge.metadata, params))


def check_capturable(charge: Charge, intent: Intent) -> None:
    """Refuse a charge that holds nothing any more.

    Raises
    ------
    ApiError
        400 `charge_already_captured`, `charge_already_refunded`, or that it failed.
    """
    if charge.captured:
        raise ApiError(400, f"Charge {charge.id} has already been captured.", code="charge_already_captured")
    if charge.status == "succeeded" and charge.amount_released >= charge.amount:
        raise ApiError(400, f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    if charge.status != "succeeded" or intent.latest_charge != charge.id:
        raise ApiError(400, f"Charge {charge.id} cannot be captured: it has a status of {charge.status}.")
