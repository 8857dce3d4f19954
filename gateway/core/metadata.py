"""The shop's own notes on an object: kept as the JSON text of its row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.core.errors import ApiError
from gateway.core.render import dumps

METADATA_KEYS_MAX = 50


def metadata_after(held: str, params: Mapping[str, Any]) -> str:
    """Return the notes on an object after a request; the same if it says nothing of them.

    Parameters
    ----------
    held
        Notes until now, JSON; "{}" for what is new.
    params
        Of the request. `metadata` names what changes: a key with None is removed, None as a whole removes all.

    Raises
    ------
    ApiError
        400: more than 50 keys would remain.
    """
    if "metadata" not in params:
        return held
    if params["metadata"] is None:
        return "{}"
    merged = {**json.loads(held), **params["metadata"]}
    kept = {key: value for key, value in merged.items() if value is not None}
    if len(kept) > METADATA_KEYS_MAX:
        raise ApiError(400, f"You can specify up to {METADATA_KEYS_MAX} metadata keys.", param="metadata")
    return dumps(kept)
