"""What a link counts beside its messages: how long answers took, and with which code they declined.

On the hot path: a look-up in a short sorted list and two additions for an answer. Nothing here grows with traffic.
"""

from __future__ import annotations

from bisect import bisect_left

from iso.dialect import APPROVED_CODES

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)
"""Upper bounds of the latency histogram, seconds, inclusive; one more bucket holds what is slower."""
CODES_MAX = 100
"""Response codes that are counted by name; a peer that invents more is counted under `OTHER`."""
OTHER = "other"

_APPROVED = APPROVED_CODES["1987"]


class LinkMeters:
    """Counters of one link.

    Attributes
    ----------
    latencies
        Answers to our requests by bucket of `BUCKETS_S`, and those that were slower.
    latency_sum_s
        The sum of all latencies, seconds.
    declines
        Answers to our requests that were no approval, by DE 39 in the 1987 form.
    """

    __slots__ = ("declines", "latencies", "latency_sum_s")

    def __init__(self) -> None:
        self.latencies = [0] * (len(BUCKETS_S) + 1)
        self.latency_sum_s = 0.0
        self.declines: dict[str, int] = {}

    def answered(self, latency_s: float, code: str) -> None:
        """Count the answer to a request of ours."""
        self.latencies[bisect_left(BUCKETS_S, latency_s)] += 1
        self.latency_sum_s += latency_s
        if code not in _APPROVED:
            declines = self.declines
            name = code if code in declines or len(declines) < CODES_MAX else OTHER
            declines[name] = declines.get(name, 0) + 1
