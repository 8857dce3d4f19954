"""Answer codes of the host commands, and the one exception that carries such a code.

The payShield codes keep the meaning that public lists give them; the codes `V0` to `V7` are our own and belong
to the token vault. A message never contains what was refused: no PAN, no key, no cryptogram.

Source
------
Shared facts, hsm 2.2: the error list of an open payShield codec. The manufacturer's manual was not used.
"""

from typing import Final

from iso.errors import CardrailsError

OK: Final = "00"
VERIFICATION_FAILED: Final = "01"
KEY_NOT_AVAILABLE: Final = "12"
LMK_REFUSED: Final = "13"
BAD_DATA: Final = "15"
BAD_INDEX: Final = "21"
BAD_ACCOUNT: Final = "22"
BAD_KEY_SCHEME: Final = "26"
BAD_KEY_LENGTH: Final = "27"
EXPORT_REFUSED: Final = "29"
UNKNOWN_COMMAND: Final = "67"
COMMAND_DENIED: Final = "68"
SINGLE_LENGTH_KEY: Final = "75"
BAD_LENGTH: Final = "80"
BAD_KEY_BLOCK: Final = "83"
KEY_BLOCK_FORGED: Final = "A4"
WRONG_USAGE: Final = "A6"
WRONG_ALGORITHM: Final = "A7"
WRONG_MODE: Final = "A8"
TOKEN_UNKNOWN: Final = "V0"
CRYPTOGRAM_WRONG: Final = "V1"
CRYPTOGRAM_REPLAYED: Final = "V2"
REFERENCE_UNKNOWN: Final = "V3"
CRYPTOGRAM_EXPIRED: Final = "V4"
CRYPTOGRAM_NOT_ISSUED: Final = "V5"
TOKENS_EXHAUSTED: Final = "V6"
RECORD_FORGED: Final = "V7"

CODES: Final[dict[str, str]] = {
    OK: "no error",
    VERIFICATION_FAILED: "verification failed",
    KEY_NOT_AVAILABLE: "no key at this index of the key table",
    LMK_REFUSED: "LMK identifier is not this party's",
    BAD_DATA: "invalid input data",
    BAD_INDEX: "invalid index value",
    BAD_ACCOUNT: "invalid account number",
    BAD_KEY_SCHEME: "key scheme not accepted",
    BAD_KEY_LENGTH: "key length does not fit the algorithm",
    EXPORT_REFUSED: "key may not be exported",
    UNKNOWN_COMMAND: "unknown command",
    COMMAND_DENIED: "command is not allowed for this role",
    SINGLE_LENGTH_KEY: "single-length key posing as double-length",
    BAD_LENGTH: "data length error",
    BAD_KEY_BLOCK: "key block format error",
    KEY_BLOCK_FORGED: "key block authentication failed",
    WRONG_USAGE: "key usage does not allow the operation",
    WRONG_ALGORITHM: "key algorithm does not allow the operation",
    WRONG_MODE: "mode of use does not allow the operation",
    TOKEN_UNKNOWN: "unknown token",
    CRYPTOGRAM_WRONG: "token cryptogram does not verify",
    CRYPTOGRAM_REPLAYED: "token cryptogram was used under another reference",
    REFERENCE_UNKNOWN: "no first authorisation is recorded under this reference",
    CRYPTOGRAM_EXPIRED: "token cryptogram is too old",
    CRYPTOGRAM_NOT_ISSUED: "no cryptogram was issued for this counter",
    TOKENS_EXHAUSTED: "no free token for this card number, or no free counter for this token",
    RECORD_FORGED: "stored card record does not authenticate",
}

CRYPTOGRAM_REFUSALS: Final = frozenset(
    (CRYPTOGRAM_WRONG, CRYPTOGRAM_REPLAYED, CRYPTOGRAM_EXPIRED, CRYPTOGRAM_NOT_ISSUED)
)
"""Codes that mean "this cryptogram buys nothing": a switch answers DE 39 = 63 (security violation)."""


class HsmError(CardrailsError):
    """A host command was refused.

    Attributes
    ----------
    code
        str[2], the answer code: a key of `CODES`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"HSM error {code}: {CODES.get(code, 'not in the table of codes')}")
        self.code = code
