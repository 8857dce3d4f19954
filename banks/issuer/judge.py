"""From what was gathered to a verdict, and from a verdict to the rows that follow: one step, without an await.

gathered = await gather(desk, books, request, kind)
verdict = judge(books, turn.at, gathered, asked_of(request, kind), is_overtaken=...)
remember(books, gathered, verdict, turn)
... reply(verdict.code, gathered.answer(verdict)), after gathered.delay_ms, if gathered.is_answered
"""

from __future__ import annotations

from datetime import datetime

from banks.core.asked import Asked
from banks.core.asked import asked_of as asked_of
from banks.core.cards import account_name
from banks.core.decide import NOT_PROCESSED, Facts, Verdict, decide
from banks.core.reasons import Reason
from banks.core.scripts import SCRIPTS
from banks.issuer.books import IssuerBooks
from banks.issuer.facts import Gathered
from node.core.turn import Turn


def judge(books: IssuerBooks, at: datetime, gathered: Gathered, asked: Asked, *, is_overtaken: bool) -> Verdict:
    """Decide on the cards, scripts and balances as they are now.

    Parameters
    ----------
    at
        Business time of the turn.
    is_overtaken
        A reversal of this request, or an advice about it, has been taken already.
    """
    card = gathered.card = books.cards.get(gathered.fingerprint)
    gathered.account = account_name(card.account, asked.currency) if card is not None else ""
    account = books.ledger.accounts.get(gathered.account)
    script = gathered.script = None if card is None else books.scripts.find(card.fingerprint, gathered.request)
    result = gathered.results.get
    # In the order of their names: with fourteen of these that is half the price of naming them.
    facts = Facts(
        at,
        is_overtaken,
        gathered.is_known,
        None if account is None else account.available_minor,
        result("cvv2", NOT_PROCESSED),
        result("cvv", NOT_PROCESSED),
        result("pin", NOT_PROCESSED),
        result("arqc", NOT_PROCESSED),
        result("cavv", NOT_PROCESSED),
        gathered.atc,
        books.rules.atc_gap_max,
        gathered.token,
        gathered.avs,
        "" if script is None else script.code,
    )
    verdict = decide(facts, card, asked)
    if verdict.reason is Reason.VERIFIED and books.rules.verification_code != verdict.code:
        return verdict._replace(code=books.rules.verification_code)
    return verdict


def remember(books: IssuerBooks, gathered: Gathered, verdict: Verdict, turn: Turn) -> None:
    """Put what the verdict changes: on the card (tries, counters, a new PIN), and on the script that happened."""
    card = gathered.card_after(verdict, turn.at)
    if card is not None:
        books.put_card(card, turn)
    script = gathered.script
    if script is None or verdict.reason in (Reason.OVERTAKEN, Reason.UNSUPPORTED, Reason.FACTS_MISSING):
        return
    after = script.after()
    if after is not script:
        turn.store(SCRIPTS, books.scripts.change(after))
