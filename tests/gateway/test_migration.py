"""A database of an earlier version opens with everything in it, and what was owed is still owed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from anyio.from_thread import start_blocking_portal

from gateway.core.messages import owed_message
from gateway.core.records import Charge, Intent, Obligation, SendRecord
from gateway.store import SqliteStore
from iso.original import OriginalData

VERSIONS = Path(__file__).resolve().parents[2] / "gateway" / "migrations" / "versions"
ALEMBIC = Path(__file__).resolve().parents[2] / "node" / "alembic"

BEFORE = """
INSERT INTO payment_intents (id, account, created, status, amount, amount_received, currency, method, latest_charge,
    client_secret, details, metadata)
VALUES ('pi_1', 'acct_1', 1, 'succeeded', 2000, 2000, 'usd', 'pm_1', 'ch_1', 's', '{}', '{}'),
       ('pi_2', 'acct_1', 2, 'processing', 500, 0, 'usd', 'pm_1', 'ch_2', 's', '{}', '{}');
INSERT INTO charges (id, account, created, intent, method, amount, currency, status, network_status, card, details,
    metadata)
VALUES ('ch_1', 'acct_1', 1, 'pi_1', 'pm_1', 2000, 'usd', 'succeeded', 'approved_by_network', '{}', '{}', '{}'),
       ('ch_2', 'acct_1', 2, 'pi_2', 'pm_1', 500, 'usd', 'pending', '', '{}', '{}', '{}');
INSERT INTO sends (charge, account, intent, terminal, merchant, stan, transmitted, local_time, local_date, token,
    expiry, amount, currency, trace, result)
VALUES ('ch_1', 'acct_1', 'pi_1', 'T', 'M', '000001', '0314092653', '092653', '0314', '9999', '3412', 2000, '840',
        'trace', '00'),
       ('ch_2', 'acct_1', 'pi_2', 'T', 'M', '000002', '0314092700', '092700', '0314', '9999', '3412', 500, '840',
        'trace', 'unknown');
INSERT INTO obligations (charge, state, attempts, due_at, stan, transmitted)
VALUES ('ch_2', 'open', 3, 77, '000003', '0314092725');
"""


def first_version(path: Path) -> None:
    """Make a database as the first version left it."""
    config = Config()
    config.set_main_option("script_location", str(ALEMBIC))
    config.set_main_option("version_locations", str(VERSIONS))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    command.upgrade(config, "0001")
    with sqlite3.connect(path) as connection:
        connection.executescript(BEFORE)
    connection.close()


class TestFirstVersion:
    """A reversal that was owed goes out under the numbers that it had; what was paid counts as captured."""

    def test_nothing_is_forgotten(self, tmp_path: Path) -> None:
        first_version(tmp_path / "gateway.db")

        with start_blocking_portal() as portal:
            store = SqliteStore(tmp_path / "gateway.db")
            paid, pending = portal.call(store.write, lambda books: books.find(Charge, {}))
            intents = portal.call(store.write, lambda books: books.find(Intent, {}))
            (duty,) = portal.call(store.write, lambda books: books.due(100, 10))
            void = portal.call(store.write, lambda books: books.get(SendRecord, duty.send))
            portal.call(store.aclose)

        assert (paid.amount_captured, paid.captured, pending.amount_captured, pending.captured) == (2000, 1, 0, 0)
        assert [(intent.status, intent.amount_capturable) for intent in intents] == [
            ("succeeded", 0),
            ("processing", 0),
        ]
        assert duty == Obligation("ch_2/authorise/1/void/1", "ch_2", "open", 3, 77, None, None)
        assert void is not None
        message = owed_message(void, duty.attempts + 1)
        assert (message.mti, message.stan, message.transmitted, message.amount_minor) == (
            "0421",
            "000003",
            "0314092725",
            500,
        )
        assert OriginalData.from_de90(message[90]) == OriginalData("0100", "000002", "0314092700")
