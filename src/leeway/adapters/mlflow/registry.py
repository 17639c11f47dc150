"""The registry: bundles as MLflow model versions, and the aliases that say which one is in production."""

import importlib.metadata
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leeway import durable
from leeway.adapters.mlflow.connection import BUNDLE_TAG, Connection, absence, connect
from leeway.bundle.contents import Contents, bundle_digest, verify_bundle
from leeway.domain.ports import Registry
from leeway.errors import RegistryError

ALIASES = ("champion", "challenger", "previous")
SERVING_PACKAGES = ("mlflow", "numpy", "onnxruntime")  # what served_model.py imports
SERVED_MODEL = Path(__file__).with_name("served_model.py")


def open_registry(uri: str | None = None) -> Registry:
    """The registry at `uri`, LEEWAY_MLFLOW_URI, or the workspace's own. Raises RegistryError if there is none."""
    if reason := absence(uri):
        raise RegistryError(f"{reason}, but releasing and serving need a model registry")
    return MlflowRegistry(connect(uri))


class MlflowRegistry:
    """Model versions that carry their whole bundle. One alias moves per call; MLflow has no larger transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = connection.client

    def register(self, bundle: Path, *, model: str, tags: Mapping[str, str]) -> int:
        """The version of this bundle, which is checked first; a known bundle digest gives its existing version.

        Of two processes that register the same bundle at once both get the lower version.
        """
        contents, digest = verify_bundle(bundle), bundle_digest(bundle)
        with self._connection.errors_told():
            if not self._versions_of(model, digest):
                own = {BUNDLE_TAG: digest, "dataset_digest": contents.dataset_digest}
                self._create(bundle, contents, model=model, tags={**tags, **own})
            return self._versions_of(model, digest)[0]

    def versions(self, model: str) -> list[int]:
        """In ascending order; empty for a model that was never registered."""
        with self._connection.errors_told():
            return sorted(int(found.version) for found in self._client.search_model_versions(f"name='{model}'"))

    def aliases(self, model: str) -> dict[str, int]:
        """Empty for a model that was never registered."""
        if not self.versions(model):
            return {}
        with self._connection.errors_told():
            return {alias: int(at) for alias, at in self._client.get_registered_model(model).aliases.items()}

    def set_alias(self, model: str, alias: str, version: int) -> None:
        if alias not in ALIASES:
            raise RegistryError(f"alias '{alias}' is not one of ours: {', '.join(ALIASES)}")
        self._version(model, version)
        with self._connection.errors_told():
            self._client.set_registered_model_alias(model, alias, str(version))
        if (found := self.aliases(model).get(alias)) != version:
            raise RegistryError(
                f"alias '{alias}' of '{model}' was set to version {version} but reads back as {found}; "
                "someone else moved it, or the registry lost it: look at `leeway status` and repeat"
            )

    def drop_alias(self, model: str, alias: str) -> None:
        """Nothing happens if it is not set."""
        if alias not in self.aliases(model):
            return
        with self._connection.errors_told():
            self._client.delete_registered_model_alias(model, alias)
        if alias in self.aliases(model):
            raise RegistryError(f"alias '{alias}' of '{model}' was dropped but is still there; repeat")

    def describe(self, model: str, version: int, *, text: str, tags: Mapping[str, str]) -> None:
        """Replaces the description; adds the tags, or gives them new values."""
        self._version(model, version)
        with self._connection.errors_told():
            self._client.update_model_version(model, str(version), description=text)
        self.tag(model, version, tags)

    def tag(self, model: str, version: int, tags: Mapping[str, str]) -> None:
        """Adds the tags, or gives them new values."""
        with self._connection.errors_told():
            for name, value in tags.items():
                self._client.set_model_version_tag(model, str(version), name, value)

    def tags(self, model: str, version: int) -> dict[str, str]:
        return dict(self._version(model, version).tags)

    def fetch(self, model: str, version: int, folder: Path) -> Path:
        """The version's bundle in `folder`, bit by bit as it was registered; whatever bundle was there is replaced.

        Raises RegistryError if `folder` holds something else, BundleError if what came is damaged.
        """
        wanted = self.tags(model, version).get(BUNDLE_TAG)
        if (folder / "bundle.json").exists() and bundle_digest(folder) == wanted:
            verify_bundle(folder)
            return folder
        _refuse_foreign(folder)
        durable.make_folder(folder.parent)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            fetched = self._download(model, version, Path(scratch))
            verify_bundle(fetched)
            if (found := bundle_digest(fetched)) != wanted:
                raise RegistryError(f"version {version} of '{model}' holds bundle {found[:12]}, its tag says {wanted}")
            durable.replace_folder(fetched, folder)
        return folder

    def _download(self, model: str, version: int, folder: Path) -> Path:
        import mlflow

        with self._connection.errors_told():
            self._point_mlflow_here()
            mlflow.artifacts.download_artifacts(f"models:/{model}/{version}", dst_path=str(folder))
        return folder / "artifacts" / "bundle"

    def _version(self, model: str, version: int) -> Any:
        known = self.versions(model)
        if version not in known:
            listed = ", ".join(map(str, known)) or "none; `leeway release` registers the first"
            raise RegistryError(f"'{model}' has no version {version}; its versions: {listed}")
        with self._connection.errors_told():
            return self._client.get_model_version(model, str(version))

    def _versions_of(self, model: str, digest: str) -> list[int]:
        found = self._client.search_model_versions(f"name='{model}' and tags.{BUNDLE_TAG} = '{digest}'")
        return sorted(int(one.version) for one in found)

    def _point_mlflow_here(self) -> None:
        """MLflow looks logged models up at its global address, whatever address a client or a call names."""
        import mlflow

        mlflow.set_tracking_uri(self._connection.address)
        mlflow.set_registry_uri(self._connection.address)

    def _create(self, bundle: Path, contents: Contents, *, model: str, tags: Mapping[str, str]) -> None:
        """A logged model with the bundle inside, and the version that points to it, tags included, in one call."""
        self._point_mlflow_here()
        run = self._connection.run_of_bundle(tags[BUNDLE_TAG])
        logged = self._client.create_logged_model(
            self._connection.experiment(), name=model, source_run_id=run, tags={BUNDLE_TAG: tags[BUNDLE_TAG]}
        )
        with tempfile.TemporaryDirectory() as scratch:
            _save_served_model(bundle, contents, Path(scratch), model_id=logged.model_id)
            self._client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
        self._client.finalize_logged_model(logged.model_id, "READY")
        self._create_model(model)
        self._client.create_model_version(
            model, source=logged.model_uri, run_id=run, model_id=logged.model_id, tags=dict(tags)
        )

    def _create_model(self, model: str) -> None:
        """Nothing happens if it is there, perhaps since this moment, by another process."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _save_served_model(bundle: Path, contents: Contents, scratch: Path, *, model_id: str) -> None:
    """scratch/model: what `mlflow models serve` runs, with the whole bundle under artifacts/bundle."""
    import numpy as np

    shutil.copytree(bundle, scratch / "bundle")  # MLflow keeps the folder's name, and ours may have any
    with warnings.catch_warnings():
        # MLflow would like type hints and an input example; the signature says all that they would
        warnings.simplefilter("ignore", UserWarning)
        from mlflow.models import Model, ModelSignature
        from mlflow.pyfunc import save_model
        from mlflow.types import Schema, TensorSpec

        rule = contents.resize
        pixels = TensorSpec(np.dtype("uint8"), (-1, rule.height, rule.width, rule.channels))
        save_model(
            scratch / "model",
            python_model=str(SERVED_MODEL),
            artifacts={"bundle": str(scratch / "bundle")},
            signature=ModelSignature(inputs=Schema([pixels])),
            # without this list MLflow spends 15 seconds on guessing it
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in SERVING_PACKAGES],
            mlflow_model=Model(model_id=model_id),
        )


def _refuse_foreign(folder: Path) -> None:
    """An existing folder is replaced only if it is empty (dot files aside) or a bundle."""
    if not folder.exists() or (folder / "bundle.json").exists():
        return
    if not folder.is_dir() or any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise RegistryError(f"{folder}: is not a bundle, so it is not replaced; name an empty or new folder")
