"""The token vault's commands: store a card, make a cryptogram, detokenise, and the life of a token."""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply
from hsm_sim.core.commands.fields import HEX, TEXT, Block, Counted, Delimited, Fixed, Value, Values
from hsm_sim.core.commands.groups import Marked, Part
from hsm_sim.core.commands.row import OWN, Command
from hsm_sim.core.commands.storage import FINGERPRINT_LENGTH, sealed_pan
from hsm_sim.core.errors import BAD_ACCOUNT, BAD_DATA, HsmError
from hsm_sim.core.roles import GATEWAY, SWITCH
from hsm_sim.core.vault import UNRESTRICTED, Domain, Proof, Purchase
from hsm_sim.core.vault.domain import split

_PAN: Final = Delimited("pan", 12, 19, BAD_ACCOUNT)
_TOKEN: Final = Delimited("token", 1, 19)
_FINGERPRINT: Final = Fixed("fingerprint", FINGERPRINT_LENGTH, TEXT)
_FORMER: Final = Marked(b"#", Fixed("former_fingerprint", FINGERPRINT_LENGTH, TEXT))
_PURCHASE: Final[tuple[Part, ...]] = (Fixed("amount", 12), Fixed("currency", 3, TEXT), Counted("merchant"))
_DOMAIN: Final[tuple[Part, ...]] = (
    Counted("channels"),
    Block("merchants"),
    Counted("currencies"),
    Delimited("amount_max", 0, 12),
    Delimited("token_expiry", 0, 4),
    Fixed("merchant_initiated", 1),
)


def domain_values(domain: Domain) -> dict[str, Value]:
    """Return a domain as the values of its fields: names comma-separated, "" for no limit."""
    return {
        "channels": ",".join(domain.channels),
        "merchants": ",".join(domain.merchants).encode("utf-8", "replace"),
        "currencies": ",".join(domain.currencies),
        "amount_max": "" if domain.amount_max is None else str(domain.amount_max),
        "token_expiry": domain.token_expiry,
        "merchant_initiated": "1" if domain.merchant_initiated else "0",
    }


def domain_from(values: Values) -> Domain:
    """Return the domain that the fields hold; everything is allowed if they are not there.

    Raises
    ------
    HsmError
        "15": the merchants are not UTF-8, or the flag is neither 0 nor 1.
    """
    if "channels" not in values:
        return UNRESTRICTED
    raw, flag, most = values["merchants"], values["merchant_initiated"], str(values["amount_max"])
    assert isinstance(raw, bytes)
    merchants = raw.decode("utf-8", "replace")
    if flag not in ("0", "1") or "\ufffd" in merchants:
        raise HsmError(BAD_DATA)
    return Domain(
        split(str(values["channels"])),
        split(merchants),
        split(str(values["currencies"])),
        int(most) if most else None,
        str(values["token_expiry"]),
        flag == "1",
    )


def _purchase(call: Call) -> Purchase:
    return Purchase(call.text("amount"), call.text("currency"), call.text("merchant"), call.text("channel"))


def _store_card(call: Call) -> Reply:
    call.vault.expire(call.now)
    stored = call.vault.store(
        call.text("pan"),
        call.text("expiry"),
        call.text("cvc"),
        call.text("requestor"),
        call.now,
        call.turn,
        domain_from(call.values),
    )
    call.subject, call.is_audited = stored.token, stored.is_new
    answer: dict[str, Value] = {"token": stored.token, "fingerprint": stored.fingerprint, "par": stored.par}
    if stored.former_fingerprint:
        answer["former_fingerprint"] = stored.former_fingerprint
    return answer


def _make_cryptogram(call: Call) -> Reply:
    call.subject = call.text("token")
    made = call.vault.issue(call.text("token"), _purchase(call), call.turn)
    return {"cryptogram": made.cryptogram, "atc": made.atc, "un": made.un}


def _detokenise(call: Call) -> Reply:
    call.vault.expire(call.now)
    text, turn = call.text, call.turn
    token, reference, cryptogram = text("token"), text("reference"), text("cryptogram")
    call.subject = token
    if cryptogram:
        proof = Proof(cryptogram, text("atc"), text("un"))
        opened = call.vault.spend(token, reference, proof, _purchase(call), turn)
    elif text("merchant_initiated", "0") == "1":
        opened = call.vault.start(token, reference, _purchase(call), turn)
    else:
        opened = call.vault.follow(token, reference, turn)
    answer: dict[str, Value] = {
        "pan": opened.pan,
        "expiry": opened.expiry,
        "cvv2": opened.cvv2,
        "audit_id": opened.audit_id,
    }
    if text("seal", "0") == "1":
        answer["sealed"] = sealed_pan(call, opened.pan, reference)
    return answer


