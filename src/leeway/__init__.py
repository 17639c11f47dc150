"""Keeps an image classifier accurate after it ships: watches, asks for labels, decides, retrains, releases."""

from typing import TYPE_CHECKING, Any

from leeway.version import __version__

if TYPE_CHECKING:
    from leeway.workspace import open_workspace

__all__ = ["__version__", "open_workspace"]


def __getattr__(name: str) -> Any:
    """Import `open_workspace` when it is asked for, so that `import leeway.stats` stays light."""
    if name == "open_workspace":
        from leeway.workspace import open_workspace

        return open_workspace
    raise AttributeError(f"module 'leeway' has no attribute {name!r}")
