"""Versions of one model: in the registry, in the store, and as bundles on this machine."""

from dataclasses import dataclass
from pathlib import Path

from leeway.bundle.contents import read_contents, verify_bundle
from leeway.domain.ports import Registry
from leeway.domain.records import ModelVersion
from leeway.domain.stores import Store
from leeway.errors import RegistryError

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


@dataclass(frozen=True, slots=True)
class Versions:
    """Where the versions of a model are looked up. Only `register` writes."""

    model: str
    registry: Registry
    store: Store
    bundles: Path  # folder for local copies

    def bundle(self, version: int) -> Path:
        """Return the version's bundle as a local folder."""
        return self.registry.fetch(self.model, version, self.bundles / f"{self.model}-{version}")

    def find(self, version: int) -> ModelVersion:
        """Return a version of the registry, also one that was registered elsewhere. Raises RegistryError if unknown."""
        digest = self.registry.tags(self.model, version)["bundle_digest"]
        known = self.store.model_version(self.model, version)
        if known is not None:
            return known
        contents = read_contents(self.bundle(version))
        return ModelVersion(self.model, version, digest, contents.dataset_digest, contents.reference)

    def find_champion(self) -> ModelVersion | None:
        """Return the version in production, as the registry has it: also one that a person made champion in MLflow."""
        version = self.registry.aliases(self.model).get(CHAMPION)
        return None if version is None else self.find(version)

    def champion(self) -> ModelVersion:
        """Return the version in production. Raises RegistryError, which says how to get one, if there is none yet."""
        found = self.find_champion()
        if found is None:
            raise RegistryError(
                f"'{self.model}' has no champion yet: `dvc repro` makes a bundle, `leeway release` registers and "
                "judges it, and `leeway promote VERSION` puts it into production"
            )
        return found

    def register(self, bundle: Path, *, reason: str) -> ModelVersion:
        """Register the bundle, as challenger unless it is in production. A known bundle keeps its version."""
        contents = verify_bundle(bundle)
        version = self.registry.register(bundle, model=self.model, tags={"reason": reason, "gate": "not judged"})
        if self.registry.aliases(self.model).get(CHAMPION) != version:
            self.registry.set_alias(self.model, CHALLENGER, version)
        found = ModelVersion(
            model=self.model,
            version=version,
            bundle_digest=self.registry.tags(self.model, version)["bundle_digest"],
            dataset_digest=contents.dataset_digest,
            reference=contents.reference,
        )
        self.store.record_model(found)
        return found
