"""The messages that follow from another one: its reversal, its completion, the advice of what was done in its place.

Each keeps what must not change through the life of a transaction (DE 3, 4, 12, 13, 32, 37, 41, 42, 49), takes a STAN
and a DE 7 of its own, and names the original in DE 90. None carries a PIN, a track, an expiry date, chip data or the
private element: they live for one authorisation only.
"""

from __future__ import annotations

from datetime import datetime

from iso.errors import LocalProtocolError
from iso.message import Message
from iso.mti import first_mti
from iso.original import OriginalData
from iso.replacement import ReplacementAmounts
from iso.stan import transmission_time

__all__ = ["KEPT", "advice_of", "completion_of", "reversal_of"]

KEPT = (2, 3, 4, 5, 6, 9, 10, 12, 13, 15, 18, 19, 22, 23, 25, 32, 33, 37, 41, 42, 43, 49, 50, 51)
"""Elements of an original that its reversal, completion or advice repeats."""

_ORIGINALS = frozenset({"0100", "0120", "0200", "0220"})
_AMOUNT_DIGITS = 12


def reversal_of(
    original: Message,
    *,
    stan: str,
    at: datetime,
    answer: Message | None = None,
    reason: str = "68",
    remains_minor: int | None = None,
    advice: bool = True,
) -> Message:
    """Build the message that takes an original back.

    Parameters
    ----------
    original
        A 0100, 0120, 0200 or 0220, or a repeat of one, as it was sent.
    stan
        str[6], a new one: the original's is in DE 90.
    at
        Now; aware. DE 7 is the time of this message, DE 12 and 13 stay the original's.
    answer
        The response, if one was seen: its authorisation code goes along.
    reason
        DE 39: "68" no answer in time, "17" customer cancelled, ...
    remains_minor
        For a partial reversal: what remains of the amount. DE 4 keeps the original amount and DE 95 says this.
    advice
        True for a 0420, which must be accepted; False for a 0400.

    Returns
    -------
    Message

    Raises
    ------
    LocalProtocolError
        `original` is nothing that can be reversed, or more remains than there was.

    Source
    ------
    Common practice: shared facts, iso8583 3.2 and 3.10; DE 95 from NIBSS documents.
    """
    fields = _kept(original)
    fields |= {7: transmission_time(at), 11: stan, 39: reason, 90: OriginalData.of(_first(original)).to_de90()}
    if answer is not None and answer.authorisation_code:
        fields[38] = answer.authorisation_code
    if remains_minor is not None:
        if not 0 <= remains_minor < original.amount_minor:
            raise LocalProtocolError("DE 95: less than the original amount must remain", element=95)
        fields[95] = ReplacementAmounts(remains_minor).to_de95()
    return Message("0420" if advice else "0400", fields)


def completion_of(
    original: Message, answer: Message, *, stan: str, at: datetime, amount_minor: int | None = None
) -> Message:
    """Build the 0220 that fixes the final amount of an authorisation.

    Parameters
    ----------
    original, answer
        The authorisation and its approval.
    stan, at
        As for `reversal_of`.
    amount_minor
        The final amount; None = what was approved.

    Returns
    -------
    Message
        With the authorisation code, DE 39 of the answer, and the original in DE 90.

    Raises
    ------
    LocalProtocolError
        `original` is no authorisation, or the amount does not fit.
    """
    fields = _kept(original)
    final = (answer.amount_minor if 4 in answer else original.amount_minor) if amount_minor is None else amount_minor
    if final < 0 or len(str(final)) > _AMOUNT_DIGITS:
        raise LocalProtocolError("DE 4: the amount does not fit", element=4)
    fields |= {4: f"{final:012d}", 7: transmission_time(at), 11: stan, 39: answer.response_code}
    fields[90] = OriginalData.of(_first(original)).to_de90()
    if answer.authorisation_code:
        fields[38] = answer.authorisation_code
    return Message("0220", fields)


def advice_of(original: Message, code: str, *, stan: str, at: datetime, authorisation_code: str = "") -> Message:
    """Build the advice (0120 or 0220) that tells an issuer what was decided in its place.

    Parameters
    ----------
    original
        The request that was answered, 0100 or 0200.
    code
        DE 39: the decision.
    stan, at
        As for `reversal_of`.
    authorisation_code
        DE 38 of the decision, or "".

    Returns
    -------
    Message

    Raises
    ------
    LocalProtocolError
        `original` is no request.
    """
    fields = _kept(original)
    fields |= {7: transmission_time(at), 11: stan, 39: code, 90: OriginalData.of(_first(original)).to_de90()}
    if authorisation_code:
        fields[38] = authorisation_code
    return Message(f"0{original.mti_class}20", fields)


def _first(original: Message) -> Message:
    return original.with_fields({}, mti=first_mti(original.mti))


def _kept(original: Message) -> dict[int, str]:
    if first_mti(original.mti) not in _ORIGINALS:
        raise LocalProtocolError("only a 1987 authorisation or financial message has a life to follow", element=0)
    return {element: original[element] for element in KEPT if element in original}
