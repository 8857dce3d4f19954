"""How a committed message leaves, and what its answer means: one question, or one attempt at what is owed."""

from __future__ import annotations

from gateway.core.books import Books
from gateway.core.manner import settle_claim
from gateway.core.messages import ACKNOWLEDGED_CODES, Cryptogram, authorisation_request, owed_message
from gateway.core.obligations import as_duty, with_duty
from gateway.core.outcomes import SETTLING
from gateway.core.records import Obligation, SendRecord
from gateway.core.responses import Kind, Outcome, outcome_of
from gateway.core.sends import INCREMENT, REFUND, VERIFY
from gateway.handlers.context import Ports
from hsm_sim.requests import MakeCryptogram
from iso import Message
from iso.private import PARTIAL_APPROVAL, parse_private
from node.core.duty import DONE, OPEN, REFUSED, DutyRules, failed, fulfilled, refused
from node.core.steps import NOT_SENT, Silence

ACCEPTED = "00"
"""The HSM's code for success."""


async def ask(ports: Ports, record: SendRecord) -> Outcome:
    """Ask the network a question (authorise, increment, verify); its send record is durable already.

    Returns
    -------
    Outcome
        `NOT_SENT` if the HSM gave no cryptogram or the link is down: then there is nothing to undo. What it means is
        written by `SETTLING[record.kind].conclude`.
    """
    cryptogram = None
    if record.kind != INCREMENT:
        asked = MakeCryptogram(record.token, record.amount, record.currency, record.merchant)
        made = await ports.hsm.call(asked, ports.timeouts.hsm_s)
        if made is None or made.code != ACCEPTED:
            return Outcome(Kind.NOT_SENT)
        cryptogram = Cryptogram(made.cryptogram, made.atc, made.un)
    answer = await ports.acquirer.request(authorisation_request(record, cryptogram), ports.timeouts.acquirer_s)
    takes_partial = PARTIAL_APPROVAL in parse_private(record.private)
    outcome = outcome_of(answer, takes_partial=takes_partial, is_verification=record.kind == VERIFY)
    if outcome.approved is not None and outcome.approved > record.amount:
        # More than was asked cannot have been approved: whatever it is, it is undone.
        return outcome._replace(kind=Kind.UNKNOWN, approved=None)
    return outcome


async def attempt(ports: Ports, duty: Obligation, record: SendRecord) -> Obligation:
    """Try once to bring what is owed, and write down what came of it.

    Parameters
    ----------
    duty
        Under our lease, this attempt counted: from `owe` with a holder, or taken by a worker.
    record
        Its message.

    Returns
    -------
    Obligation
        Done, refused for good, or open and due later.
    """
    # An advice is answered by the acquirer itself, a refund by the issuer.
    timeout_s = ports.timeouts.acquirer_s if record.kind == REFUND else ports.timeouts.reversal_s
    answer = await ports.acquirer.request(owed_message(record, duty.attempts), timeout_s)
    state, was_sent, at = state_after(record, answer, ports.rules), answer is not NOT_SENT, ports.now()

    def finish(books: Books) -> Obligation:
        held = books.get(Obligation, duty.send)
        if held is None or held.state != OPEN:
            # The lease ran out while we waited, and somebody else has ended it.
            return held or duty
        settling, told = SETTLING[record.kind], None
        if state == DONE:
            ended = with_duty(duty, fulfilled(as_duty(duty)))
            told = settling.conclude(books, record, outcome_of(answer), at, ports.terms)
        elif state == REFUSED:
            assert settling.refused is not None, "any answer ends what is no advice"
            ended = with_duty(duty, refused(as_duty(duty), at.wall))
            settling.refused(books, record, outcome_of(answer), at)
        else:
            ended = with_duty(duty, failed(as_duty(duty), at.wall, ports.rules))
            if not was_sent:
                # Nothing left: the next attempt is still the first, and not yet a repeat.
                ended = ended._replace(attempts=duty.attempts - 1)
            if settling.unanswered is not None:
                told = settling.unanswered(books, record, at)
        if told is not None:
            settle_claim(books, record, told)
        books.put(ended)
        return ended

    return await ports.store.write(finish)


def state_after(record: SendRecord, answer: Message | Silence, rules: DutyRules) -> str:
    """Return what an attempt makes of its duty: an advice has to be taken, a request only to be answered.

    Returns
    -------
    str
        `DONE`; `OPEN`: it is to be told again; `REFUSED`: nobody will ever take it.
    """
    if isinstance(answer, Silence) or not answer.response_code:
        return OPEN
    taken = ACKNOWLEDGED_CODES.get(record.kind)
    if taken is None or answer.response_code in taken:
        return DONE
    return OPEN if answer.response_code in rules.retry_codes else REFUSED
