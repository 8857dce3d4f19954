"""Alembic migrations, one environment for every room.

A room ships only `migrations/versions/*.py`. A database that is at the room's newest revision is recognised by one
query, so that a restart does not pay for importing Alembic.
"""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from pathlib import Path

from iso.errors import CardrailsError

_REVISION = re.compile(r"""^revision(?::\s*str)?\s*=\s*["'](\w+)["']""", re.MULTILINE)


class MigrationError(CardrailsError):
    """A database is of a revision that this version does not know."""


def upgrade(path: Path, migrations: str) -> None:
    """Bring a SQLite file to the newest revision of a migration package.

    Parameters
    ----------
    path
        The database file; it is created if absent.
    migrations
        Package with a `versions` folder, such as "switch.migrations".

    Raises
    ------
    MigrationError
        The file is of a revision unknown to this package, most likely written by a newer version.
    """
    known = revisions(migrations)
    at = _revision_of(path)
    if at == known[-1]:
        return
    if at is not None and at not in known:
        raise MigrationError(f"{path}: revision {at} is unknown to {migrations}; it was written by another version")
    upgrade_url(f"sqlite:///{path}", migrations)


def upgrade_url(url: str, migrations: str) -> None:
    """Run Alembic on a synchronous SQLAlchemy URL."""
    # Imported here: most starts find the database up to date.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("node") / "alembic"))
    config.set_main_option("version_locations", str(_versions(migrations)))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")


def revisions(migrations: str) -> list[str]:
    """Return the revisions of a package, oldest first; their files are named by number."""
    found = []
    for file in sorted(_versions(migrations).glob("[0-9]*.py")):
        match = _REVISION.search(file.read_text("utf-8"))
        if match:
            found.append(match.group(1))
    if not found:
        raise MigrationError(f"{migrations}: no migration found")
    return found


def _versions(migrations: str) -> Path:
    return Path(str(resources.files(migrations))) / "versions"


def _revision_of(path: Path) -> str | None:
    if not path.exists():
        return None
    database = sqlite3.connect(path)
    try:
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        database.close()
    return row[0] if row else None
