"""How long to wait before dialling again: exponential, with jitter, so that those who lost a peer do not storm it."""

from __future__ import annotations

_DOUBLINGS_MAX = 30


def pause_s(failures: int, first_s: float, max_s: float, share: float) -> float:
    """Return the pause after the `failures`th failure in a row.

    Parameters
    ----------
    failures
        From 1.
    first_s, max_s
        The pause doubles from `first_s` and never exceeds `max_s`.
    share
        Chance, from 0 to 1, handed in: the pause is between half of its full length and all of it.

    Returns
    -------
    float
        Seconds.

    Examples
    --------
    >>> [pause_s(failures, 0.05, 5.0, 1.0) for failures in (1, 2, 3, 100)], pause_s(2, 0.05, 5.0, 0.0)
    ([0.05, 0.1, 0.2, 5.0], 0.05)
    """
    full_s = min(first_s * 2.0 ** min(max(failures - 1, 0), _DOUBLINGS_MAX), max_s)
    return full_s * (0.5 + share / 2)
