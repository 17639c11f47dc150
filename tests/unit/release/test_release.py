"""Releases: nothing is promoted without the gate, and at no moment is there no champion."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leeway.domain.records import ModelVersion, Verdict
from leeway.epoch import begin
from leeway.errors import RegistryError
from leeway.release import release
from leeway.release.versions import Versions
from leeway.stores.sql import SqlStore
from memory_ports import MemoryRegistry
from production import POLICY, epoch_of, label_all, live_morning, morning, send
from tiny_bundle import write_tiny_bundle

PASSED = Verdict(True, "passed", ("12 became right",), {"recent": {"gained": 12, "mcnemar_p": np.float64(0.001)}})
FAILED = Verdict(False, "failed", ("no gain shown",), {"recent": {"gained": 0, "mcnemar_p": float("nan")}})
REVIEW = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"mode": "review"})})


@pytest.fixture
def registry(tmp_path: Path) -> MemoryRegistry:
    return MemoryRegistry(tmp_path / "registry")


def versions(registry: MemoryRegistry, store: SqlStore, model: str = "tiny") -> Versions:
    return Versions(model, registry, store, registry.folder / "bundles")


def registered(registry: MemoryRegistry, store: SqlStore, folder: Path, *, temperature: float) -> ModelVersion:
    write_tiny_bundle(folder, temperature=temperature)
    return versions(registry, store).register(folder, reason="test")


def against(champion: ModelVersion | None, verdict: Verdict = PASSED) -> Verdict:
    return replace(verdict, against=champion.version if champion else None)


@pytest.fixture
def champion(registry: MemoryRegistry, store: SqlStore, tmp_path: Path) -> ModelVersion:
    first = registered(registry, store, tmp_path / "first", temperature=0.05)
    release.release(epoch_of(store, 1, version=first), PASSED, registry)
    return first


def test_a_first_version_that_passes_becomes_the_champion(champion: ModelVersion, registry: MemoryRegistry) -> None:
    assert registry.aliases("tiny") == {"champion": 1}


def test_a_better_challenger_becomes_champion_and_the_old_one_previous(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    assert registry.aliases("tiny") == {"champion": 1, "challenger": 2}
    made = release.release(epoch_of(store, 2, version=second), against(champion, PASSED), registry)
    assert made.outcome == release.PROMOTED
    assert registry.aliases("tiny") == {"champion": 2, "previous": 1}
    assert [one.outcome for one in store.releases("tiny")] == ["promoted", "promoted"]


@pytest.mark.parametrize("outcome", ["failed", "cannot tell"])
def test_without_a_passed_gate_nothing_is_promoted_not_even_by_a_person(
    outcome: str, champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    verdict = Verdict(False, outcome, ("no gain shown",), {})
    candidate = epoch_of(store, 2, version=second)
    made = release.release(candidate, against(champion, verdict), registry, approved_by="a person")
    assert made.outcome == release.REFUSED
    assert registry.aliases("tiny")["champion"] == 1


def test_under_review_a_challenger_waits_for_a_person(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    first, later = (epoch_of(store, number, version=second, policy=REVIEW) for number in (2, 3))
    assert release.release(first, against(champion), registry).outcome == release.FOR_REVIEW
    assert registry.aliases("tiny")["champion"] == 1
    assert registry.tags("tiny", 2)["review"] == "pending"
    made = release.release(later, against(champion), registry, approved_by="Ada")
    assert made.outcome == release.PROMOTED
    assert registry.tags("tiny", 2)["review"] == "approved by Ada"


def test_every_number_of_the_verdict_stands_on_the_version(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    release.release(epoch_of(store, 2, version=second), against(champion, FAILED), registry)
    tags = registry.tags("tiny", 2)
    assert tags["gate"] == "failed"
    assert tags["gate_against"] == "1"
    assert json.loads(tags["gate_recent"]) == {"gained": 0, "mcnemar_p": None}
    assert "no gain shown" in registry.text(2)


def test_there_is_a_champion_at_every_moment_of_a_promotion(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    registry.moved.clear()
    release.release(epoch_of(store, 2, version=second), against(champion, PASSED), registry)
    assert registry.moved == [("previous", 1), ("champion", 2), ("challenger", None)]


def test_a_bundle_that_serves_already_is_left_alone(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    again = registered(registry, store, tmp_path / "first", temperature=0.05)
    serving = versions(registry, store).champion()
    made = release.release(epoch_of(store, 2, version=again), against(serving, FAILED), registry)
    assert made.outcome == release.UNCHANGED
    assert registry.tags("tiny", 1)["gate"] == "passed"
    assert len(store.releases("tiny")) == 1


def test_rollback_brings_the_previous_version_back_with_a_new_epoch(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    release.release(epoch_of(store, 2, version=second), against(champion, PASSED), registry)
    serving = versions(registry, store).champion()
    made = release.rollback(epoch_of(store, 5, version=serving), versions(registry, store))
    assert (made.version, made.previous, made.outcome) == (1, 2, "rolled back")
    assert registry.aliases("tiny") == {"champion": 1}
    assert versions(registry, store).champion().serving_since == morning(5)


def test_rollback_without_a_previous_version_moves_nothing(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore
) -> None:
    serving = versions(registry, store).champion()
    with pytest.raises(RegistryError, match="no previous version"):
        release.rollback(epoch_of(store, 5, version=serving), versions(registry, store))
    assert registry.aliases("tiny") == {"champion": 1}


def test_a_champion_that_a_person_set_in_the_registry_is_followed(
    registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "foreign")
    registry.register(tmp_path / "foreign", model="tiny", tags={})
    assert versions(registry, store).find_champion() is None
    registry.set_alias("tiny", "champion", 1)
    found = versions(registry, store).champion()
    assert (found.version, found.serving_since) == (1, None)
    assert store.model_version("tiny", 1) is None, "a reader writes nothing"
    begun = begin(epoch_of(store, 9, version=found))
    assert begun.version.serving_since == morning(9)
    assert store.model_version("tiny", 1) == begun.version == versions(registry, store).champion()


def test_a_champion_of_the_registry_alone_that_is_replaced_can_be_rolled_back_to(
    registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "foreign")
    registry.register(tmp_path / "foreign", model="tiny", tags={})
    registry.set_alias("tiny", "champion", 1)
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    before = begin(epoch_of(store, 2, version=versions(registry, store).champion()))
    release.release(epoch_of(store, 2, version=second), against(before.version), registry)
    serving = versions(registry, store).champion()
    made = release.rollback(epoch_of(store, 5, version=serving), versions(registry, store))
    assert (made.version, made.previous) == (1, 2)


def test_without_a_champion_the_message_says_how_to_get_one(registry: MemoryRegistry, store: SqlStore) -> None:
    with pytest.raises(RegistryError, match=r"no champion yet.*leeway release"):
        versions(registry, store).champion()


def test_nobody_is_asked_any_more_about_a_version_that_was_replaced(
    registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    from production import VERSION, known

    send(store, 1)
    live_morning(store, 1)
    assert store.label_queue("colours")
    new = known(VERSION, 2)
    registry.register(_bundle(tmp_path / "a", 0.05), model="colours", tags={})
    registry.register(_bundle(tmp_path / "b", 0.1), model="colours", tags={})
    store.record_model(new)
    release.release(epoch_of(store, 1, version=new), against(VERSION), registry)
    assert label_all(store, 1) == 0


def _bundle(folder: Path, temperature: float) -> Path:
    write_tiny_bundle(folder, temperature=temperature)
    return folder


def test_numbers_of_a_thousand_classes_still_fit_a_tag(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    per_class = {f"class {k}": {"images": 10, "loss": k / 1000} for k in range(1000)}
    verdict = Verdict(False, "failed", ("class 999 loses",), {"per_class": per_class})
    release.release(epoch_of(store, 2, version=second), against(champion, verdict), registry)
    kept = registry.tags("tiny", 2)["gate_per_class"]
    assert len(kept) <= 5000
    assert "class 999" in json.loads(kept)
