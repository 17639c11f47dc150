"""Probe: asks the configured Prefect server whether it answers and what it knows of a deployment, without Prefect."""

import base64
import json
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from leeway.domain.text import without_login
from leeway.errors import WorkspaceError

TIMEOUT_SECONDS = 2.0
BETWEEN_SECONDS = 0.5  # two questions to a server that is being started
ADDRESS, LOGIN, KEY = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a Prefect server knows of a deployment."""

    is_served: bool  # a process asked for its runs within the last minute
    is_paused: bool  # or none of its schedules is active


class PrefectServer:
    """The server that the environment or Prefect's active profile names; `address` is empty where none is named."""

    def __init__(self, environment: Mapping[str, str], *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._settings = {**_profile(environment), **{name: value for name, value in environment.items() if value}}
        self._timeout = timeout_seconds

    @property
    def address(self) -> str:
        return str(self._settings.get(ADDRESS) or "").rstrip("/")

    def version(self) -> str:
        """Return the version of the server. Raises WorkspaceError if it does not answer in time."""
        return str(self._ask("/admin/version"))

    def wait(self, *, seconds: float) -> None:
        """Return once the server answers, which takes a while after its start. Raises WorkspaceError after so long."""
        until = time.monotonic() + seconds
        while True:
            try:
                self.version()
                return
            except WorkspaceError:
                if time.monotonic() > until:
                    raise
            time.sleep(BETWEEN_SECONDS)

    def deployment(self, name: str) -> Deployment | None:
        """Return what it knows of `FLOW/DEPLOYMENT`, or None if it knows none of that name. Raises WorkspaceError."""
        try:
            found = self._ask(f"/deployments/name/{name}")
        except WorkspaceError as error:
            if isinstance(error.__cause__, HTTPError) and error.__cause__.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        is_active = any(schedule.get("active") for schedule in found.get("schedules") or [])
        return Deployment(
            is_served=found.get("status") == "READY", is_paused=bool(found.get("paused")) or not is_active
        )

    def _ask(self, path: str) -> Any:
        try:
            request = Request(f"{self.address}{path}", headers=self._login())
            with urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except (OSError, ValueError, HTTPException) as error:  # no connection, 404, an address or an answer of no kind
            raise WorkspaceError(f"{without_login(self.address)}: {without_login(str(error))}") from error

    def _login(self) -> dict[str, str]:
        if login := self._settings.get(LOGIN):
            return {"Authorization": f"Basic {base64.b64encode(str(login).encode()).decode()}"}
        return {"Authorization": f"Bearer {self._settings[KEY]}"} if self._settings.get(KEY) else {}


def _profile(environment: Mapping[str, str]) -> dict[str, Any]:
    """Settings of Prefect's active profile; none where there is no file of profiles. Raises WorkspaceError."""
    home = environment.get("PREFECT_HOME") or "~/.prefect"
    path = Path(environment.get("PREFECT_PROFILES_PATH") or f"{home}/profiles.toml").expanduser()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WorkspaceError(f"{path}: Prefect's profiles cannot be read ({error})") from error
    active = environment.get("PREFECT_PROFILE") or content.get("active")
    return dict(content.get("profiles", {}).get(active, {}))
