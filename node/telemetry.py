"""Structured logs, one JSON object or one aligned line per event; masking is the last thing that happens to them."""

from __future__ import annotations

import logging  # for the names of its levels only
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from iso.pan import mask_text

HIDDEN_KEYS = frozenset(
    {"pan", "track2", "cvv", "cvc", "cvv2", "pin", "pin_block", "key", "secret", "secret_key", "authorization"}
)


def configure(*, as_json: bool, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Set up structured logging for this process; logs go to `stream` (standard error by default)."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=28)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        # Standard error is looked up at each use: it may have been replaced, and the old one closed, since.
        logger_factory=lambda *_: structlog.WriteLogger(stream if stream is not None else sys.stderr),
        cache_logger_on_first_use=False,
    )


def mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide secret keys and mask card numbers in every value, whatever its depth."""
    for key in list(event):
        event[key] = "***" if key.lower() in HIDDEN_KEYS else _masked(event[key])
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return {key: "***" if str(key).lower() in HIDDEN_KEYS else _masked(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item) for item in value]
    if isinstance(value, (bool, float)) or value is None:
        return value
    masked = mask_text(str(value))
    return value if isinstance(value, int) and masked == str(value) else masked
