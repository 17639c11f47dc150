"""Lineage: the dataset version that somebody means, by its digest, or by the run or model version trained on it."""

from leeway.adapters.dvc.dataset_versions import DatasetVersion, current_version, find_version
from leeway.errors import ParamsError, RegistryError
from leeway.workspace import Workspace


def dataset_version(
    workspace: Workspace, *, version: str | None = None, run: str | None = None, model: int | None = None
) -> DatasetVersion:
    """At most one of: the beginning of a digest, of an MLflow run's id, or a version of the workspace's model.

    Without any: what `dvc repro` made last. Raises LeewayError, which lists the known ones.
    """
    if sum(one is not None for one in (version, run, model)) > 1:
        raise ParamsError("--version, --run and --model each name a dataset version: give one of them")
    if run is not None:
        from leeway.adapters.mlflow.lineage import dataset_of_run

        return find_version(workspace.folder, dataset_of_run(run, uri=workspace.settings.mlflow_uri))
    if model is not None:
        version = workspace.registry.tags(workspace.model, model).get("dataset_digest")
        if version is None:
            raise RegistryError(f"version {model} of '{workspace.model}' does not say which dataset it was trained on")
    return current_version(workspace.folder) if version is None else find_version(workspace.folder, version)
