"""Issuer scripts: commands that the issuer sends into the card, authenticated and, if need be, enciphered."""

from typing import Final

from hsm_sim.core.crypto.ciphers import BLOCK, CardKey, pad
from hsm_sim.core.crypto.macs import mac_algorithm_3

_NO_VECTOR: Final = bytes(BLOCK)


def script_mac(session: CardKey, command: bytes) -> bytes:
    """Return the MAC of a script command: algorithm 3, padding method 2, bytes[8]. Cards may take the left 4 to 8.

    Parameters
    ----------
    session
        The session key for integrity.
    command
        Header, then what the cryptogram version puts in (ATC and ARQC), then the data as they are sent.

    Source
    ------
    EMV Book 2 as open implementations have it; vector `issuer_script_mac_visa_cvn18`.
    """
    return mac_algorithm_3(session, pad(command, "2"))


def encipher(session: CardKey, data: bytes, form: str) -> bytes:
    """Encipher the data of a script command.

    Parameters
    ----------
    session
        The session key for confidentiality.
    data
        Any bytes; up to 255 for "visa".
    form
        "visa": a byte of length in front, always padding method 2, ECB.
        "mastercard": padding method 2 only if needed, CBC. "emv" (CCD): always padding method 2, CBC.

    Returns
    -------
    bytes
        Whole blocks.

    Raises
    ------
    ValueError
        Unknown form, or data that are too long for it.

    Source
    ------
    pyemv, held equal to it in tests.
    """
    if form == "visa":
        if len(data) > 255:
            raise ValueError("too long")
        return session.both.encrypt(pad(bytes((len(data),)) + data, "2"))
    if form == "mastercard":
        return session.both.encrypt_cbc(pad(data, "2") if len(data) % BLOCK else data, _NO_VECTOR)
    if form == "emv":
        return session.both.encrypt_cbc(pad(data, "2"), _NO_VECTOR)
    raise ValueError("unknown form of encipherment")


def decipher(session: CardKey, enciphered: bytes, form: str, length: int | None = None) -> bytes:
    """Undo `encipher`, as the card does.

    Parameters
    ----------
    length
        For "mastercard": the length of the data, which the card knows from the command; None if it was whole blocks.

    Raises
    ------
    ValueError
        The padding is wrong: another key, or not enciphered in this form; or these are not whole blocks.
    """
    if not enciphered or len(enciphered) % BLOCK:
        raise ValueError("not whole blocks")
    if form == "visa":
        clear = session.both.decrypt(enciphered)
        data, rest = clear[1 : 1 + clear[0]], clear[1 + clear[0] :]
    elif form in ("mastercard", "emv"):
        clear = session.both.decrypt_cbc(enciphered, _NO_VECTOR)
        if form == "mastercard" and (length is None or length % BLOCK == 0):
            return clear
        data = clear[:length] if form == "mastercard" else clear.rstrip(b"\x00")[:-1]
        rest = clear[len(data) :]
    else:
        raise ValueError("unknown form of encipherment")
    if not 1 <= len(rest) <= BLOCK or rest != b"\x80" + bytes(len(rest) - 1):
        raise ValueError("wrong padding")
    return data
