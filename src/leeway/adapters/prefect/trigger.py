"""Hands a retraining request to Prefect, where a server is configured."""

import os
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from typing import Any

from leeway.domain.records import Decision
from leeway.errors import WorkspaceError

DEPLOYMENT = "training/training"  # flows/deploy.py serves it
SETTINGS = {
    "DO_NOT_TRACK": "true",  # MLflow takes no other word for yes
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the default of 20 is too short on a busy machine
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",  # a temporary server that stops prints a traceback of no consequence
}


def quiet_prefect() -> None:
    """Sets what Prefect reads from the environment when it is imported; what is set already stays."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def server_address() -> str:
    """Address of the configured Prefect server, from the environment or Prefect's profile; empty if there is none."""
    quiet_prefect()
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value() or "")


def open_trigger() -> "PrefectTrigger | None":
    """None where no server is configured: whoever asks for a retraining then runs it directly afterwards."""
    if not os.environ.get("PREFECT_API_URL") and not _has_profile():
        return None
    address = server_address()
    return PrefectTrigger(address) if address else None


def _has_profile() -> bool:
    """Whether a profile may name a server; looked at first, since importing Prefect takes seconds."""
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    return (home / "profiles.toml").exists()


def free_key(key: str, has_ended: Callable[[str], bool]) -> str:
    """Return the first of KEY, KEY#2, KEY#3, ... whose run has not ended, or that has no run yet."""
    tried = chain([key], (f"{key}#{number}" for number in count(2)))
    return next(one for one in tried if not has_ended(one))


def _has_ended(key: str) -> bool:
    """Whether Prefect has a run of this key that does nothing any more."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterIdempotencyKey

    of_key = FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=of_key)
    return any(run.state is not None and run.state.is_final() for run in runs)


class PrefectTrigger:
    """`leeway.domain.ports.RetrainTrigger`: a run of the training deployment for each decision, one at a time."""

    def __init__(self, address: str) -> None:
        self._address = address

    def request(self, decision: Decision) -> str:
        """The run's name. The decision's key makes it unique: asking again gives the run that is there.

        Prefect never frees a key. A run that ended (was cancelled, crashed or failed) and left the decision open is
        followed by another, under the next key: KEY, KEY#2, KEY#3.
        Raises WorkspaceError if Prefect does not take it; the decision stays open, and the next night asks again.
        """
        quiet_prefect()
        from prefect.deployments import run_deployment
        from prefect.exceptions import ObjectNotFound

        try:
            run: Any = run_deployment(
                DEPLOYMENT,
                parameters={"request": decision.key},
                timeout=0,
                as_subflow=False,
                idempotency_key=free_key(decision.key, _has_ended),
            )
        except ObjectNotFound:
            raise WorkspaceError(
                f"Prefect at {self._address} has no deployment '{DEPLOYMENT}': start `python flows/deploy.py`; "
                f"{decision.key} stays open until then, or until `leeway retrain`"
            ) from None
        except Exception as error:  # Prefect lets its HTTP client's many errors through
            raise WorkspaceError(
                f"Prefect at {self._address} did not take the retraining of {decision.key} "
                f"({type(error).__name__}: {error}); it stays open: the next night asks again, or run `leeway retrain`"
            ) from error
        return f"Prefect run '{run.name}'"
