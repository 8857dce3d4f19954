"""One proof that a request brings: a question to the HSM and how to read its answer, or the result.

`results` are the letters of `banks.core.decide`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from banks.core.decide import MATCH, NO_MATCH, UNAVAILABLE

_OK, _MISMATCH, _NO_KEY = "00", "01", "12"


class Proof(NamedTuple):
    """One proof.

    Attributes
    ----------
    name
        "cvv2", "cvv", "pin", "arqc" or "cavv".
    question
        The next request to the HSM; None: `result` is settled.
    read
        Makes of the HSM's answer the proof as it is then.
    atc, arpc, new_pin
        What else came out: the chip's counter, DE 55 of the answer, the new PVV or offset.
    """

    name: str
    result: str = UNAVAILABLE
    question: Any = None
    read: Callable[[Any], Proof] | None = None
    atc: int = 0
    arpc: str = ""
    new_pin: str = ""

    def __repr__(self) -> str:
        return f"Proof({self.name!r}, {self.result!r}, asks={self.question is not None})"

    def taken(self, answer: Any, silence: object) -> Proof:
        """Return the proof after an answer of the HSM, or its `silence`."""
        if answer is silence or self.read is None:
            return Proof(self.name)
        return self.read(answer)


def simple_proof(name: str, question: Any) -> Proof:
    """Return a proof that is right at "00" and wrong at "01".

    A card whose key is not in the HSM ("12") cannot be verified by anything: that fails closed, like a mismatch.
    """
    return Proof(name, UNAVAILABLE, question, lambda answer: _simply_settled(name, answer.code))


@lru_cache(maxsize=64)
def _simply_settled(name: str, code: str) -> Proof:
    return Proof(name, _RESULTS.get(code, UNAVAILABLE))


_RESULTS = {_OK: MATCH, _MISMATCH: NO_MATCH, _NO_KEY: NO_MATCH}
