"""The tables behind the translation between 1987 and 1993: response codes, functions, reasons, POS positions.

Every table is data with one direction written down and the other derived from it, so that the two cannot drift apart.
Sources: public Nexi and Bilderlings lists for DE 39, PayEx for 831; DE 24 and DE 25 values of authorisations and
reversals, and the letters for POS positions that 1993 has no figure for, are general knowledge or the house's choice.
"""

from __future__ import annotations

from iso.message import Message

__all__ = [
    "CAPTURE_1987",
    "CAPTURE_1993",
    "CODES_1987",
    "CODES_1993",
    "CONDITION_1987",
    "CONDITION_1993",
    "FUNCTIONS",
    "INPUT_1987",
    "INPUT_1993",
    "NETWORK_1987",
    "NETWORK_1993",
    "PIN_ENTRY_1987",
    "PIN_ENTRY_1993",
    "REASON_1987",
    "REASON_1993",
    "UNMAPPED_1987",
    "UNMAPPED_1993",
    "function_1993",
]


def _pairs(text: str) -> dict[str, str]:
    return {left: right for left, _, right in (pair.partition("=") for pair in text.split())}


def _back(table: dict[str, str], preferred: str = "") -> dict[str, str]:
    """Turn a table round; where several lead to one value the first wins, unless `preferred` says otherwise."""
    back: dict[str, str] = {}
    for left, right in table.items():
        back.setdefault(right, left)
    return back | _pairs(preferred)


CODES_1993 = _pairs(
    """00=000 85=000 08=001 10=002 11=003 01=107 02=108 03=109 04=200 05=100 07=207 12=902 13=110 14=111 15=908 92=908
    19=903 25=914 30=904 33=201 34=202 38=206 40=115 41=208 43=209 51=116 54=101 55=117 57=119 58=120 59=102 61=121
    62=104 63=122 N7=122 65=123 68=911 91=907 75=106 90=906 93=124 94=913 95=501 96=909 D1=916"""
)
"""DE 39, two characters to three digits."""

CODES_1987 = _back(CODES_1993, preferred="910=91 912=91 905=15 923=09 400=00 500=00 800=00")
"""DE 39, three digits to two characters."""

UNMAPPED_1993 = "100"
"""What a 1987 code without a row becomes; the code itself travels in the private element."""

UNMAPPED_1987 = "05"
"""What a 1993 code without a row becomes: never an approval."""

NETWORK_1993 = _pairs("001=801 002=802 101=811 161=812 162=813 201=821 301=831")
"""Network management: DE 70 to DE 24."""

NETWORK_1987 = _back(NETWORK_1993)
"""Network management: DE 24 to DE 70."""

FUNCTIONS = {"1": "100", "2": "200", "4": "400", "5": "500"}
"""DE 24 of a request or advice by class; a reconciliation is always a final one."""

_PARTIAL_REVERSAL, _ESTIMATED, _SUPPLEMENTARY = "401", "101", "106"
_PRE_AUTHORISED = "06"


def function_1993(message: Message) -> str:
    """Return DE 24 of a 1987 request or advice whose class is one of `FUNCTIONS`.

    An authorisation whose amount is not final yet (DE 25 = 06) is 101, one that adds to another (DE 90) is 106.

    Source
    ------
    Common practice: shared facts, iso8583 3.16.
    """
    mti_class = message.mti_class
    if mti_class == "4" and 95 in message:
        return _PARTIAL_REVERSAL
    if mti_class == "1" and message.mti[2] == "0":
        if 90 in message:
            return _SUPPLEMENTARY
        if message.get(25) == _PRE_AUTHORISED:
            return _ESTIMATED
    return FUNCTIONS[mti_class]


REASON_1993 = _pairs("17=4000 68=4021")
"""Why a reversal is sent: DE 39 to DE 25. Other numeric codes travel in the house's range 4800..4899."""

REASON_1987 = _back(REASON_1993)
"""Why a reversal is sent: DE 25 to DE 39."""

INPUT_1993 = _pairs("00=0 01=6 02=2 03=3 04=4 05=5 06=A 07=M 09=E 10=T 79=F 80=G 81=S 82=V 90=W 91=N 95=C 51=B 71=D")
"""How the card was read: DE 22 positions 1 and 2 to position 7."""

INPUT_1987 = _back(INPUT_1993)

PIN_ENTRY_1993 = _pairs("0=9 1=1 2=0 3=6 8=5 4=A 5=B 6=C 7=D 9=E")
"""PIN entry capability: DE 22 position 3 to position 2."""

PIN_ENTRY_1987 = _back(PIN_ENTRY_1993)

CONDITION_1993 = _pairs(
    "00=0 01=1 02=A 03=B 05=C 06=D 08=2 10=E 11=F 12=G 27=H 51=J 59=5 71=K 73=4 04=L 07=M 09=N 13=P 14=Q 15=R"
)
"""Condition: DE 25 to position 5 (cardholder presence)."""

CONDITION_1987 = _back(CONDITION_1993)

CAPTURE_1993 = _pairs("04=4 05=5 06=6 07=7 08=8 09=9 10=A 11=B 12=C")
"""Longest PIN: DE 26 to position 12, where 1 means not known."""

CAPTURE_1987 = _back(CAPTURE_1993)
