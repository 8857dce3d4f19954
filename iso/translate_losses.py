"""What does not survive the way between 1987 and 1993, as data that the tests hold against the code."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ALWAYS", "LOST_FROM_1987", "LOST_FROM_1993", "Loss"]

ALWAYS = "always"


class Loss(NamedTuple):
    """Some `elements` that are lost, `when` ("always", or a condition in words), and `why`."""

    elements: frozenset[int]
    when: str
    why: str


def _loss(elements: set[int], when: str, why: str) -> Loss:
    return Loss(frozenset(elements), when, why)


_MACS = _loss({64, 128}, ALWAYS, "a MAC belongs to one leg")

LOST_FROM_1987 = (
    _MACS,
    _loss({24}, ALWAYS, "the network international id has no element in 1993"),
    _loss({46}, ALWAYS, "additional data of 1987; in 1993 the element holds fees"),
    _loss({56, 57, 58}, ALWAYS, "reserved in 1987; in 1993 original data, life cycle and authorising institution"),
    _loss({66}, ALWAYS, "the settlement code is DE 39 (500, 501) in 1993"),
    _loss({72}, ALWAYS, "the last message number has no element in 1993"),
    _loss({82, 83, 84, 85}, ALWAYS, "fee totals of 1987; in 1993 numbers of other things"),
    _loss({91, 92, 93, 94, 96}, ALWAYS, "file and service codes of 1987; countries, institutions and keys in 1993"),
    _loss(set(range(105, 112)), ALWAYS, "reserved in 1987, chargeback and fee totals in 1993"),
    _loss({12, 13}, "one without the other", "1993 has one element for local date and time"),
    _loss({22, 25, 26}, "without a row in the tables", "1993 has one letter for each"),
    _loss({39}, "reason of a reversal that is not two digits", "reasons are numbers in 1993"),
    _loss({40}, "not three digits", "n3 in 1993"),
    _loss({70}, "outside network management", "a country code in 1993"),
    _loss({90}, "in a foreign layout of 48: its DE 7 and DE 33", "DE 56 has no place for them, and DE 48 is not ours"),
    _loss({95}, "beyond the transaction amount", "DE 30 has no settlement amount or fees"),
    _loss({95}, "outside reversals", "only a reversal replaces amounts"),
)
"""What does not survive 1987 -> 1993 -> 1987, and why."""

LOST_FROM_1993 = (
    _MACS,
    _loss({13}, ALWAYS, "effective date: no element in 1987"),
    _loss({18, 29, 31, 57, 58, 66}, ALWAYS, "no element in 1987"),
    _loss({28}, ALWAYS, "reconciliation date: DE 15 is carried instead"),
    _loss({70}, ALWAYS, "country of the authorising institution: network management code in 1987"),
    _loss({72}, ALWAYS, "a data record; a number in 1987"),
    _loss({82, 83, 84, 85, 90}, ALWAYS, "numbers of things that 1987 does not count, or numbers for something else"),
    _loss(set(range(91, 97)), ALWAYS, "countries, institutions and keys of 1993; other things in 1987"),
    _loss(set(range(105, 112)), ALWAYS, "chargeback and fee totals; reserved in 1987"),
    _loss({22}, "beyond positions 2, 5, 7, 12", "1987 has no place for them"),
    _loss({24}, "other than 100, 101, 106, 200, 400, 401 and network management", "1987 has no function codes"),
    _loss({25}, "other than 4000, 4021 and 48xx of a reversal", "1987 has no reason codes"),
    _loss({30}, "outside reversals", "only a reversal has DE 95 in 1987"),
    _loss({39}, "codes that share one of 1987", "two characters say less than three digits here"),
    _loss({43}, "other than 40 characters", "ans40 in 1987: cut, or filled with spaces"),
    _loss({44}, "beyond 25 characters", "shorter in 1987"),
    _loss({46}, "fees other than 28 to 31 in the currency of DE 49", "1987 has four fees, and no currency beside them"),
    _loss({49, 50, 51}, "in letters", "become figures"),
    _loss({53}, "other than eight bytes of digits", "n16 in 1987"),
    _loss({56}, "the original's DE 12, where it is not this message's", "DE 90 names it by DE 7"),
    _loss({71}, "beyond 9999", "n4 in 1987"),
    _loss({99}, "in letters", "n..11 in 1987"),
)
"""What does not survive 1993 -> 1987 -> 1993, and why."""
