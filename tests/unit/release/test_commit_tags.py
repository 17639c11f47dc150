"""A registered version says from which git commit it can be made again, and what that commit lacks."""

from pathlib import Path

import pytest

from leeway.domain.commit import Commit
from leeway.release.versions import COMMIT_TAG, Versions
from leeway.stores.opening import Stores
from memory_ports import MemoryRegistry
from tiny_bundle import write_tiny_bundle

WHOLE, LATER = Commit("a" * 40, is_new=True), Commit("b" * 40)
PARTLY = Commit("c" * 40, lacks="src/leeway/epoch.py")


@pytest.fixture
def versions(tmp_path: Path, stores: Stores) -> Versions:
    registry = MemoryRegistry(tmp_path / "registry")
    return Versions("tiny", lambda: registry, stores.ledger, tmp_path / "bundles")


def tag(versions: Versions) -> str | None:
    return versions.registry.tags("tiny", 1).get(COMMIT_TAG)


@pytest.mark.parametrize(
    ("commit", "said"),
    [
        (WHOLE, "a" * 40),
        (PARTLY, f"{'c' * 40}, lacks src/leeway/epoch.py"),
        (Commit("", lacks="what made it"), "no commit, lacks what made it"),
        (None, None),
    ],
)
def test_the_tag_is_the_hash_or_says_what_is_in_no_commit(
    commit: Commit | None, said: str | None, versions: Versions, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    versions.register(tmp_path / "bundle", reason="test", commit=commit)
    assert tag(versions) == said


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (PARTLY, WHOLE, WHOLE),
        (None, WHOLE, WHOLE),
        (WHOLE, LATER, WHOLE),
        (WHOLE, PARTLY, WHOLE),
        (PARTLY, Commit("d" * 40, lacks="params.yaml"), PARTLY),
    ],
)
def test_of_a_known_bundle_the_first_commit_that_lacks_nothing_stays(
    first: Commit | None, second: Commit, kept: Commit, versions: Versions, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "bundle")
    for commit in (first, second):
        assert versions.register(tmp_path / "bundle", reason="test", commit=commit).version == 1
    assert tag(versions) == kept.text
