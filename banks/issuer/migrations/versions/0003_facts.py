"""What a card row says for itself: PIN, chip, address, authentication, limits; and scripts in a table of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT, _NUMBER, _AMOUNT = (sa.Text, ""), (sa.Integer, "0"), (sa.BigInteger, "0")
_LIMIT = (sa.BigInteger, "-1")
_NEW = {
    "used_minor": _AMOUNT,
    "cvc_forgiven": _NUMBER,
    "service_code": _TEXT,
    "cash_limit_minor": _LIMIT,
    "day_limit_minor": _LIMIT,
    "kinds": _TEXT,
    "mccs_refused": _TEXT,
    "authentication": _TEXT,
    "avs_address": _TEXT,
    "avs_postcode": _TEXT,
    "avs_required": _NUMBER,
    "pin_method": _TEXT,
    "pvk": _TEXT,
    "pvki": _TEXT,
    "pin_value": _TEXT,
    "pin_table": _TEXT,
    "pin_validation": _TEXT,
    "pin_tries_max": (sa.Integer, "3"),
    "pin_tries": _NUMBER,
    "scheme": _TEXT,
    "psn": _TEXT,
    "mk_ac": _TEXT,
    "atc": _NUMBER,
}
_SCRIPTED = ("scripted_code", "answer_after_ms", "answers")


def upgrade() -> None:
    scripts = op.create_table(
        "scripts",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("condition", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("delay_ms", sa.Integer, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    _keep_scripted(scripts)
    # A default on the server fills the rows that are there; new rows always bring every column.
    with op.batch_alter_table("cards") as cards:
        for name, (kind, default) in _NEW.items():
            cards.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        for name in _SCRIPTED:
            cards.drop_column(name)


def _keep_scripted(scripts: sa.Table) -> None:
    """What a card was told to answer becomes a script of that card."""
    cards = sa.table("cards", *(sa.column(name) for name in ("fingerprint", *_SCRIPTED)))
    wanted = (cards.c.scripted_code != "") | (cards.c.answer_after_ms != 0) | (cards.c.answers != 1)
    found = op.get_bind().execute(sa.select(cards).where(wanted).order_by(cards.c.fingerprint)).all()
    rows = [
        {
            "number": number,
            "card": fingerprint,
            "condition": "present(mti)",
            "code": code,
            "delay_ms": delay_ms,
            "answers": answers,
            "times": -1,
            "source": "seed",
            "state": "open",
        }
        for number, (fingerprint, code, delay_ms, answers) in enumerate(found, start=1)
    ]
    if rows:
        op.bulk_insert(scripts, rows)


def downgrade() -> None:
    with op.batch_alter_table("cards") as cards:
        cards.add_column(sa.Column("scripted_code", sa.Text, nullable=False, server_default=""))
        cards.add_column(sa.Column("answer_after_ms", sa.Integer, nullable=False, server_default="0"))
        cards.add_column(sa.Column("answers", sa.Integer, nullable=False, server_default="1"))
        for name in _NEW:
            cards.drop_column(name)
    op.drop_table("scripts")
