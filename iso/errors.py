"""The exceptions of the house, and what each one obliges its catcher to do.

::

    CardrailsError
    ├── ConfigError            a file says something impossible: fix the file, exit 2
    └── IsoError
        ├── LocalProtocolError   we tried to build something illegal: a defect of ours, never sent
        └── RemoteProtocolError  the peer sent something illegal: reject with `reject_code`, or close

Outcomes (a decline, a timeout) are values and never appear here. The text of every error is safe to log: it names
elements, offsets and rules, and must never contain the content of an element.
"""

from __future__ import annotations

__all__ = ["CardrailsError", "ConfigError", "IsoError", "LocalProtocolError", "RemoteProtocolError"]


class CardrailsError(Exception):
    """Root of every exception that this project raises on purpose."""


class ConfigError(CardrailsError):
    """A configuration file breaks a rule; show `str(error)`, one line, and exit 2.

    Parameters
    ----------
    file
        Path or name of the file (or "environment") that holds the value.
    key
        Dotted name of the setting.
    value
        What was found; shortened and kept on one line. Never pass a secret.
    rule
        What the value must satisfy.
    """

    def __init__(self, file: object, key: str, value: object, rule: str) -> None:
        self.file = str(file)
        self.key = key
        self.value = value
        self.rule = rule
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(" ".join(f"{self.file}: {key} = {shown}: {rule}".split()))


class IsoError(CardrailsError):
    """Something about an ISO 8583 message, element or frame is wrong.

    Parameters
    ----------
    message
        Safe text: the rule that was broken, never the content that broke it.
    element
        Data element number, or None where no single element is to blame.
    offset
        Byte offset in the frame payload where the fault begins, or None.
    """

    def __init__(self, message: str, *, element: int | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.element = element
        self.offset = offset


class LocalProtocolError(IsoError):
    """We asked for something illegal; nothing was sent. Fix the caller: a retry cannot help."""


class RemoteProtocolError(IsoError):
    """The peer sent something illegal.

    Answer with DE 39 = `reject_code` if `mti` is known and has a response, else close the connection.

    Parameters
    ----------
    message
        Safe text: the rule that was broken, never the content that broke it.
    element
        Data element number (0 = MTI, 1 = bitmap), or None.
    offset
        Byte offset in the frame payload where the fault begins, or None.
    reject_code
        str[2], DE 39 in its 1987 form.
    mti
        str[4] decimal if four digits could be read, else None.
    """

    def __init__(
        self,
        message: str,
        *,
        element: int | None = None,
        offset: int | None = None,
        reject_code: str = "30",
        mti: str | None = None,
    ) -> None:
        super().__init__(message, element=element, offset=offset)
        self.reject_code = reject_code
        self.mti = mti
