"""The headers in front of an MTI, and how an answer's header is made from the request's.

A header says where a message goes and where it came from; the answer exchanges the two. Anything that is neither a TPDU
nor a BASE I header comes back as it is: what we do not understand we do not change.
"""

from __future__ import annotations

__all__ = ["answer_header", "swap_tpdu"]

_TPDU_DIGITS = 10
# BASE I: H1 length (1 byte), H2 format, H3 text format, H4 total length (2), H5 destination (3), H6 source (3), ...
_BASE1_DIGITS = 44
_BASE1_LENGTH = "16"


def swap_tpdu(header: str) -> str:
    """Exchange destination and source of a TPDU, so that an answer finds its way back.

    Parameters
    ----------
    header
        Hexadecimal; anything that is not 5 bytes long comes back unchanged.

    Returns
    -------
    str
        Same length.

    Examples
    --------
    >>> swap_tpdu("6000010002")
    '6000020001'
    """
    if len(header) != _TPDU_DIGITS:
        return header
    return header[:2] + header[6:] + header[2:6]


def answer_header(header: str) -> str:
    """Give the header of the answer to a message with this one.

    Parameters
    ----------
    header
        Hexadecimal: a TPDU (5 bytes), a BASE I header (22 bytes that say so), or anything else.

    Returns
    -------
    str
        Destination and source exchanged. The total length in a BASE I header is the codec's to write.

    Examples
    --------
    >>> answer_header("6000010002")
    '6000020001'
    >>> answer_header("160102002E" + "000000" + "123456" + "00" * 11)[10:22]
    '123456000000'
    >>> answer_header("ABCD")
    'ABCD'

    Source
    ------
    Common practice: shared facts, iso8583 V42 and V60 (public host captures and channel implementations).
    """
    if len(header) == _BASE1_DIGITS and header.startswith(_BASE1_LENGTH):
        return header[:10] + header[16:22] + header[10:16] + header[22:]
    return swap_tpdu(header)
