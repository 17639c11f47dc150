"""The command line: `leeway`."""

from leeway.cli.app import main

__all__ = ["main"]
