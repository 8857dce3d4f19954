"""Alembic revisions of the switch's store; `node.migrate` supplies the environment."""
