"""Names that the flows of the release before import; they forward until `leeway upgrade` renews the flows."""

from leeway.adapters.prefect.trigger import open_trigger, quiet_prefect, server_address

__all__ = ["open_trigger", "quiet_prefect", "server_address"]
