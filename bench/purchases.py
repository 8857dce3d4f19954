"""Authorisation requests of the token lane, ready to be sent: cards stored and cryptograms made ahead of the clock."""

from __future__ import annotations

from hashlib import md5
from itertools import cycle, islice

from anyio.abc import TaskGroup

from banks.issuer.config import shipped_cards
from bench.processes import BenchError
from hsm_sim.client import TcpClient
from hsm_sim.requests import CardStored, MakeCryptogram, StoreCard, TokenCryptogram
from iso import Message
from iso.private import ECI, TOKEN_CRYPTOGRAM, TRACE_ID, build_private
from node.clock import wall_clock
from node.pipes import Pipes

AMOUNT_MINOR = 1999
CURRENCY = "840"
MERCHANT = "RAILSCOFFEE0001"
TERMINAL = "RAILS001"
PAN_LENGTH = 16
_EXPIRY = "3412"
_BATCH = 256
_WITHIN_S = 20.0


class Till:
    """Mints purchases on every shipped test card that simply approves, both issuers in turn.

    Parameters
    ----------
    address
        The gateway's port of the HSM, `tcp://host:port`.
    """

    def __init__(self, address: str) -> None:
        self._client = TcpClient(Pipes(), address)
        # One length of card number keeps DE 11 at one place in every frame.
        cards = [card.pan for card in shipped_cards() if card.about == "approved"]
        self._pans = [pan for pan in cards if len(pan) == PAN_LENGTH]
        self._tokens: list[str] = []
        self._stan = 0

    async def open(self, tasks: TaskGroup) -> None:
        """Connect and store the cards."""
        await tasks.start(self._client.run)
        pans = self._pans
        stored = await self._client.call_many([StoreCard(pan, _EXPIRY, "", "bench") for pan in pans], _WITHIN_S)
        self._tokens = [card.token for card in stored if isinstance(card, CardStored) and card.code == "00"]
        if len(self._tokens) != len(pans):
            raise BenchError("the HSM did not store every card")

    async def mint(self, count: int) -> list[Message]:
        """Return `count` requests that were never sent before, each with its own cryptogram."""
        tokens = list(islice(cycle(self._tokens), count))
        made: list[TokenCryptogram | None] = []
        for start in range(0, count, _BATCH):
            batch = [
                MakeCryptogram(token, AMOUNT_MINOR, CURRENCY, MERCHANT) for token in tokens[start : start + _BATCH]
            ]
            made += await self._client.call_many(batch, _WITHIN_S)
        return [self._message(token, _tag_of(proof)) for token, proof in zip(tokens, made, strict=True)]

    def card_present(self, count: int) -> list[Message]:
        """Return `count` requests with the card's number and without a cryptogram."""
        return [self._message(pan, {}) for pan in islice(cycle(self._pans), count)]

    def _message(self, card: str, proof: dict[str, str]) -> Message:
        self._stan += 1
        at = wall_clock()
        private = proof | {ECI: "07", TRACE_ID: trace_of(self._stan)}
        fields = {
            2: card,
            3: "000000",
            4: f"{AMOUNT_MINOR:012d}",
            7: at.strftime("%m%d%H%M%S"),
            11: f"{self._stan:06d}",
            12: at.strftime("%H%M%S"),
            13: at.strftime("%m%d"),
            14: _EXPIRY,
            22: "810",
            25: "59",
            41: TERMINAL,
            42: MERCHANT,
            48: build_private(private),
            49: CURRENCY,
        }
        return Message("0100", fields)


def trace_of(number: int) -> str:
    """Return a trace id of its own for a request: 32 hexadecimal digits without an order, as a gateway draws them."""
    return md5(number.to_bytes(4, "big"), usedforsecurity=False).hexdigest()


def _tag_of(proof: TokenCryptogram | None) -> dict[str, str]:
    if proof is None or proof.code != "00":
        raise BenchError("the HSM made no cryptogram")
    return {TOKEN_CRYPTOGRAM: proof.cryptogram + proof.atc + proof.un}


def for_the_network(message: Message) -> Message:
    """Add what an acquirer adds before a request goes to the network."""
    return message.with_fields({18: "5814", 19: "840", 32: "400001", 37: f"603200{message.stan}"})
