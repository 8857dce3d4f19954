"""Answer codes of the host commands, and the one exception that carries such a code.

The payShield codes keep the meaning that public lists give them; the codes `V0` to `VJ` are our own and belong
to the token vault. A message never contains what was refused: no PAN, no key, no cryptogram.

Source
------
Shared facts, hsm 2.2: the error list of an open payShield codec. The manufacturer's manual was not used.
"""

from typing import Final

from iso.errors import CardrailsError

OK: Final = "00"
VERIFICATION_FAILED: Final = "01"
WARNING_LENGTH: Final = "02"
BAD_INPUT_FORMAT: Final = "03"
BAD_COMPONENT_COUNT: Final = BAD_INPUT_FORMAT
"""In A4 the code means the number of components."""

BAD_KEY_TYPE_CODE: Final = "04"
BAD_LENGTH_FLAG: Final = "05"
BAD_MESSAGE_LENGTH: Final = "06"
BAD_DESTINATION_MODE: Final = "07"
BAD_DESTINATION_TYPE: Final = "08"
BAD_PADDING: Final = "09"
SOURCE_PARITY: Final = "10"
DESTINATION_PARITY: Final = "11"
KEY_NOT_AVAILABLE: Final = "12"
LMK_REFUSED: Final = "13"
BAD_LMK_PIN: Final = "14"
BAD_DATA: Final = "15"
NOT_AUTHORISED: Final = "17"
BAD_PIN_BLOCK: Final = "20"
BAD_INDEX: Final = "21"
BAD_ACCOUNT: Final = "22"
BAD_TABLE_DECIMALISATION: Final = "25"
BAD_PIN_BLOCK_FORMAT: Final = "23"
BAD_PIN_LENGTH: Final = "24"
BAD_KEY_SCHEME: Final = "26"
BAD_KEY_LENGTH: Final = "27"
BAD_KEY_TYPE: Final = "28"
EXPORT_REFUSED: Final = "29"
BAD_REFERENCE: Final = "30"
BAD_MESSAGE_FORMAT: Final = "35"
FRAUD_DETECTED: Final = "39"
INTERNAL_ERROR: Final = "41"
BAD_TREE: Final = "52"
UNKNOWN_COMMAND: Final = "67"
COMMAND_DENIED: Final = "68"
PIN_BLOCK_DISABLED: Final = "69"
SINGLE_LENGTH_KEY: Final = "75"
BAD_HASH: Final = "79"
BAD_LENGTH: Final = "80"
ZERO_LENGTH: Final = "81"
BAD_CHECK_VALUE_LENGTH: Final = "82"
BAD_KEY_BLOCK: Final = "83"
KEY_CHECK_FAILED: Final = "84"
BAD_COUNT: Final = "92"
SCHEMES_INCOMPATIBLE: Final = "A1"
KEY_BLOCK_FORGED: Final = "A4"
WRONG_USAGE: Final = "A6"
WRONG_ALGORITHM: Final = "A7"
WRONG_MODE: Final = "A8"
BAD_KEY_VERSION: Final = "A9"
BAD_EXPORT_FIELD: Final = "AA"
BAD_OPTIONAL_COUNT: Final = "AB"
BAD_OPTIONAL_BLOCK: Final = "AC"
BAD_COMPONENTS: Final = "B5"
TOKEN_UNKNOWN: Final = "V0"
CRYPTOGRAM_WRONG: Final = "V1"
CRYPTOGRAM_REPLAYED: Final = "V2"
REFERENCE_UNKNOWN: Final = "V3"
CRYPTOGRAM_EXPIRED: Final = "V4"
CRYPTOGRAM_NOT_ISSUED: Final = "V5"
TOKENS_EXHAUSTED: Final = "V6"
RECORD_FORGED: Final = "V7"
COUNTER_TOO_OLD: Final = "V8"
TOKEN_SUSPENDED: Final = "V9"
TOKEN_DELETED: Final = "VA"
TOKEN_EXPIRED: Final = "VB"
CHANNEL_REFUSED: Final = "VC"
MERCHANT_REFUSED: Final = "VD"
CURRENCY_REFUSED: Final = "VE"
AMOUNT_REFUSED: Final = "VF"
MERCHANT_INITIATED_REFUSED: Final = "VG"
DOMAIN_DIFFERS: Final = "VH"
ROTATION_UNDER_WAY: Final = "VI"
NOTHING_TO_RETIRE: Final = "VJ"

