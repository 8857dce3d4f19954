"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import iso

MODULES = sorted(module.name for module in pkgutil.walk_packages(iso.__path__, "iso."))


class TestExamples:
    """What a docstring shows is what happens."""

    @pytest.mark.parametrize("name", MODULES)
    def test_of_each_module(self, name: str) -> None:
        results = doctest.testmod(importlib.import_module(name))

        assert results.failed == 0
