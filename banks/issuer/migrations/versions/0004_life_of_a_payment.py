"""What a request has done and what is left of it; statements without an index; answers as they were given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXTS = ("capture", "arn", "merchant_amount", "answer")
_CHUNK = 10_000

_accounts = sa.table("accounts", sa.column("name"), sa.column("last"))
_entries = sa.table(
    "entries",
    sa.column("sequence"),
    sa.column("debit"),
    sa.column("credit"),
    sa.column("debit_before"),
    sa.column("credit_before"),
)


def upgrade() -> None:
    op.add_column("requests", sa.Column("effect", sa.Text, nullable=False, server_default=""))
    for name in ("left_minor", "posted_minor", "until"):
        op.add_column("requests", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    for name in _TEXTS:
        op.add_column("requests", sa.Column(name, sa.Text, nullable=False, server_default=""))
    _keep_what_was_done()
    op.drop_column("requests", "cvv2_result")
    op.add_column("accounts", sa.Column("last", sa.BigInteger, nullable=False, server_default="0"))
    for name in ("debit_before", "credit_before"):
        op.add_column("entries", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    _link()


def _keep_what_was_done() -> None:
    op.execute("UPDATE requests SET payment = own WHERE payment = ''")
    op.execute(
        "UPDATE requests SET effect = 'hold', "
        "left_minor = CASE WHEN state = 'approved' THEN amount_minor ELSE 0 END, "
        "until = COALESCE((SELECT expires_at FROM holds WHERE holds.identifier = requests.hold), 0) "
        "WHERE hold <> ''"
    )
    # DE 48 with tag 02, as it was built of the column at every answer.
    op.execute("UPDATE requests SET answer = '{\"48\":\"02001' || cvv2_result || '\"}' WHERE cvv2_result <> ''")


def _link() -> None:
    """Let every entry, and every account, name the entry before it; in pieces, for ledgers that are long."""
    bind, last = op.get_bind(), dict[str, int]()
    change = (
        sa.update(_entries)
        .where(_entries.c.sequence == sa.bindparam("at"))
        .values(debit_before=sa.bindparam("debit_link"), credit_before=sa.bindparam("credit_link"))
    )
    for chunk in _chunks(bind):
        links = []
        for sequence, debit, credit in chunk:
            links.append({"at": sequence, "debit_link": last.get(debit, 0), "credit_link": last.get(credit, 0)})
            last[debit] = last[credit] = sequence
        bind.execute(change, links)
    if last:
        bind.execute(
            sa.update(_accounts).where(_accounts.c.name == sa.bindparam("named")).values(last=sa.bindparam("latest")),
            [{"named": name, "latest": sequence} for name, sequence in last.items()],
        )


def _chunks(bind: sa.Connection) -> Iterator[list[Any]]:
    columns, after = _entries.c, 0
    while True:
        query = sa.select(columns.sequence, columns.debit, columns.credit).where(columns.sequence > after)
        chunk = bind.execute(query.order_by(columns.sequence).limit(_CHUNK)).all()
        if not chunk:
            return
        after = chunk[-1][0]
        yield list(chunk)


def downgrade() -> None:
    op.add_column("requests", sa.Column("cvv2_result", sa.Text, nullable=False, server_default=""))
    for name in ("effect", "left_minor", "posted_minor", "until", *_TEXTS):
        op.drop_column("requests", name)
    op.drop_column("accounts", "last")
    for name in ("debit_before", "credit_before"):
        op.drop_column("entries", name)
