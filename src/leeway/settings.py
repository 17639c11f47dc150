"""Addresses and secrets, from LEEWAY_* variables; every default is a file in the workspace."""

import os
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from leeway.errors import ParamsError, WorkspaceError


class Settings(BaseSettings):
    """One field per LEEWAY_ variable (LEEWAY_DATABASE_URL, ...). Relative paths start at the workspace: `resolved`."""

    model_config = SettingsConfigDict(env_prefix="LEEWAY_", frozen=True)

    workspace: Path = Path()
    model: str = "classifier"  # name of the registered model
    database_url: str = ""  # default: SQLite in .leeway/leeway.db
    ledger_secret: str = ""  # of a new ledger: decides which predictions are drawn; default: a random one
    mlflow_uri: str = ""  # default: SQLite in .leeway/mlflow.db
    images: Path = Path(".leeway/images")  # production images, by content hash
    alert_urls: str = ""  # Apprise addresses, separated by spaces; none: alerts are printed

    def resolved(self) -> "Settings":
        """With the defaults spelled out and paths absolute. Raises WorkspaceError outside a workspace."""
        root = self.workspace.resolve()
        if not (root / "params.yaml").is_file() and not (root / "monitoring" / "policy.yaml").is_file():
            raise WorkspaceError(
                f"{root} is no workspace: it has no params.yaml; change to the folder of yours, "
                "or make one: `leeway init DIR`, or "
                "`leeway watch init NAME --reference FILE` for one that only watches"
            )
        state = root / ".leeway"
        return self.model_copy(
            update={
                "workspace": root,
                "database_url": _absolute(self.database_url, root) or f"sqlite:///{state / 'leeway.db'}",
                "mlflow_uri": _absolute(self.mlflow_uri, root) or f"sqlite:///{state / 'mlflow.db'}",
                "images": root / self.images,
            }
        )

    @property
    def policy_path(self) -> Path:
        return self.workspace / "monitoring" / "policy.yaml"

    @property
    def watched(self) -> Path:
        """A policy for each model that is known from files."""
        return self.workspace / "monitoring" / "watched"


def _absolute(address: str, root: Path) -> str:
    """The address with an SQLite file's relative path, behind three slashes, under `root`; any other as it is.

    No part is decoded or encoded: SQLAlchemy takes a `%` in the path as it stands.
    """
    scheme, mark, rest = address.partition(":///")
    path, question, query = rest.partition("?")
    if not mark or scheme.partition("+")[0] != "sqlite" or path in ("", ":memory:") or path.startswith("file:"):
        return address
    return f"{scheme}:///{root / path}{question}{query}"


def read_settings() -> Settings:
    """Settings of the workspace in the current folder. Raises ParamsError, WorkspaceError."""
    try:
        return Settings().resolved()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"LEEWAY_{str(first['loc'][0]).upper()}"
        raise ParamsError(f"environment: {name}: {first['msg']}, got {os.environ.get(name)!r}") from None
