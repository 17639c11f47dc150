"""Registers the checks: importing this module imports every module of this folder. One file here adds a check."""

import importlib
import pkgutil

from leeway import checks

READERS = {"builtin", "decide", "policy", "waits"}  # they need the checks to be registered, and hold none

for module in pkgutil.iter_modules(checks.__path__):
    if module.name not in READERS:
        importlib.import_module(f"{checks.__name__}.{module.name}")
