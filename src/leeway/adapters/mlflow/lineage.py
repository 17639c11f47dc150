"""The lineage of a run: which dataset version an MLflow run was trained on."""

from typing import TYPE_CHECKING

from leeway.adapters.mlflow.connection import absence, connect
from leeway.errors import RegistryError

if TYPE_CHECKING:
    from mlflow.entities import Run

SHOWN = 10  # runs in an error
LOOKED_THROUGH = 10_000  # newest runs
TAG = "dataset_digest"  # the stage `train` sets it


def dataset_of_run(run: str, *, uri: str | None = None) -> str:
    """Digest of the dataset that the run was trained on; a run is named by the beginning of its id.

    Raises RegistryError, which lists the known runs.
    """
    if reason := absence(uri):
        raise RegistryError(f"{reason}, so no run can be looked up; name the dataset instead: --version DIGEST")
    connection = connect(uri)
    with connection.errors_told():
        runs = list(
            connection.client.search_runs(
                [connection.experiment()], max_results=LOOKED_THROUGH, order_by=["attributes.start_time DESC"]
            )
        )
    found = [one for one in runs if one.info.run_id.startswith(run.lower()) and TAG in one.data.tags]
    if len(found) == 1:
        return str(found[0].data.tags[TAG])
    told = f"{len(found)} runs begin with '{run}'" if found else f"no training run '{run}' is known"
    listed = "".join(f"\n  {_line(one)}" for one in [one for one in runs if TAG in one.data.tags][:SHOWN])
    raise RegistryError(f"{told}; the newest training runs:{listed or ' none'}")


def _line(run: "Run") -> str:
    bundle = run.data.tags.get("bundle_digest", "no bundle")[:12]
    return f"{run.info.run_id[:12]}  {run.info.run_name}, dataset {run.data.tags[TAG][:12]}, bundle {bundle}"
