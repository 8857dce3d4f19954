"""Application cryptograms of chip cards: KQ (static, Mastercard and AMEX keys), KW (EMV2000 and common session keys).

The host sends what the card signed; data that are not whole blocks are filled with zeros here. A version that pads
with X'80' is padded by the host, as the device expects it.
"""

from typing import Final

from hsm_sim.core.commands.call import Call, Reply, Warned
from hsm_sim.core.commands.fields import Block, Choice, Raw, Values
from hsm_sim.core.commands.groups import IfMore, Literal, When
from hsm_sim.core.commands.keyfields import MK_AC, MK_SMI, KeyField
from hsm_sim.core.commands.row import Command
from hsm_sim.core.crypto.ciphers import BLOCK, CardKey, pad, same
from hsm_sim.core.crypto.cryptograms import arpc_method_1, arpc_method_2
from hsm_sim.core.crypto.emv import (
    ChipKey,
    IssuerMasterKey,
    card_block_of_packed,
    counter_diversifier,
    mastercard_diversifier,
    tree_session_key,
    visa_script_key,
)
from hsm_sim.core.crypto.macs import mac_algorithm_3
from hsm_sim.core.errors import (
    BAD_CHECK_VALUE_LENGTH,
    BAD_DATA,
    BAD_INPUT_FORMAT,
    BAD_MESSAGE_LENGTH,
    BAD_TREE,
    VERIFICATION_FAILED,
    ZERO_LENGTH,
    HsmError,
)
from hsm_sim.core.keys.key import Key
from hsm_sim.core.roles import ISSUERS

_STATIC: Final = "0"
_MASTERCARD: Final = "1"
_ANSWER_ONLY: Final = "2"
_TREES: Final = {"0": (2, 16), "1": (4, 8)}
_PROPRIETARY_MAX: Final = 8
_DISCRETIONARY_MAC_LENGTH: Final = 4
_VERIFY_CODES: Final = {
    "04": "invalid mode flag",
    "05": "unknown scheme",
    "81": "no transaction data",
}


def card_key(key: Key, block: bytes) -> ChipKey:
    """Return a card's key from an issuer master key, which remembers it.

    Parameters
    ----------
    key
        Double length, already permitted.
    block
        bytes[8], of `emv.card_block`.

    Raises
    ------
    HsmError
        "A7": not a TDES key.
    """
    assert key.pair is not None  # refuses other algorithms
    return key.keep(IssuerMasterKey).card(block)


def _cryptogram(session: CardKey, data: bytes) -> bytes:
    if not data:
        raise HsmError(ZERO_LENGTH)
    return mac_algorithm_3(session, pad(data, "1"))


def _wrong(call: Call, right: bytes) -> Reply:
    """Return the failed verification; the right cryptogram comes out in the authorised state only."""
    return Warned(VERIFICATION_FAILED, {"cryptogram": right}) if call.policy.authorised else None


def _checks_discretionary(values: Values) -> bool:
    return values["mode"] in ("3", "4")


def _discretionary_matches(call: Call) -> bool:
    data = call.data("discretionary")
    if not data:
        raise HsmError(BAD_CHECK_VALUE_LENGTH)
    card = card_key(call.key("mk_smi"), call.data("card"))
    session = CardKey(visa_script_key(card.material, call.data("atc")))
    made = mac_algorithm_3(session, pad(data, "2"))[:_DISCRETIONARY_MAC_LENGTH]
    return same(made, call.data("mac"))


def _verify_static(call: Call) -> Reply:
    values = call.values
    mode, scheme, arqc = values["mode"], values["scheme"], call.data("arqc")
    if scheme != _STATIC and mode in ("3", "4"):
        raise HsmError(BAD_INPUT_FORMAT)
    card = card_key(call.keys["mk_ac"], call.data("card"))
    if mode != _ANSWER_ONLY:
        if scheme == _MASTERCARD:
            session = card.session(mastercard_diversifier(call.data("atc"), call.data("un")))
        else:
            session = card.whole
        right = _cryptogram(session, call.data())
        if not same(right, arqc):
            return _wrong(call, right)
    if _checks_discretionary(values) and not _discretionary_matches(call):
        raise HsmError(BAD_MESSAGE_LENGTH)
    # The answer is made with the card's own key in all three schemes: session keys serve the cryptogram only.
    return {"cryptogram": arpc_method_1(card.whole, arqc, call.data("arc"))} if "arc" in values else {}


def _is_tree(values: Values) -> bool:
    return values["scheme"] in ("0", "1")


def _is_option_b(values: Values) -> bool:
    return values["scheme"] in ("1", "3")


