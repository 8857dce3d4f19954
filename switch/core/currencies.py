"""Amounts in other currencies: what the cardholder is billed, and what members settle.

DE 4 and 49 are the merchant's amount and pass unchanged. The network adds DE 6, 10 and 51 for an issuer that bills in
another currency, and DE 5, 9 and 50 on the leg of a member that settles in another; DE 16 is the day of the rate.
They are the network's word: what a member says there does not pass, or an acquirer could have anything billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from iso import Message
from iso.errors import CardrailsError, RemoteProtocolError
from iso.money import currency, numeric_code
from iso.rates import ConversionRate
from iso.stan import local_date
from switch.core.rates import Margin, RateTable

OWN: Final = (5, 6, 9, 10, 16, 50, 51)
"""Elements that only the network fills."""

NOT_CONVERTED: Final = "12"
"""DE 39 for a currency that there is no rate for: no repeat can help."""
TOO_MUCH: Final = "13"
"""DE 39 for an amount whose conversion has more than twelve digits."""

_AMOUNT_MAX = 10**12 - 1
_PARTIAL = "10"


class UnconvertibleError(CardrailsError):
    """An amount that cannot be converted; `code` is DE 39 of the refusal."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code = code


class _Pair(NamedTuple):
    """The elements of an amount, its rate and its currency."""

    amount: int
    rate: int
    currency: int


_SETTLEMENT, _BILLING = _Pair(5, 9, 50), _Pair(6, 10, 51)


class Currencies:
    """Which member uses which currency, and at which rates.

    Parameters
    ----------
    billing
        Link of an issuer to the currency (numeric) in which it bills all its cardholders; absent = the merchant's.
    settlement
        Link of a member to the currency in which it settles; absent = the merchant's.
    """

    __slots__ = ("billing", "rates", "settlement")

    def __init__(
        self,
        rates: RateTable | None = None,
        billing: Mapping[str, str] | None = None,
        settlement: Mapping[str, str] | None = None,
    ) -> None:
        self.rates = rates or RateTable()
        self.billing = dict(billing or {})
        self.settlement = dict(settlement or {})

    def for_issuer(self, request: Message, issuer: str, at: datetime) -> dict[int, str | None]:
        """Return what changes in the network's elements on the way to an issuer.

        Parameters
        ----------
        request
            Of the acquirer, with DE 3, 4 and 49.
        at
            Business time, which decides on the rate.

        Returns
        -------
        dict[int, str | None]
            None drops an element that the acquirer had no business to send.

        Raises
        ------
        UnconvertibleError
            There is no rate, or the amount is too great. Refuse the request with its `code`.
        """
        changes: dict[int, str | None] = dict.fromkeys(request.only(OWN))
        billing, settlement = self.billing.get(issuer), self.settlement.get(issuer)
        if billing is not None:
            margin = Margin.BUY if request.processing_code[:1] == "2" else Margin.SELL
            changes |= self._converted(request, _BILLING, billing, margin, at)
        if settlement is not None:
            changes |= self._converted(request, _SETTLEMENT, settlement, Margin.NONE, at)
        return changes

    def for_acquirer(
        self, asked: Message, sent: Mapping[int, str], answer: Message, acquirer: str, at: datetime
    ) -> dict[int, str]:
        """Return what an issuer's approval adds to the answer of the acquirer.

        Parameters
        ----------
        asked
            The acquirer's request.
        sent
            Elements of the issuer's request.
        answer
            Of the issuer.
        at
            Business time at which the request was converted.

        Returns
        -------
        dict[int, str]
            DE 4 of a partial approval that the issuer gave in its own currency, DE 6, 10 and 51 of any partial approval
            that is billed in another one, and DE 5, 9, 16 and 50 where the acquirer settles in another currency than
            the merchant's.
        """
        found: dict[int, str] = {}
        if answer.response_code == _PARTIAL:
            found |= approved_amount(sent, answer)
            found |= billed_amount(sent, answer)
        settlement = self.settlement.get(acquirer)
        if settlement is not None:
            approved = found.get(4) or answer.get(4) or asked[4]
            try:
                found |= self._converted(asked.with_fields({4: approved}), _SETTLEMENT, settlement, Margin.NONE, at)
            except UnconvertibleError:
                # The issuer has approved: that the acquirer is told no amount of settlement undoes nothing of it.
                return found
        return found

    def _converted(self, request: Message, pair: _Pair, target: str, margin: Margin, at: datetime) -> dict[int, str]:
        source = numeric_code(request.currency)
        if source == target:
            return {}
        rate = None if source is None else self.rates.rate(source, target, at, margin)
        if source is None or rate is None:
            raise UnconvertibleError(NOT_CONVERTED, f"no rate from {_alpha(request.currency)} to {_alpha(target)}")
        amount = rate.convert(request.amount_minor, source, target)
        if amount > _AMOUNT_MAX:
            raise UnconvertibleError(TOO_MUCH, f"the amount in {_alpha(target)} has more than twelve digits")
        return {
            pair.amount: f"{amount:012d}",
            pair.rate: rate.to_element(),
            pair.currency: target,
            16: local_date(at),
        }


def approved_amount(sent: Mapping[int, str], answer: Message) -> dict[int, str]:
    """Return DE 4 of a partial approval that was given in the currency of billing, else nothing.

    The merchant gets no more than the issuer approved: rounded down by the rate that the issuer was asked with.

    Parameters
    ----------
    sent
        Elements of the issuer's request.
    answer
        With DE 39 = 10; DE 6 smaller than it was asked for counts if DE 4 is not smaller too.
    """
    billed, rate, asked = answer.get(6), sent.get(10), sent.get(4)
    if not billed or not rate or not asked or not billed.isdigit() or answer.get(4, asked) != asked:
        return {}
    if int(billed) >= int(sent[6]):
        return {}
    try:
        spoken = ConversionRate.from_element(rate, 10)
    except RemoteProtocolError:
        return {}
    return {4: f"{spoken.convert_back(int(billed), sent[49], sent[51]):012d}"}


def billed_amount(sent: Mapping[int, str], answer: Message) -> dict[int, str]:
    """Return DE 6, 10 and 51 of a partial approval that is billed in another currency, else nothing.

    Parameters
    ----------
    sent
        Elements of the issuer's request.
    answer
        With DE 39 = 10. Without a DE 6 that is smaller than it was asked for, its DE 4 is converted.
    """
    rate, asked = sent.get(10), sent.get(6)
    if not rate or not asked:
        return {}
    billed, approved = answer.get(6) or "", answer.get(4) or ""
    if not (billed.isdigit() and int(billed) < int(asked)):
        if not approved.isdigit():
            return {}
        try:
            spoken = ConversionRate.from_element(rate, 10)
        except RemoteProtocolError:
            return {}
        billed = f"{spoken.convert(int(approved), sent[49], sent[51]):012d}"
    return {6: billed, 10: rate, 51: sent[51]}


def _alpha(code: str) -> str:
    return currency(code).alpha if numeric_code(code) is not None else f"currency {code[:3]}"
