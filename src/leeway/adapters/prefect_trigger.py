"""Names that the flows of the release before import; they forward until `leeway upgrade` renews the flows."""

import logging

from leeway.adapters.prefect import trigger
from leeway.adapters.prefect.trigger import open_trigger, quiet_prefect

__all__ = ["open_trigger", "quiet_prefect", "server_address"]
log = logging.getLogger("leeway.wiring")


def server_address() -> str:
    """As the flow that deploys the others asks for it."""
    log.warning("leeway.adapters.prefect_trigger was renamed: run `leeway upgrade` to renew this workspace's flows")
    return trigger.server_address()
