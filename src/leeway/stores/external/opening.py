"""Opens the log of a watched model where it lies."""

from pathlib import Path

from leeway.domain.stores import Ledger
from leeway.stores.external.address import FILES, S3, parse_address
from leeway.stores.external.asking import Keeper
from leeway.stores.external.files import Files
from leeway.stores.external.log import ExternalLog
from leeway.stores.external.moments import SeenMoments
from leeway.stores.external.source import LogSource
from leeway.stores.external.table import Table


def open_log(model: str, source: LogSource, ledger: Ledger, *, folder: Path, writing: bool = False) -> ExternalLog:
    """Return the log at an address; relative paths start at the workspace `folder`. It is asked nothing yet.

    `writing`: whether what is seen of its files may be remembered in the workspace.
    """
    address = parse_address(source.address, folder)
    memory = folder / ".leeway" / "external" / f"{model}.json"
    keeper: Keeper
    if address.kind in (FILES, S3):
        keeper = Files(address, source.columns, memory=memory, writing=writing)
        moments = None
    else:
        keeper = Table(address)
        moments = SeenMoments(memory, of=f"{source.address} {source.columns} {source.since}", writing=writing)
    return ExternalLog(
        model, source, keeper, secret=ledger.secret, versions=lambda: ledger.versions(model), moments=moments
    )
