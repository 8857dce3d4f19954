"""Totals by the book: the sum over the legs and reversals that a switch has in its journal, worked out once more."""

from __future__ import annotations

import json
from collections import Counter

from node.journal import MemoryJournal
from switch.core.totals import COUNTERS

Sums = dict[tuple[str, str, str], dict[str, int]]
_KINDS = {"0": "debits", "2": "credits", "3": "inquiries"}
_BACK = {
    "debits": "credit_reversals",
    "credits": "debit_reversals",
    "authorisations": "authorisation_reversals",
}


def naive_totals(journal: MemoryJournal, year: int = 2026) -> Sums:
    """Add up what was accepted, per member, date and currency; amounts in the merchant's currency."""
    sums: dict[tuple[str, str, str], Counter[str]] = {}

    def count(members: tuple[str, str], mmdd: str, currency: str, counter: str, amount_minor: int) -> None:
        for member in members:
            counted = sums.setdefault((member, f"{year}-{mmdd[:2]}-{mmdd[2:]}", currency), Counter())
            counted[counter] += 1
            if counter in {*_BACK, *_BACK.values()}:
                counted[f"{counter}_minor"] += amount_minor

    for business, _, acquirer, issuer, _, state, mti, elements, code, answer, *_ in journal.rows["legs"].values():
        if state not in ("approved", "stood in", "advised", "reversed") or code not in ("00", "08", "10", "11"):
            continue
        asked, told, members = json.loads(elements), json.loads(answer), (acquirer, issuer)
        kind = _KINDS[asked["3"][0]]
        if kind != "inquiries" and mti[1] == "1":
            kind = "authorisations"
        left = int(told.get("4") or asked["4"])
        count(members, asked["15"], asked["49"], kind, left)
        for entry in journal.rows["saf"].values():
            if kind in _BACK and (entry[0] == f"0420/{business}" or entry[0].startswith(f"0420/{business}/")):
                undone = json.loads(entry[4])
                after = int(undone["95"][:12]) if "95" in undone else 0
                count(members, undone["15"], asked["49"], _BACK[kind], left - after)
                left = after
    return {key: {name: counted[name] for name in COUNTERS if counted[name]} for key, counted in sums.items()}


def stored_totals(journal: MemoryJournal) -> Sums:
    """Return what the switch has stored, without zeros."""
    return {
        (member, day, currency): {name: value for name, value in zip(COUNTERS, counts, strict=True) if value}
        for member, day, currency, _, *counts in journal.rows["totals"].values()
    }
