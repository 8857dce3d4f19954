"""The test cards as a list for people: what each does, and the CVC that its issuer accepts."""

from __future__ import annotations

from typing import Any, NamedTuple

import anyio

from banks.issuer.config import CardSection, shipped_cards
from emulator.topology import read_topology
from gateway.core.listed_cards import ListedCard
from gateway.virtual import names_of
from hsm_sim.client import TcpClient
from hsm_sim.core.indexes import CVK
from hsm_sim.requests import MakeCvv
from iso.masks import mask_pan
from node.pipes import Pipes

HSM_TIMEOUT_S = 2.0
UNKNOWN_CVC = "?"
ANY_EXPIRY = "12/34"
"""Shown for cards that take any month that is not over."""


class CardLine(NamedTuple):
    """One test card."""

    number: str
    expiry: str
    cvc: str
    issuer: str
    behaviour: str


def test_cards() -> tuple[ListedCard, ...]:
    """Return the shipped test cards as the gateway may list them: numbers masked, and the names that stand for them."""
    nodes = read_topology(None).nodes
    ranges = {"issuer-a": nodes.issuer_a.bins, "issuer-b": nodes.issuer_b.bins}
    lines = [_line(card, _issuer_of(card.pan, ranges), {}) for card in shipped_cards()]
    return tuple(
        ListedCard(
            mask_pan(line.number),
            line.expiry,
            "checked" if line.cvc == UNKNOWN_CVC else line.cvc,
            line.issuer,
            line.behaviour,
            names_of(line.number),
        )
        for line in lines
    )


async def list_cards(ready: dict[str, Any] | None) -> list[CardLine]:
    """Return the shipped test cards; CVCs come from the issuers' HSM if a house is running (`ready`)."""
    nodes = read_topology(None).nodes
    ranges = {"issuer-a": nodes.issuer_a.bins, "issuer-b": nodes.issuer_b.bins}
    cards = [(card, _issuer_of(card.pan, ranges)) for card in shipped_cards()]
    cvcs: dict[str, str] = {}
    if ready is not None:
        for issuer in ranges:
            checked = [card for card, owner in cards if owner == issuer and card.cvc_rule == "check"]
            cvcs.update(await _cvcs(ready["nodes"]["hsm"]["parties"][issuer], checked))
    return [_line(card, owner, cvcs) for card, owner in cards]


async def _cvcs(port: dict[str, Any], cards: list[CardSection]) -> dict[str, str]:
    requests = [MakeCvv(CVK, card.pan, _expiry(card), "000") for card in cards]
    async with anyio.create_task_group() as tasks:
        client = TcpClient(Pipes(), f"tcp://{port['host']}:{port['port']}")
        await tasks.start(client.run)
        answers = await client.call_many(requests, HSM_TIMEOUT_S)
        tasks.cancel_scope.cancel()
    return {
        card.pan: answer.cvv
        for card, answer in zip(cards, answers, strict=True)
        if answer is not None and answer.code == "00"
    }


def _line(card: CardSection, owner: str, cvcs: dict[str, str]) -> CardLine:
    cvc = "any" if card.cvc_rule == "any" else cvcs.get(card.pan, UNKNOWN_CVC)
    expiry = _expiry(card)
    return CardLine(card.pan, f"{expiry[2:]}/{expiry[:2]}", cvc, owner, card.about)


def _expiry(card: CardSection) -> str:
    return card.expiry or ANY_EXPIRY[3:] + ANY_EXPIRY[:2]


def _issuer_of(pan: str, ranges: dict[str, tuple[str, ...]]) -> str:
    best = [(len(prefix), issuer) for issuer, bins in ranges.items() for prefix in bins if pan.startswith(prefix)]
    return max(best, default=(0, "nobody"))[1]