CODES: Final[dict[str, str]] = {
    OK: "no error",
    VERIFICATION_FAILED: "verification failed",
    WARNING_LENGTH: "warning: key length does not fit the algorithm",
    BAD_INPUT_FORMAT: "invalid input format, combination of fields, or number of components",
    BAD_KEY_TYPE_CODE: "invalid key type code",
    BAD_LENGTH_FLAG: "invalid key length flag",
    BAD_MESSAGE_LENGTH: "invalid message length",
    BAD_DESTINATION_MODE: "invalid destination mode flag",
    BAD_DESTINATION_TYPE: "invalid destination key type",
    BAD_PADDING: "invalid padding method",
    SOURCE_PARITY: "source key parity error",
    DESTINATION_PARITY: "destination key parity error",
    KEY_NOT_AVAILABLE: "no key at this index of the key table",
    LMK_REFUSED: "LMK identifier is not this party's",
    BAD_LMK_PIN: "PIN under the LMK is not valid",
    BAD_DATA: "invalid input data",
    NOT_AUTHORISED: "not in the authorised state",
    BAD_PIN_BLOCK: "PIN block does not contain valid values",
    BAD_INDEX: "invalid index value",
    BAD_ACCOUNT: "invalid account number",
    BAD_TABLE_DECIMALISATION: "decimalisation table error",
    BAD_PIN_BLOCK_FORMAT: "invalid PIN block format code",
    BAD_PIN_LENGTH: "PIN is fewer than 4 or more than 12 digits long",
    BAD_KEY_SCHEME: "key scheme not accepted",
    BAD_KEY_LENGTH: "key length does not fit the algorithm",
    BAD_KEY_TYPE: "key type does not fit",
    EXPORT_REFUSED: "key may not be exported",
    BAD_REFERENCE: "invalid reference number",
    BAD_MESSAGE_FORMAT: "illegal message format",
    FRAUD_DETECTED: "too many wrong PINs for this account",
    INTERNAL_ERROR: "internal error",
    BAD_TREE: "invalid branch and height",
    UNKNOWN_COMMAND: "unknown command",
    COMMAND_DENIED: "command is not allowed for this role",
    PIN_BLOCK_DISABLED: "PIN block format has been disabled",
    SINGLE_LENGTH_KEY: "single-length key posing as double-length",
    BAD_HASH: "hash algorithm not known",
    BAD_LENGTH: "data length error",
    ZERO_LENGTH: "no data, or PIN length mismatch",
    BAD_CHECK_VALUE_LENGTH: "check value length error",
    BAD_KEY_BLOCK: "key block format error",
    KEY_CHECK_FAILED: "key block check value error",
    BAD_COUNT: "count is not between its limits",
    SCHEMES_INCOMPATIBLE: "incompatible LMK schemes",
    KEY_BLOCK_FORGED: "key block authentication failed",
    WRONG_USAGE: "key usage does not allow the operation",
    WRONG_ALGORITHM: "key algorithm does not allow the operation",
    WRONG_MODE: "mode of use does not allow the operation",
    BAD_KEY_VERSION: "key version does not fit",
    BAD_EXPORT_FIELD: "invalid exportability",
    BAD_OPTIONAL_COUNT: "invalid number of optional blocks",
    BAD_OPTIONAL_BLOCK: "optional block error",
    BAD_COMPONENTS: "components do not belong together",
    TOKEN_UNKNOWN: "unknown token",
    CRYPTOGRAM_WRONG: "token cryptogram does not verify",
    CRYPTOGRAM_REPLAYED: "token cryptogram was used under another reference",
    REFERENCE_UNKNOWN: "no first authorisation is recorded under this reference",
    CRYPTOGRAM_EXPIRED: "token cryptogram is too old",
    CRYPTOGRAM_NOT_ISSUED: "no cryptogram was issued for this counter",
    TOKENS_EXHAUSTED: "no free token for this card number, or no free counter for this token",
    RECORD_FORGED: "stored card record does not authenticate",
    COUNTER_TOO_OLD: "counter of the token cryptogram is too far behind the highest one used",
    TOKEN_SUSPENDED: "token is suspended",
    TOKEN_DELETED: "token is deleted",
    TOKEN_EXPIRED: "token has expired",
    CHANNEL_REFUSED: "token may not be used in this channel",
    MERCHANT_REFUSED: "token may not be used by this merchant",
    CURRENCY_REFUSED: "token may not be used in this currency",
    AMOUNT_REFUSED: "amount is above the token's limit",
    MERCHANT_INITIATED_REFUSED: "this merchant may not start a payment with this token",
    DOMAIN_DIFFERS: "this card has a token with another domain",
    ROTATION_UNDER_WAY: "the last change of this key is not finished",
    NOTHING_TO_RETIRE: "this key has only one version",
}

CRYPTOGRAM_REFUSALS: Final = frozenset(
    (CRYPTOGRAM_WRONG, CRYPTOGRAM_REPLAYED, CRYPTOGRAM_EXPIRED, CRYPTOGRAM_NOT_ISSUED, COUNTER_TOO_OLD)
)
"""Codes that mean "this cryptogram buys nothing": a switch answers DE 39 = 63 (security violation)."""

TOKEN_REFUSALS: Final = frozenset(
    (
        TOKEN_SUSPENDED,
        TOKEN_DELETED,
        TOKEN_EXPIRED,
        CHANNEL_REFUSED,
        MERCHANT_REFUSED,
        CURRENCY_REFUSED,
        AMOUNT_REFUSED,
        MERCHANT_INITIATED_REFUSED,
    )
)
"""Codes that mean "this token may not be used so": of its state, or outside its domain."""


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
