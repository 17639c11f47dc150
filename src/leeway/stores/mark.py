"""Mark: which ledger was used in a workspace, kept beside it, so that a lost or swapped database is noticed."""

from pathlib import Path

from leeway import durable
from leeway.errors import StoreError

FOLDER = ".leeway-ledger"  # outside .leeway, which may be lost with the database in it


def read_mark(workspace: Path) -> str | None:
    """Return the id of the ledger that was used here; None where none was. Raises StoreError."""
    path = workspace / FOLDER / "id"
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); it names the ledger that was used here") from error


def write_mark(workspace: Path, ledger_id: str) -> None:
    """Keep the id of the ledger that is used here from now on; the folder hides itself from git. Raises StoreError."""
    try:
        durable.hide_from_git(workspace / FOLDER)
        durable.write_text(workspace / FOLDER / "id", f"{ledger_id}\n")
    except OSError as error:
        raise StoreError(f"{workspace / FOLDER}: cannot be written ({error.strerror}); mend its permissions") from error