def _suspend(call: Call) -> Reply:
    call.vault.life.suspend(*_change(call), call.turn)
    return {}


def _resume(call: Call) -> Reply:
    call.vault.life.resume(*_change(call), call.turn)
    return {}


def _delete(call: Call) -> Reply:
    call.vault.life.delete(*_change(call), call.turn)
    return {}


def _change(call: Call) -> tuple[str, str, str]:
    call.subject = call.text("token")
    return call.text("token"), call.text("requestor"), call.text("reason")


def _restrict(call: Call) -> Reply:
    call.subject = call.text("token")
    call.vault.life.restrict(call.text("token"), call.text("requestor"), domain_from(call.values), call.turn)
    return {}


def _describe(call: Call) -> Reply:
    call.subject = call.text("token")
    told = call.vault.life.describe(call.text("token"), call.text("requestor"), call.turn)
    return {
        "state": told.state,
        "reason": told.reason,
        "expiry": told.expiry,
        "fingerprint": told.fingerprint,
        "former_fingerprint": told.former_fingerprint,
        "par": told.par,
        **domain_values(told.domain),
    }


_CHANGE: Final[tuple[Part, ...]] = (_TOKEN, Counted("requestor"), Counted("reason"))

ROWS: Final = (
    Command(
        "ZA",
        "store a card: PAN in, network token out; a CVV2 waits in memory for the first authorisation",
        _store_card,
        (_PAN, Fixed("expiry", 4), Delimited("cvc", 0, 4), Counted("requestor")),
        (Delimited("token", 12, 19), _FINGERPRINT, Fixed("par", 29, TEXT), _FORMER),
        frozenset((GATEWAY,)),
        options=(Marked(b"#", *_DOMAIN),),
        source=OWN,
    ),
    Command(
        "ZC",
        "make a one-time token cryptogram over amount, currency and merchant",
        _make_cryptogram,
        (_TOKEN, *_PURCHASE),
        (Fixed("cryptogram", 16, HEX), Fixed("atc", 4, HEX), Fixed("un", 8, HEX)),
        frozenset((GATEWAY,)),
        options=(Marked(b"#", Counted("channel")),),
        source=OWN,
    ),
    Command(
        "ZE",
        "detokenise: by cryptogram the first time, by a recorded reference afterwards (empty cryptogram), or for a "
        "merchant-initiated payment; on request with the PAN sealed for storing, in the context of the reference",
        _detokenise,
        (_TOKEN, Counted("reference"), Counted("cryptogram"), Counted("atc"), Counted("un"), *_PURCHASE),
        (
            _PAN,
            Fixed("expiry", 4),
            Delimited("cvv2", 0, 4),
            Fixed("audit_id", 16, HEX),
            Marked(b"#", Counted("sealed")),
        ),
        frozenset((SWITCH,)),
        options=(Marked(b"#", Counted("channel"), Fixed("merchant_initiated", 1), Fixed("seal", 1)),),
        is_audited=True,
        source=OWN,
    ),
    Command(
        "Z0",
        "suspend a token until further notice",
        _suspend,
        _CHANGE,
        (),
        frozenset((GATEWAY,)),
        is_audited=True,
        source=OWN,
    ),
    Command(
        "Z2",
        "resume a suspended token",
        _resume,
        _CHANGE,
        (),
        frozenset((GATEWAY,)),
        is_audited=True,
        source=OWN,
    ),
    Command(
        "Z4",
        "delete a token: recorded references stay open for follow-ups until its number is erased",
        _delete,
        _CHANGE,
        (),
        frozenset((GATEWAY,)),
        is_audited=True,
        source=OWN,
    ),
    Command(
        "Z6",
        "change what a token may be used for",
        _restrict,
        (_TOKEN, Counted("requestor"), *_DOMAIN),
        (),
        frozenset((GATEWAY,)),
        is_audited=True,
        source=OWN,
    ),
    Command(
        "Z8",
        "describe a token to its requestor: state, fingerprints, payment account reference, domain",
        _describe,
        (_TOKEN, Counted("requestor")),
        (
            Counted("state"),
            Counted("reason"),
            Delimited("expiry", 0, 4),
            Counted("fingerprint"),
            Counted("former_fingerprint"),
            Counted("par"),
            *_DOMAIN,
        ),
        frozenset((GATEWAY,)),
        source=OWN,
    ),
)
