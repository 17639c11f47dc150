"""The examples in the documentation of the statistics are true."""

import doctest
import pkgutil
from importlib import import_module

import pytest

from leeway import stats


@pytest.mark.parametrize("name", sorted(module.name for module in pkgutil.iter_modules(stats.__path__)))
def test_every_module_of_the_statistics_shows_an_example_that_is_true(name):
    result = doctest.testmod(import_module(f"leeway.stats.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
