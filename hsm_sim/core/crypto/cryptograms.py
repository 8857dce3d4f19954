"""EMV cryptograms: what the card signs (ARQC, TC, AAC) and what the issuer answers (ARPC)."""

from hsm_sim.core.crypto.ciphers import BLOCK, CardKey, pad, same, xor
from hsm_sim.core.crypto.macs import mac_algorithm_3


def application_cryptogram(session: CardKey, data: bytes, padding: str = "2") -> bytes:
    """Return an application cryptogram: ISO 9797-1 algorithm 3, bytes[8].

    Parameters
    ----------
    session
        The session key, or the card's master key where a method has no session keys.
    data
        What the card signs, in the order of its cryptogram version.
    padding
        "1" zeros (Visa CVN 10), "2" X'80' and zeros (all others).

    Source
    ------
    EMV Book 2 as open implementations have it; vectors `arqc_*`, `emv_arqc_pad00`.
    """
    return mac_algorithm_3(session, pad(data, padding))


def verify_cryptogram(session: CardKey, data: bytes, cryptogram: bytes, padding: str = "2") -> bool:
    """Check an application cryptogram of 4 to 8 bytes; compared in constant time.

    A card may send fewer than eight bytes: then they are the leftmost.
    """
    made = application_cryptogram(session, data, padding)
    return 4 <= len(cryptogram) <= BLOCK and same(made[: len(cryptogram)], cryptogram)


def arpc_method_1(session: CardKey, arqc: bytes, response_code: bytes) -> bytes:
    """Return the issuer's answer by method 1: bytes[8].

    Parameters
    ----------
    session
        The key of the cryptogram; Mastercard CVN 16 and 17 use the card's master key.
    arqc
        bytes[8].
    response_code
        bytes[2], the ARPC response code (often the two characters of DE 39).

    Source
    ------
    EMV Book 2 as open implementations have it; vectors `arpc_mastercard_*`, `arpc_KQ_scheme0_method1`.
    """
    return session.both.encrypt(xor(arqc, response_code + bytes(6)))


def arpc_method_2(session: CardKey, arqc: bytes, status_update: bytes, proprietary: bytes = b"") -> bytes:
    """Return the issuer's answer by method 2: bytes[4].

    Parameters
    ----------
    session
        The session key of the cryptogram.
    arqc
        bytes[8].
    status_update
        bytes[4], card status update (CSU).
    proprietary
        0 to 8 bytes of proprietary authentication data.

    Raises
    ------
    ValueError
        A field has another length.

    Source
    ------
    EMV Book 2 as open implementations have it; vectors `arpc_visa_cvn18`, `emv_arpc_method2`.
    """
    if len(arqc) != BLOCK or len(status_update) != 4 or len(proprietary) > BLOCK:
        raise ValueError("wrong length")
    return mac_algorithm_3(session, pad(arqc + status_update + proprietary, "2"))[:4]
