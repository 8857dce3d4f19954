"""Alembic revisions of the HSM's database."""
