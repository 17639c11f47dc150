"""Versions of one model: in the registry, in the ledger, and as bundles on this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from leeway.bundle.contents import bundle_digest, read_contents, verify_bundle
from leeway.domain.commit import Commit
from leeway.domain.ports import Registry
from leeway.domain.records import Cause, ModelVersion
from leeway.domain.stores import Ledger

CAUSE_TAG = "cause"
COMMIT_TAG = "git_commit"  # the hash alone, or with what the commit lacks
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


@dataclass(frozen=True, slots=True)
class Versions:
    """Where the versions of a model are looked up. Only `register` writes."""

    model: str
    connect: Callable[[], Registry]  # asked only where the ledger and the copies here do not suffice
    ledger: Ledger
    bundles: Path  # folder for local copies

    @property
    def registry(self) -> Registry:
        return self.connect()

    def bundle(self, version: int) -> Path:
        """Return the version's bundle as a local folder: the copy that lies here, or one from the registry."""
        folder, known = self.bundles / f"{self.model}-{version}", self.known(version)
        if known is not None and (folder / "bundle.json").exists() and bundle_digest(folder) == known.bundle_digest:
            verify_bundle(folder)
            return folder
        return self.registry.fetch(self.model, version, folder)

    def known(self, version: int) -> ModelVersion | None:
        """Return the version as the ledger has it; None if it was never recorded."""
        return next((one for one in self.ledger.versions(self.model) if one.version == version), None)

    def find(self, version: int) -> ModelVersion:
        """Return a version of the registry, also one that was registered elsewhere. Raises RegistryError if unknown."""
        digest = self.registry.tags(self.model, version)["bundle_digest"]
        known = self.known(version)
        if known is not None:
            return known
        contents = read_contents(self.bundle(version))
        return ModelVersion(self.model, version, digest, contents.dataset_digest, contents.reference)

    def cause(self, version: int) -> str:
        """Return why the version was made, as fixed when it was registered; accuracy where no tag says it."""
        return self.registry.tags(self.model, version).get(CAUSE_TAG) or Cause.ACCURACY

    def named_champion(self) -> ModelVersion | None:
        """Return the version that bears the registry's alias: also one that a person made champion in MLflow."""
        version = self.registry.aliases(self.model).get(CHAMPION)
        return None if version is None else self.find(version)

    def register(
        self, bundle: Path, *, reason: str, cause: str = Cause.ACCURACY, commit: Commit | None = None
    ) -> ModelVersion:
        """Register the bundle, as challenger unless it is in production. A known bundle keeps its version and cause.

        By its cause the gate asks for a gain or not; accuracy, the stricter rule, where nobody says another. The
        commit that it was made from stands on the version; of a known bundle the first one that lacks nothing.
        """
        contents = verify_bundle(bundle)
        source = {} if commit is None else {COMMIT_TAG: commit.text}
        tags = {"reason": reason, CAUSE_TAG: str(cause), "gate": "not judged", **source}
        version = self.registry.register(bundle, model=self.model, tags=tags)
        known = self.registry.tags(self.model, version).get(COMMIT_TAG)
        if commit is not None and commit.is_whole and (known is None or " " in known):
            self.registry.tag(self.model, version, source)
        if self.registry.aliases(self.model).get(CHAMPION) != version:
            self.registry.set_alias(self.model, CHALLENGER, version)
        found = ModelVersion(
            model=self.model,
            version=version,
            bundle_digest=self.registry.tags(self.model, version)["bundle_digest"],
            dataset_digest=contents.dataset_digest,
            reference=contents.reference,
        )
        self.ledger.record_model(found)
        return found
