"""Conversations about the card file: issuing the seeded cards, changing one, printing what is on their backs.

They run inside the node (`Called`), because only the node may touch its books, and only its HSM can say under which
fingerprint a card is filed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from banks.core.cards import Card, account_name
from banks.core.scripts import SEEDED, ScriptRow
from banks.issuer.books import EQUITY
from banks.issuer.host import IssuerHost
from banks.issuer.scripting import put_script
from banks.ledger import Outcome
from hsm_sim.core.indexes import CVK
from hsm_sim.requests import CvvMade, Fingerprint, Fingerprinted, MakeCvv
from iso.errors import CardrailsError
from iso.masks import mask_pan


class CardSeed(NamedTuple):
    """A card to issue. `card` lacks its fingerprint, and its account where that is to follow from the fingerprint.

    `scripts` lack their number and the card's fingerprint.
    """

    pan: str
    card: Card
    balance_minor: int
    scripts: tuple[ScriptRow, ...] = ()

    def __repr__(self) -> str:
        return f"CardSeed({mask_pan(self.pan)})"


class Seeded(NamedTuple):
    """How many cards are new, and how many the HSM said nothing about: those are worth another try."""

    added: int
    unanswered: int


async def seed(host: IssuerHost, seeds: Sequence[CardSeed], currencies: Sequence[str]) -> Seeded:
    """Issue the cards that are not in the file yet, each with its opening balance in every currency.

    What exists wins: a second run, or a run after a restart, changes neither a card nor a balance.

    Parameters
    ----------
    host
        The issuer whose conversation this is.
    seeds
        Cards of this issuer's own BIN ranges.
    currencies
        ISO 4217 numeric codes.
    """
    added = unanswered = 0
    for item in seeds:
        fingerprint = await _fingerprint(host, item.pan)
        if fingerprint is None:
            unanswered += 1
        elif fingerprint not in host.books.cards:
            _issue(host, item, fingerprint, currencies)
            added += 1
    return Seeded(added, unanswered)


async def change_card(host: IssuerHost, pan: str, **changes: str | int) -> None:
    """Change columns of one card's row.

    Raises
    ------
    CardrailsError
        The HSM is silent, the card is not in the file, or a column cannot be changed to that. Nothing was changed.
    """
    card = host.books.cards.get(await _fingerprint(host, pan) or "")
    if card is None:
        raise CardrailsError(f"card {mask_pan(pan)} is not in the issuer's file, or the HSM is silent")
    host.books.put_card(card.changed(changes), host.desk.turn)


async def cvv2_of(host: IssuerHost, pan: str, expiry: str) -> str | None:
    """Return the CVV2 that is printed on a card (`expiry` YYMM); None if the HSM does not say."""
    made = await host.desk.ask("hsm", MakeCvv(CVK, pan, expiry, "000"), host.rules.hsm_timeout_s)
    return made.cvv if isinstance(made, CvvMade) and made.code == "00" else None


async def _fingerprint(host: IssuerHost, pan: str) -> str | None:
    found = await host.desk.ask("hsm", Fingerprint(pan), host.rules.hsm_timeout_s)
    return found.fingerprint if isinstance(found, Fingerprinted) and found.code == "00" else None


def _issue(host: IssuerHost, item: CardSeed, fingerprint: str, currencies: Sequence[str]) -> None:
    ledger, turn = host.books.ledger, host.desk.turn
    account = item.card.account or f"card/{item.card.last4}/{fingerprint[3:11]}"
    host.books.put_card(item.card._replace(fingerprint=fingerprint, account=account), turn)
    for script in item.scripts:
        put_script(host.books, script._replace(card=fingerprint, source=SEEDED), turn)
    for currency in currencies:
        name, equity = account_name(account, currency), account_name(EQUITY, currency)
        if name in ledger.accounts:
            continue
        ledger.open_account(equity, currency, turn, may_overdraw=True)
        ledger.open_account(name, currency, turn)
        if item.balance_minor:
            outcome = ledger.transfer(equity, name, item.balance_minor, "opening balance", turn)
            assert outcome is Outcome.DONE, f"an opening balance is an amount that one order may move: {outcome.value}"
