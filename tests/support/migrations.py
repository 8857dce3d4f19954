"""Migration packages for tables that only a test has."""

from __future__ import annotations

from pathlib import Path

import pytest


def write_migrations(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> str:
    """Write a package whose first revision makes the tables of `module.METADATA`; return its name."""
    package = folder / "sample_migrations"
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "versions" / "0001_initial.py").write_text(
        "from alembic import op\n"
        f"from {module} import METADATA\n"
        'revision = "0001"\ndown_revision = None\n'
        "def upgrade():\n    METADATA.create_all(op.get_bind())\n"
        "def downgrade():\n    METADATA.drop_all(op.get_bind())\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return "sample_migrations"
