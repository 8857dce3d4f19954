"""`multipart/form-data` as pairs of names and values. Files are refused: no operation takes one.

Source: RFC 7578, and RFC 2046 section 5.1 for the boundary.
"""

from __future__ import annotations

import re

from gateway.core.errors import ApiError

PARTS_MAX = 1_000

_MARK = r"[0-9A-Za-z'()+_,./:=?-]"
_BOUNDARY = re.compile(
    rf'boundary=(?:"((?:{_MARK}| ){{1,70}})"|({_MARK}{{1,70}}))(?=\s*(?:;|$))', re.IGNORECASE | re.ASCII
)
_NAME = re.compile(r'(?:^|;)\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILE = re.compile(r"(?:^|;)\s*filename\*?=", re.IGNORECASE)
_DISPOSITION = "content-disposition:"


def parse_multipart(body: bytes, content_type: str) -> list[tuple[str, str]]:
    r"""Read a multipart body.

    Parameters
    ----------
    body
        Whole.
    content_type
        The header's value, which names the boundary.

    Returns
    -------
    list[tuple[str, str]]
        Names and values in their order.

    Raises
    ------
    ApiError
        400: no boundary, a body that is not one, more than 1,000 parts, a file, or text that is not UTF-8.

    Examples
    --------
    >>> text = '--x\r\nContent-Disposition: form-data; name="expand[]"\r\n\r\ncustomer\r\n--x--\r\n'
    >>> parse_multipart(text.encode(), "multipart/form-data; boundary=x")
    [('expand[]', 'customer')]
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _refused("the multipart body has no boundary")
    marker = b"\r\n--" + (found[1] or found[2]).encode("ascii")
    # The first boundary may open the body: then nothing precedes its line break.
    pieces = (b"\r\n" + body).split(marker, PARTS_MAX + 2)
    if len(pieces) > PARTS_MAX + 2:
        raise _refused(f"more than {PARTS_MAX} parameters")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _refused("the multipart body is cut short")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> tuple[str, str]:
    head, gap, value = piece.partition(b"\r\n\r\n")
    if not gap:
        raise _refused("a part of the multipart body has no content")
    text, named = _text(value), _text(head)
    lines = [line for line in named.split("\r\n") if line.lower().startswith(_DISPOSITION)]
    disposition = lines[0][len(_DISPOSITION) :].strip() if len(lines) == 1 else ""
    if _FILE.search(disposition):
        raise _refused("files cannot be sent here")
    name = _NAME.search(disposition)
    if name is None:
        raise _refused("a part of the multipart body has no name")
    return re.sub(r"\\(.)", r"\1", name[1]), text


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    raise _refused("the parameters are not valid UTF-8")


def _refused(problem: str) -> ApiError:
    return ApiError(400, f"Invalid request: {problem}.")
