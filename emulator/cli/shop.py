"""A shop that buys one thing over REST, and its purchase hop by hop: what `demo` and `up --demo` show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from emulator.hops import hops_of
from emulator.render import message_lines
from gateway.core.telling import compact_lines
from iso import IsoError, dialect
from iso.money import format_amount

DEMO_CARD = "pm_card_visa"
AMOUNT_MINOR = 1999


class Purchase(NamedTuple):
    """One confirmed payment intent and the frames that it caused."""

    intent: dict[str, Any]
    status: int
    hops: list[dict[str, Any]]

    @property
    def is_approved(self) -> bool:
        """Whether the shop was paid."""
        return self.intent.get("status") == "succeeded"


async def buy(
    gateway_url: str, secret_key: str, crossings: Callable[[], list[dict[str, Any]]], method: str = DEMO_CARD
) -> Purchase:
    """Create and confirm one payment intent; collect its hops from the nodes' traces."""
    form = {
        "amount": str(AMOUNT_MINOR),
        "currency": "usd",
        "payment_method": method,
        "confirm": "true",
        "description": "One coffee",
    }
    async with httpx.AsyncClient(base_url=gateway_url, timeout=60, trust_env=False) as client:
        answer = await client.post("/v1/payment_intents", data=form, headers={"authorization": f"Bearer {secret_key}"})
    body = answer.json()
    intent = body if answer.is_success else body.get("error", {}).get("payment_intent", body)
    return Purchase(intent, answer.status_code, hops_of(crossings(), answer.headers.get("emu-trace-id", "")))


def hop_lines(purchase: Purchase, *, as_tables: bool = False) -> list[str]:
    """Return the purchase for people: each hop decoded, then what the shop got."""
    lines = []
    for number, hop in enumerate(purchase.hops, 1):
        fields = {int(element): value for element, value in hop["fields"].items()}
        head = f"{number}  {hop['node']} -> {_receiver(hop)}"
        lines.append(f"{head:<28}{hop['mti']}  {hop['dialect']:<11}{hop['bytes']:>4} bytes  {hop['at'][11:23]}")
        if as_tables:
            lines += message_lines(hop["mti"], fields, dialect(hop["dialect"]), indent="   ")
        else:
            lines += compact_lines(fields)
    intent = purchase.intent
    try:
        amount = format_amount(int(intent.get("amount", 0)), str(intent.get("currency", "")).upper())
    except IsoError:
        amount = str(intent.get("amount"))
    status = intent.get("status", "no payment intent")
    lines.append(f"the shop: HTTP {purchase.status}  {intent.get('id')}  {amount}  {status}")
    return lines


def _receiver(hop: dict[str, Any]) -> str:
    """Name the other end of a link: it is called after its peer, except the two that are called after their side."""
    return "switch" if hop["link"] == "network" else str(hop["link"])
