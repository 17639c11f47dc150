"""Hides what is made for people from git: pages and lists hold customers' photos."""

from leeway import durable
from leeway.workspace import Workspace


def hide_reports(workspace: Workspace) -> None:
    """Have git ignore reports/ but for the metrics, also in a folder that `leeway init` did not make."""
    durable.hide_from_git(workspace.reports, but="metrics.json")
