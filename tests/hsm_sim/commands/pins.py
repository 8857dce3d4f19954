"""Builders for PIN commands: keys that the test knows, the blocks that a terminal would make, and the cards."""

from __future__ import annotations

from hsm_sim.core.crypto import dukpt_aes, dukpt_tdes
from hsm_sim.core.crypto.ciphers import Aes, Tdes
from hsm_sim.core.crypto.pinblocks import account_field, leftmost_account_field
from hsm_sim.core.crypto.translation import decipher_pin, encipher_pin
from hsm_sim.core.keys.key import Key
from tests.hsm_sim.commands.opened import AES_BLOCK, block_key, variant_key
from tests.support.hsm import Hsm, seeded

PAN = "4000001234567899"
OTHER_PAN = "5400007654321099"
ACCOUNT = account_field(PAN)
CLEAR = {
    "tpk": "11111111111111112222222222222222",
    "zpk": "33333333333333334444444444444444",
    "other": "55555555555555556666666666666666",
    "bdk": "0123456789ABCDEFFEDCBA9876543210",
    "pvk": "89898989898989898686868686868686",
    "aes": "77777777777777778888888888888888",
}
TPK = variant_key("002", CLEAR["tpk"])
ZPK = variant_key("001", CLEAR["zpk"])
OTHER_ZPK = variant_key("001", CLEAR["other"])
BDK = variant_key("009", CLEAR["bdk"])
BDK_2 = variant_key("609", CLEAR["bdk"])
PVK = variant_key("002", CLEAR["pvk"])
SHORT_PVK = variant_key("002", CLEAR["pvk"][:16])
AES_ZPK = block_key("P0", CLEAR["aes"], "A", lmk=AES_BLOCK)
OTHER_AES_ZPK = block_key("P0", CLEAR["other"], "A", lmk=AES_BLOCK)
TDES_ZPK = block_key("P0", CLEAR["zpk"], lmk=AES_BLOCK)
AES_BDK = block_key("B0", CLEAR["aes"], "A", lmk=AES_BLOCK)
BLOCK_BDK = block_key("B0", CLEAR["bdk"], lmk=AES_BLOCK)
VISA_PVK = block_key("V2", CLEAR["pvk"], lmk=AES_BLOCK)
IBM_PVK = block_key("V1", CLEAR["pvk"], lmk=AES_BLOCK)
TABLE = "0123456789012345"
VALIDATION = "1234567890N1"
KSN = "FFFF9876543210E00003"
AES_KSN = "123456789012345600000001"

_ENTROPY = seeded("terminals")


def account_of(pan: str, code: str) -> str:
    """Return what a format takes of a PAN."""
    return {"48": pan, "04": leftmost_account_field(pan)}.get(code, account_field(pan))


def block(key: str, pin: str, code: str = "01", pan: str = PAN) -> str:
    """Return a PIN block as the holder of a clear key (a name of `CLEAR`) makes it: AES for format 48."""
    material = bytes.fromhex(CLEAR[key])
    cipher = Aes(material) if code == "48" else Tdes(material)
    return encipher_pin(cipher, code, pin, account_of(pan, code), _ENTROPY).hex().upper()


def pin_of(key: str, data: str, code: str = "01", pan: str = PAN) -> str:
    """Return the PIN of a block under a clear key."""
    material = bytes.fromhex(CLEAR[key])
    cipher = Aes(material) if code == "48" else Tdes(material)
    return decipher_pin(cipher, code, bytes.fromhex(data), account_of(pan, code))


def dukpt_block(material: bytes, ksn: str, pin: str, code: str = "01", pan: str = PAN) -> str:
    """Return a PIN block as a terminal makes it whose base key is known: TDES, or AES for format 48."""
    serial = bytes.fromhex(ksn)
    if code == "48":
        initial = dukpt_aes.initial_key(material, serial[:8])
        key = dukpt_aes.transaction_key(initial, serial)
        cipher: Tdes | Aes = Aes(dukpt_aes.working_key(key, serial, dukpt_aes.PIN_ENCRYPTION))
    else:
        key = dukpt_tdes.transaction_key(dukpt_tdes.TdesDukpt(material).initial_key(serial), serial)
        cipher = Tdes(dukpt_tdes.working_key(key, dukpt_tdes.PIN))
    return encipher_pin(cipher, code, pin, account_of(pan, code), _ENTROPY).hex().upper()


def injected(hsm: Hsm, party: str, index: str) -> bytes:
    """Return a clear key of a house party, as the injection of a terminal's key would bring it there."""
    key: Key = hsm.engine._slots[party].keys[index]
    return key.derive(lambda material: material)
