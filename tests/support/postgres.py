"""A real PostgreSQL server for the tests of a session: made by `initdb`, run by an unprivileged user, ended afterwards.

It listens on a free port of 127.0.0.1 and on a Unix socket in its own folder, and forgets everything: what it promises
its clients is tested, not the disk below it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from node.database_url import DatabaseUrl

BANKS = ("acquirer", "issuer-a", "issuer-b")
PASSWORD = "never-in-a-log"
_PROGRAMS = "/usr/lib/postgresql/*/bin"
_CARELESS = ("fsync=off", "full_page_writes=off", "max_connections=50", "shared_buffers=16MB")


class PostgresServer:
    """A running server; every schema that a test asks for is its own."""

    def __init__(self, folder: Path, port: int, programs: Path, user: str) -> None:
        self.folder = folder
        self.port = port
        self._programs = programs
        self._user = user
        self._schemas = count(1)

    def url(self, schema: str | None = None, password: str = PASSWORD) -> str:
        """Return where a schema is; a new one by default."""
        name = schema or f"schema_{next(self._schemas)}"
        return f"postgresql://bank:{password}@127.0.0.1:{self.port}/postgres?schema={name}"

    def databases(self) -> dict[str, str]:
        """Return a schema of its own for each bank of a house."""
        return {bank: self.url() for bank in BANKS}

    def place(self, schema: str | None = None) -> DatabaseUrl:
        """Return the same as a journal takes it."""
        return DatabaseUrl.parse(self.url(schema))

    def control(self, *words: str) -> None:
        """Run `pg_ctl` on it."""
        done = subprocess.run(
            [str(self._programs / "pg_ctl"), "-D", str(self.folder / "data"), *words],
            user=self._user if os.geteuid() == 0 else None,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr


async def session_of(place: DatabaseUrl, *_: Any, **__: Any) -> asyncpg.Connection:
    """Return a session of somebody else on a schema."""
    return await asyncpg.connect(place.dsn, server_settings={"search_path": place.schema})


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Make a server and run it; skip, or fail where nothing may be left out, if it is not installed."""
    programs = _programs()
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="cardrails-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        _initialise(programs, folder, user)
        server = PostgresServer(folder, _free_port(), programs, user)
        listens = (f"port={server.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}")
        server.control("start", "-w", "-l", str(folder / "log"), "-o", _options((*_CARELESS, *listens)))
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def _initialise(programs: Path, folder: Path, user: str) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    done = subprocess.run(
        [
            str(programs / "initdb"),
            "-D",
            str(folder / "data"),
            "--username=bank",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        user=user if os.geteuid() == 0 else None,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _options(settings: Sequence[str]) -> str:
    return " ".join(f"-c {setting}" for setting in settings)


def _programs() -> Path:
    """Return the folder of `initdb` and `pg_ctl`: Debian keeps it out of the search path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/").glob(_PROGRAMS[1:]), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    if os.environ.get("CARDRAILS_REQUIRE_ALL") == "1":
        pytest.fail("PostgreSQL is not installed, and CARDRAILS_REQUIRE_ALL=1 says that nothing may be left out")
    pytest.skip("PostgreSQL is not installed")


def _unprivileged() -> str:
    """Return who runs the server: ourselves, unless we are root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
