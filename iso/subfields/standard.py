"""How common practice divides the elements that everybody divides alike, and how the house divides DE 48.

What networks define for themselves (60 to 63, 127, foreign forms of 48) is not here: it is a table of the user's, see
`iso.subfields.config`.
"""

from __future__ import annotations

from iso.private import (
    ADDRESS,
    ADVICE_CODE,
    AVS_RESULT,
    CAPTURE,
    CAVV,
    CRYPTOGRAM_RESULT,
    CVV2,
    CVV2_RESULT,
    ECI,
    INITIATOR,
    KEY_SERIAL,
    NETWORK_TRANSACTION_ID,
    NEW_PIN,
    ORIGINAL_TIME,
    PARTIAL_APPROVAL,
    PIN_REST,
    RESPONSE_CODE_1987,
    SECRET_TAGS,
    STAND_IN,
    TOKEN_CRYPTOGRAM,
    TRACE_ID,
)
from iso.subfields.bertlv import BerTlv
from iso.subfields.node import Layout
from iso.subfields.positional import Part, Positional, Repeated
from iso.subfields.tagged import Tagged

__all__ = ["CHIP_DATA", "HOUSE_PRIVATE", "STANDARD", "layout_of"]

CHIP_DATA = BerTlv()
"""DE 55."""

HOUSE_PRIVATE = Tagged(
    tag_width=2,
    length_width=3,
    names={
        CVV2: "CVV2",
        CVV2_RESULT: "CVV2 result",
        ADDRESS: "Address and postcode",
        AVS_RESULT: "AVS result",
        TOKEN_CRYPTOGRAM: "Token cryptogram, ATC, unpredictable number",
        ECI: "E-commerce indicator",
        CAVV: "CAVV",
        PARTIAL_APPROVAL: "Partial approval supported",
        STAND_IN: "Stand-in",
        NETWORK_TRANSACTION_ID: "Network transaction id",
        ADVICE_CODE: "Advice code",
        INITIATOR: "Initiator",
        TRACE_ID: "Trace id",
        RESPONSE_CODE_1987: "Response code of the 1987 leg",
        ORIGINAL_TIME: "DE 7 and DE 33 of the original",
        CAPTURE: "Number of the completion; partial or final",
        CRYPTOGRAM_RESULT: "Token cryptogram result",
        NEW_PIN: "New PIN block",
        KEY_SERIAL: "DUKPT key serial number",
        PIN_REST: "Second half of the PIN block",
    },
    secrets=SECRET_TAGS,
    encoding="latin-1",
)
"""DE 48 in the house's own layout."""

_PROCESSING_CODE = Positional(
    (Part("type", 2, "Transaction type"), Part("from", 2, "From account"), Part("to", 2, "To account"))
)
_ADDITIONAL_AMOUNTS = Repeated(
    Positional(
        (
            Part("account", 2, "Account type"),
            Part("type", 2, "Amount type"),
            Part("currency", 3, "Currency"),
            Part("sign", 1, "Sign"),
            Part("amount", 12, "Amount"),
        )
    ),
    most=6,
)
_NAME_AND_LOCATION = Positional(
    (Part("name", 25, "Name"), Part("city", 13, "City"), Part("country", 2, "Country")), encoding="latin-1"
)

STANDARD: dict[str, dict[int, Layout]] = {
    "1987": {
        3: _PROCESSING_CODE,
        22: Positional((Part("entry", 2, "How the card was read"), Part("pin", 1, "PIN entry capability"))),
        43: _NAME_AND_LOCATION,
        48: HOUSE_PRIVATE,
        54: _ADDITIONAL_AMOUNTS,
        55: CHIP_DATA,
        90: Positional(
            (
                Part("mti", 4, "MTI of the original"),
                Part("stan", 6, "STAN of the original"),
                Part("transmitted", 10, "DE 7 of the original"),
                Part("acquirer", 11, "Acquirer of the original"),
                Part("forwarder", 11, "Forwarder of the original"),
            )
        ),
        95: Positional(
            (
                Part("transaction", 12, "Actual amount, transaction"),
                Part("settlement", 12, "Actual amount, settlement"),
                Part("fee", 9, "Actual fee, transaction"),
                Part("settlement_fee", 9, "Actual fee, settlement"),
            )
        ),
    },
    "1993": {
        3: _PROCESSING_CODE,
        22: Positional(
            (
                Part("card_input_capability", 1, "Card data input capability"),
                Part("authentication_capability", 1, "Cardholder authentication capability"),
                Part("capture_capability", 1, "Card capture capability"),
                Part("environment", 1, "Operating environment"),
                Part("cardholder", 1, "Cardholder presence"),
                Part("card", 1, "Card presence"),
                Part("card_input", 1, "Card data input mode"),
                Part("authentication", 1, "Cardholder authentication method"),
                Part("authenticator", 1, "Cardholder authentication entity"),
                Part("card_output", 1, "Card data output capability"),
                Part("terminal_output", 1, "Terminal output capability"),
                Part("pin_capture", 1, "PIN capture capability"),
            )
        ),
        30: Positional((Part("transaction", 12, "Original amount"), Part("settlement", 12, "Original, settlement"))),
        48: HOUSE_PRIVATE,
        54: _ADDITIONAL_AMOUNTS,
        55: CHIP_DATA,
        56: Positional(
            (
                Part("mti", 4, "MTI of the original"),
                Part("stan", 6, "STAN of the original"),
                Part("local", 12, "DE 12 of the original"),
                Part("length", 2, "Length of the acquirer id"),
                Part("acquirer", 0, "Acquirer of the original"),
            ),
            short=True,
        ),
    },
}
"""Layouts by version and element. Common practice; the parts of 43 and 22 are the widespread ones, not normative."""


def layout_of(element: int, version: str = "1987") -> Layout | None:
    """Find how an element is divided.

    Parameters
    ----------
    element
        Its number.
    version
        "1987" or "1993"; others have no layouts here.

    Returns
    -------
    Layout | None
        None if it is not divided.

    Examples
    --------
    >>> [node.text for node in layout_of(3).parse(b"012000")]
    ['01', '20', '00']
    """
    return STANDARD.get(version, {}).get(element)
