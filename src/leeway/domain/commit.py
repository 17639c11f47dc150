"""Commit: what the workspace's git holds of what made a model version."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """The git commit from which a model version can be made again, or as much of it as there is."""

    hash: str  # of HEAD afterwards; empty where there is no commit
    is_new: bool = False
    lacks: str = ""  # what made the version and stands in no commit, in words; empty: nothing
    remarks: tuple[str, ...] = ()  # each a line for people: what is wrong, and what to type

    @property
    def is_whole(self) -> bool:
        return bool(self.hash) and not self.lacks

    @property
    def text(self) -> str:
        """The hash alone, if the commit holds all; else also what it lacks."""
        lacks = f"lacks {self.lacks}" if self.lacks else ""
        return ", ".join(filter(None, [self.hash or "no commit", lacks]))
