"""Card values: CVV, CVV2 and iCVV (CW, CY), AMEX security codes (RY), dynamic values (PM)."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply, Warned
from hsm_sim.core.commands.fields import TEXT, Block, Choice, Delimited, Fixed, Value, Values
from hsm_sim.core.commands.groups import IfMore, Part, When
from hsm_sim.core.commands.keyfields import CSCK, CVK, MK_CVC3, MK_DCVV, KeyField, KeyUse
from hsm_sim.core.commands.row import ONE_SOURCE, Command
from hsm_sim.core.crypto import cvv
from hsm_sim.core.crypto.ciphers import CardKey, same
from hsm_sim.core.crypto.emv import emv_card_key
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_DATA, VERIFICATION_FAILED, HsmError
from hsm_sim.core.roles import ISSUERS, SWITCH

_CARD: Final[tuple[Part, ...]] = (
    Delimited("pan", 12, 19, BAD_ACCOUNT),
    Fixed("expiry", 4),
    Fixed("service_code", 3),
)
_CALCULATE: Final = "3"
_VERIFY: Final = "4"
_VERSION_2: Final = "2"
_AMEX_DIGITS: Final = 15
_NOT_GIVEN: Final = "F"
_MATCHES, _SKIPPED, _FAILS = "0", "1", "2"
_VISA: Final = "0"
_DYNAMIC_USES: Final = {_VISA: MK_DCVV, "1": MK_CVC3}
_DYNAMIC_DIGITS: Final = 5
_DYNAMIC_DIGITS_MIN: Final = 3
_TRACK_1: Final = b"B"
_TRACK_2: Final = frozenset(b"0123456789=DF")


def _cvv(call: Call) -> str:
    values = call.values
    return cvv.card_verification_value(
        call.keys["key"].pair,
        values["pan"],  # type: ignore[arg-type]  # character fields of _CARD
        values["expiry"],  # type: ignore[arg-type]
        values["service_code"],  # type: ignore[arg-type]
    )


def _make_cvv(call: Call) -> Reply:
    return {"cvv": _cvv(call)}


def _verify_cvv(call: Call) -> Reply:
    return {} if same(_cvv(call), call.values["cvv"]) else None


def _amex_account(field: str) -> str:
    """Return the 15 digits of the 19N field, which is filled with zeros on the right or on the left."""
    fill = "0" * (len(field) - _AMEX_DIGITS)
    if field.endswith(fill) and not field.startswith(fill):
        return field[:_AMEX_DIGITS]
    if field.startswith(fill):
        return field[-_AMEX_DIGITS:]
    raise HsmError(BAD_ACCOUNT)


def _security_codes(call: Call) -> Reply:
    made = cvv.amex_security_codes(
        call.key().pair, _amex_account(call.text("account")), call.text("expiry"), call.text("service_code")
    )
    if call.text("mode") == _CALCULATE:
        return {"mode": _CALCULATE, "csc5": made.five, "csc4": made.four, "csc3": made.three}
    results = "".join(_result(code, call.text(name)) for code, name in zip(made, ("csc5", "csc4", "csc3"), strict=True))
    answer: dict[str, Value] = {"mode": _VERIFY, "results": results}
    return Warned(VERIFICATION_FAILED, answer) if _FAILS in results else answer


def _result(right: str, given: str) -> str:
    if not given.strip(_NOT_GIVEN):
        return _SKIPPED
    return _MATCHES if same(right, given) else _FAILS


def _track(data: bytes) -> bytes:
    """Return track data as CVC3 takes them: track 1 as it is, track 2 packed, with F to fill."""
    if data.startswith(_TRACK_1) or not _TRACK_2.issuperset(data):
        return data
    digits = data.decode("ascii").replace("=", "D")
    return bytes.fromhex(digits + "F" * (len(digits) % 2))


def _static_cvv_fields(data: bytes) -> tuple[str, str]:
    """Return expiry and service code of track 2 data, printable or packed."""
    text = data.decode("ascii").replace("=", "D") if _TRACK_2.issuperset(data) else data.hex().upper()
    _, separator, rest = text.partition("D")
    if not separator or len(rest) < 7 or not rest[:7].isdigit():
        raise HsmError(BAD_DATA)
    return rest[:4], rest[4:7]


def _dynamic_value(call: Call) -> str:
    """Return the dynamic value of the card: three digits for Visa, five for Mastercard."""
    pan, atc = call.text("pan"), call.number("atc")
    if atc > 0xFFFF:
        raise HsmError(BAD_DATA)
    key = emv_card_key(call.key().tdes, pan, call.text("psn"), call.text("option"))
    if call.text("scheme") == _VISA:
        expiry, service_code = _static_cvv_fields(call.data("track"))
        return cvv.dynamic_cvv(CardKey(key), pan, expiry, service_code, atc)
    try:
        unpredictable = bytes.fromhex(call.text("un"))
    except ValueError:
        unpredictable = b""
    if len(unpredictable) != 4:
        raise HsmError(BAD_DATA)
    card_key = CardKey(key)
    vector = cvv.cvc3_vector(card_key, _track(call.data("track")))
    return cvv.dynamic_cvc3(card_key, vector, unpredictable, atc.to_bytes(2, "big"))


def _verify_dynamic(call: Call) -> Reply:
    right = _dynamic_value(call).zfill(_DYNAMIC_DIGITS)
    given = call.text("value").strip(" F")
    # A track has room for three to five of the digits: the last ones.
    if len(given) >= _DYNAMIC_DIGITS_MIN and given.isdigit() and same(right[-len(given) :], given):
        return {}
    return Warned(VERIFICATION_FAILED, {"right": right}) if call.policy.authorised else None


def _dynamic_use(values: Values) -> KeyUse:
    return _DYNAMIC_USES[str(values["scheme"])]


ROWS: Final = (
    Command(
        "CW",
        "generate a CVV; service code 000 makes a CVV2, 999 an iCVV",
        _make_cvv,
        (KeyField("key", CVK, bare=32), *_CARD),
        (Fixed("cvv", 3),),
        ISSUERS,
    ),
    Command(
        "CY",
        "verify a CVV; 01 = it does not match",
        _verify_cvv,
        (KeyField("key", CVK.to("V"), bare=32), Fixed("cvv", 3), *_CARD),
        (),
        ISSUERS | {SWITCH},
    ),
    Command(
        "RY",
        "AMEX card security codes: mode 3 calculates them, mode 4 verifies those that are not all F (results: 0 "
        "matches, 1 skipped, 2 fails; 01 = one fails). Flag 0 version 1, 2 version 2, 3 AEVV (the expiry is the "
        "unpredictable number)",
        _security_codes,
        (
            Choice("mode", (_CALCULATE, _VERIFY)),
            Choice("flag", "023"),
            KeyField("key", lambda values: CSCK.to("G" if values["mode"] == _CALCULATE else "V"), bare=32),
            Fixed("account", 19),
            Fixed("expiry", 4),
            When(lambda values: values["flag"] == _VERSION_2, "flag 2", Fixed("service_code", 3)),
            When(
                lambda values: values["mode"] == _VERIFY,
                "mode 4",
                Fixed("csc5", 5, TEXT),
                Fixed("csc4", 4, TEXT),
                Fixed("csc3", 3, TEXT),
            ),
        ),
        (
            Choice("mode", (_CALCULATE, _VERIFY)),
            When(
                lambda values: values["mode"] == _CALCULATE,
                "mode 3",
                Fixed("csc5", 5),
                Fixed("csc4", 4),
                Fixed("csc3", 3),
            ),
            When(lambda values: values["mode"] == _VERIFY, "mode 4", Fixed("results", 3)),
        ),
        ISSUERS,
        warnings=(VERIFICATION_FAILED,),
        source=f"{ONE_SOURCE}; the values themselves are a best reading and do not claim to meet real cards",
    ),
    Command(
        "PM",
        "verify a dynamic card value: scheme 0 Visa dCVV, 1 Mastercard CVC3. 01 = it does not match; in the authorised "
        "state the right value follows",
        _verify_dynamic,
        (
            Choice("scheme", tuple(_DYNAMIC_USES)),
            Fixed("version", 1),
            KeyField("key", _dynamic_use),
            Choice("option", "AB"),
            Delimited("pan", 12, 19, BAD_ACCOUNT),
            Fixed("psn", 2),
            Block("track", digits=3, base=10),
            Fixed("un", 8, TEXT),
            Fixed("atc", 5),
            Fixed("value", 5, TEXT),
        ),
        (IfMore(Fixed("right", 5)),),
        ISSUERS,
        warnings=(VERIFICATION_FAILED,),
        source=f"{ONE_SOURCE}; which version numbers mean what is not known, so they are ignored; the value is filled "
        "with spaces or F, or with zeros on the left",
    ),
)