def _session(call: Call) -> CardKey:
    block = card_block_of_packed(call.data("pan"), "B") if _is_option_b(call.values) else call.data("card")
    card, atc = card_key(call.keys["mk_ac"], block), call.data("atc")
    if not _is_tree(call.values):
        return card.session(counter_diversifier(atc))
    branch, height = _TREES[call.text("tree")]
    return CardKey(tree_session_key(card.material, atc, branch, height, call.data("vector")))


def _verify_with_session(call: Call) -> Reply:
    values, arqc = call.values, call.data("arqc")
    session = _session(call)
    if "data" in values:
        right = _cryptogram(session, call.data())
        if not same(right, arqc):
            return _wrong(call, right)
    if "arc" in values:
        return {"cryptogram": arpc_method_1(session, arqc, call.data("arc"))}
    if "csu" in values:
        proprietary = call.data("proprietary")
        if len(proprietary) > _PROPRIETARY_MAX:
            raise HsmError(BAD_DATA)
        return {"cryptogram": arpc_method_2(session, arqc, call.data("csu"), proprietary).ljust(BLOCK, b"\x00")}
    return {}


ROWS: Final = (
    Command(
        "KQ",
        "verify an ARQC and make its ARPC: mode 0 verify, 1 both, 2 ARPC only, 3 and 4 as 0 and 1 and the MAC of "
        "discretionary data; scheme 0 Visa (card key, no session), 1 Mastercard M/Chip (session key from ATC and "
        "unpredictable number), 2 AMEX (as 0). 01 = it does not match; in the authorised state the right one follows",
        _verify_static,
        (
            Choice("mode", "01234", "04"),
            Choice("scheme", "012", "05"),
            KeyField("mk_ac", MK_AC),
            When(_checks_discretionary, "modes 3 and 4", KeyField("mk_smi", MK_SMI, parity="11")),
            Raw("card", 8),
            Raw("atc", 2),
            Raw("un", 4),
            When(lambda values: values["mode"] != _ANSWER_ONLY, "not mode 2", Block("data", digits=2), Literal(b";")),
            Raw("arqc", 8),
            When(lambda values: values["mode"] in ("1", "2", "4"), "modes 1, 2 and 4", Raw("arc", 2)),
            When(
                _checks_discretionary,
                "modes 3 and 4",
                Raw("mac", _DISCRETIONARY_MAC_LENGTH),
                Block("discretionary", digits=2),
            ),
        ),
        (IfMore(Raw("cryptogram", 8)),),
        ISSUERS,
        warnings=(VERIFICATION_FAILED,),
        source="layout from captures of several open implementations; the MAC of modes 3 and 4 (card's integrity key "
        "with Visa's session key, padding 2, left 4 bytes) is our reading, as is the key of scheme 1's ARPC",
        codes={
            **_VERIFY_CODES,
            "03": "modes 3 and 4 need scheme 0",
            "06": "the MAC of the discretionary data does not match",
            "82": "no discretionary data",
        },
    ),
    Command(
        "KW",
        "verify an ARQC under a session key and make its ARPC: mode 0 verify, 1 both (method 1), 2 ARPC only, 3 both "
        "(method 2), 4 ARPC only (method 2, four bytes and four zero bytes); scheme 0 and 1 EMV2000 tree with card "
        "keys by option A and B, 2 and 3 common session key, the same. 01 = it does not match; in the authorised state "
        "the right one follows",
        _verify_with_session,
        (
            Choice("mode", "01234", "04"),
            Choice("scheme", "0123", "05"),
            KeyField("mk_ac", MK_AC),
            When(_is_tree, "schemes 0 and 1", Raw("vector", 16)),
            When(_is_option_b, "schemes 1 and 3", Block("pan", digits=2, base=10), Literal(b";")),
            When(lambda values: not _is_option_b(values), "schemes 0 and 2", Raw("card", 8)),
            When(_is_tree, "schemes 0 and 1", Choice("tree", tuple(_TREES), BAD_TREE)),
            Raw("atc", 2),
            When(
                lambda values: values["mode"] in ("0", "1", "3"),
                "modes 0, 1 and 3",
                Block("data", digits=2),
                Literal(b";"),
            ),
            Raw("arqc", 8),
            When(lambda values: values["mode"] in ("1", "2"), "modes 1 and 2", Raw("arc", 2)),
            When(_checks_discretionary, "modes 3 and 4", Raw("csu", 4), Block("proprietary", digits=1)),
        ),
        (IfMore(Raw("cryptogram", 8)),),
        ISSUERS,
        warnings=(VERIFICATION_FAILED,),
        source="layout from captures of an open codec (schemes 0 and 2, modes 0 and 4); the other schemes and modes "
        "are inferred from them",
        codes={**_VERIFY_CODES, BAD_TREE: "invalid branch and height: 0 is 2 and 16, 1 is 4 and 8"},
    ),
)
