"""Where a database server is, as settings say it, and as it may be shown: never with a password."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SCHEMES = ("postgresql", "postgres")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_USER = re.compile(r"://\S*@")


class DatabaseUrl(NamedTuple):
    """One schema of one database; a node has one of its own.

    Attributes
    ----------
    dsn
        What the driver connects to. It may contain a password: it is in no `str`, `repr` or error.
    schema
        Made if absent.
    shown
        The same without user and password.
    """

    dsn: str
    schema: str
    shown: str

    def __repr__(self) -> str:
        return f"DatabaseUrl({self.shown!r})"

    def __str__(self) -> str:
        return self.shown

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Read `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`.

        Every part after the scheme may be absent: the driver then takes what libpq takes (`PGUSER`, `PGPASSWORD`,
        `~/.pgpass`, a Unix socket by `?host=/var/run/postgresql`); the schema is `public`.

        Raises
        ------
        ValueError
            It is no such URL. The text says what is expected and nothing of what was given.

        Examples
        --------
        >>> DatabaseUrl.parse("postgresql://bank:secret@db.example:5432/house?schema=issuer_a")
        DatabaseUrl('postgresql://db.example:5432/house?schema=issuer_a')
        """
        try:
            parts = urlsplit(text)
            port, query = parts.port, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        except ValueError:
            parts, port, query = urlsplit(""), None, {}
        if parts.scheme not in _SCHEMES or parts.fragment:
            raise ValueError("expected postgresql://user@host:port/database?schema=name")
        schema = query.pop("schema", "public")
        if _SCHEMA.fullmatch(schema) is None:
            raise ValueError("schema: 1 to 63 lower-case letters, digits and underscores")
        dsn = urlunsplit(parts._replace(query=urlencode(query)))
        place = f"{parts.hostname or ''}{'' if port is None else f':{port}'}"
        return cls(dsn, schema, f"postgresql://{place}{parts.path}?schema={schema}")


def without_user(text: str) -> str:
    """Return a text without the user and password of a URL in it.

    Examples
    --------
    >>> without_user("postgresql://bank:secret@db.example/house")
    'postgresql://***@db.example/house'
    """
    return _USER.sub("://***@", text)
