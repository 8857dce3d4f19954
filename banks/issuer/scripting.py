"""Putting and clearing scripted outcomes, at the start and while the issuer runs."""

from __future__ import annotations

from collections.abc import Sequence

from banks.core.scripts import CONFIGURED, ENDED, SCRIPTS, ScriptRow
from banks.issuer.books import IssuerBooks
from iso import LocalProtocolError
from node.core.turn import Turn


def put_script(books: IssuerBooks, script: ScriptRow, turn: Turn) -> ScriptRow:
    """Add a script; return it with its number.

    Parameters
    ----------
    script
        Its number does not matter; `card` is a fingerprint, or "" for every card of the issuer.

    Raises
    ------
    LocalProtocolError
        It breaks a rule of `banks.core.scripts`, or names a card that is not in the file. Nothing was added.
    """
    if script.card and script.card not in books.cards:
        raise LocalProtocolError("script: no such card is in the file")
    stored = books.scripts.put(script)
    turn.store(SCRIPTS, stored)
    return stored


def clear_scripts(books: IssuerBooks, turn: Turn, *, card: str | None = None, number: int | None = None) -> int:
    """End scripts: all of them, those of one card ("" for those of every card), or one; return how many."""
    wanted = [row for row in books.scripts.rows.values() if card in (None, row.card) and number in (None, row.number)]
    for row in wanted:
        turn.store(SCRIPTS, books.scripts.change(row._replace(state=ENDED)))
    return len(wanted)


def list_scripts(books: IssuerBooks) -> list[ScriptRow]:
    """Return the open scripts in the order in which they were put."""
    return sorted(books.scripts.rows.values())


def replace_configured(books: IssuerBooks, scripts: Sequence[ScriptRow], turn: Turn) -> None:
    """Put the scripts of the configuration in the place of those that it had before; orders at run time stay."""
    configured = [row for row in list_scripts(books) if row.source == CONFIGURED]
    for row in configured:
        clear_scripts(books, turn, number=row.number)
    for script in scripts:
        put_script(books, script._replace(source=CONFIGURED), turn)
