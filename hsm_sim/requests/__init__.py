"""Typed requests to the HSM and their typed answers: what banks, switch and gateway code against.

Each request is a tuple that encodes itself to a host command and reads the answer to it; `hsm_sim.client` adds
header, framing, pipelining and deadlines. An answer's first field is its code: "00" is success, "01" a failed
verification, everything else a refusal (`hsm_sim.core.errors.CODES`); the other fields are empty after a refusal.

The `repr` of a request or answer never shows a PAN, a CVC, a cryptogram or data to be MACed. Values are carried
as they are: an object of this module must not be logged field by field, stored or put into a trace.

`expiry` is str[4] YYMM everywhere; `currency` is the numeric ISO 4217 code; keys are `K` + 3 hex digits
(`hsm_sim.core.indexes`) or `R` + a key block under the party's LMK.
"""

from hsm_sim.requests.base import Request
from hsm_sim.requests.cards import (
    CvvChecked,
    CvvMade,
    Fingerprint,
    Fingerprinted,
    MakeCvv,
    OpenPan,
    PanOpened,
    PanSealed,
    SealPan,
    VerifyCvv,
)
from hsm_sim.requests.device import (
    Diagnostics,
    DiagnosticsAnswer,
    Echo,
    Echoed,
    MacChecked,
    MacMade,
    MakeMac,
    VerifyMac,
)
from hsm_sim.requests.emv import ArqcChecked, ArqcMade, CardKeys, MakeArqc, PersonaliseCard, VerifyArqc
from hsm_sim.requests.keys import (
    CheckKey,
    ExportKey,
    ImportKey,
    KeyChecked,
    KeyExported,
    KeyImported,
    KeyMade,
    KeyPlaced,
    KeysListed,
    ListedKey,
    ListKeys,
    MakeKey,
    PlaceKey,
)
from hsm_sim.requests.mac_batches import MacsChecked, MacsMade, MakeMacs, VerifyMacs
from hsm_sim.requests.pin_values import (
    ChangePinIbm,
    ChangePinPvv,
    KeepPin,
    MakeOffset,
    MakePinBlock,
    MakePvv,
    MakeStoredPvv,
    OffsetMade,
    PinBlockMade,
    PinSealed,
    PvvMade,
    RandomPin,
)
from hsm_sim.requests.pins import (
    PinChecked,
    PinTranslated,
    TranslateDukptPin,
    TranslatePin,
    TranslateTerminalPin,
    VerifyPinIbm,
    VerifyPinPvv,
)
from hsm_sim.requests.token_life import (
    DeleteToken,
    DescribeToken,
    RestrictToken,
    ResumeToken,
    SuspendToken,
    TokenChanged,
    TokenDescribed,
)
from hsm_sim.requests.tokens import CardOpened, CardStored, Detokenise, MakeCryptogram, StoreCard, TokenCryptogram

__all__ = [
    "ArqcChecked",
    "ArqcMade",
    "CardKeys",
    "CardOpened",
    "CardStored",
    "ChangePinIbm",
    "ChangePinPvv",
    "CheckKey",
    "CvvChecked",
    "CvvMade",
    "DeleteToken",
    "DescribeToken",
    "Detokenise",
    "Diagnostics",
    "DiagnosticsAnswer",
    "Echo",
    "Echoed",
    "ExportKey",
    "Fingerprint",
    "Fingerprinted",
    "ImportKey",
    "KeepPin",
    "KeyChecked",
    "KeyExported",
    "KeyImported",
    "KeyMade",
    "KeyPlaced",
    "KeysListed",
    "ListKeys",
    "ListedKey",
    "MacChecked",
    "MacMade",
    "MacsChecked",
    "MacsMade",
    "MakeArqc",
    "MakeCryptogram",
    "MakeCvv",
    "MakeKey",
    "MakeMac",
    "MakeMacs",
    "MakeOffset",
    "MakePinBlock",
    "MakePvv",
    "MakeStoredPvv",
    "OffsetMade",
    "OpenPan",
    "PanOpened",
    "PanSealed",
    "PersonaliseCard",
    "PinBlockMade",
    "PinChecked",
    "PinSealed",
    "PinTranslated",
    "PlaceKey",
    "PvvMade",
    "RandomPin",
    "Request",
    "RestrictToken",
    "ResumeToken",
    "SealPan",
    "StoreCard",
    "SuspendToken",
    "TokenChanged",
    "TokenCryptogram",
    "TokenDescribed",
    "TranslateDukptPin",
    "TranslatePin",
    "TranslateTerminalPin",
    "VerifyArqc",
    "VerifyCvv",
    "VerifyMac",
    "VerifyMacs",
    "VerifyPinIbm",
    "VerifyPinPvv",
]
