"""Releases: nothing is promoted without the gate, and at no moment is there no champion."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leeway.domain.records import ModelVersion, Verdict
from leeway.errors import RegistryError
from leeway.release import release
from leeway.release.retrain import request
from leeway.release.versions import Versions
from leeway.stores.opening import Stores
from memory_ports import MemoryRegistry
from production import POLICY, epoch_of, label_all, live_morning, morning, send
from tiny_bundle import write_tiny_bundle

PASSED = Verdict(True, "passed", ("12 became right",), {"recent": {"gained": 12, "mcnemar_p": np.float64(0.001)}})
FAILED = Verdict(False, "failed", ("no gain shown",), {"recent": {"gained": 0, "mcnemar_p": float("nan")}})
REVIEW = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"mode": "review"})})


@pytest.fixture
def registry(tmp_path: Path) -> MemoryRegistry:
    return MemoryRegistry(tmp_path / "registry")


def versions(registry: MemoryRegistry, stores: Stores, model: str = "tiny") -> Versions:
    return Versions(model, lambda: registry, stores.ledger, registry.folder / "bundles")


def registered(registry: MemoryRegistry, stores: Stores, folder: Path, *, temperature: float) -> ModelVersion:
    write_tiny_bundle(folder, temperature=temperature)
    return versions(registry, stores).register(folder, reason="test")


def serving_version(registry: MemoryRegistry, stores: Stores) -> ModelVersion:
    """The version that the registry's alias names, which the ledger says serves."""
    found = versions(registry, stores).named_champion()
    assert found is not None
    assert found.version == stores.ledger.serving_periods("tiny")[-1].version
    return found


def against(champion: ModelVersion | None, verdict: Verdict = PASSED) -> Verdict:
    return replace(verdict, against=champion.version if champion else None)


@pytest.fixture
def champion(registry: MemoryRegistry, stores: Stores, tmp_path: Path) -> ModelVersion:
    first = registered(registry, stores, tmp_path / "first", temperature=0.05)
    release.release(epoch_of(stores, 1, version=first), PASSED, registry)
    return first


def test_a_first_version_that_passes_becomes_the_champion(champion: ModelVersion, registry: MemoryRegistry) -> None:
    assert registry.aliases("tiny") == {"champion": 1}


def test_a_better_challenger_becomes_champion_and_the_old_one_previous(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    assert registry.aliases("tiny") == {"champion": 1, "challenger": 2}
    made = release.release(epoch_of(stores, 2, version=second), against(champion, PASSED), registry)
    assert made.outcome == release.PROMOTED
    assert registry.aliases("tiny") == {"champion": 2, "previous": 1}
    assert [one.outcome for one in stores.ledger.releases("tiny")] == ["promoted", "promoted"]


@pytest.mark.parametrize("outcome", ["failed", "cannot tell"])
def test_without_a_passed_gate_nothing_is_promoted_not_even_by_a_person(
    outcome: str, champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    verdict = Verdict(False, outcome, ("no gain shown",), {})
    candidate = epoch_of(stores, 2, version=second)
    made = release.release(candidate, against(champion, verdict), registry, approved_by="a person")
    assert made.outcome == release.REFUSED
    assert registry.aliases("tiny")["champion"] == 1


def test_under_review_a_challenger_waits_for_a_person(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    first, later = (epoch_of(stores, number, version=second, policy=REVIEW) for number in (2, 3))
    assert release.release(first, against(champion), registry).outcome == release.FOR_REVIEW
    assert registry.aliases("tiny")["champion"] == 1
    assert registry.tags("tiny", 2)["review"] == "pending"
    made = release.release(later, against(champion), registry, approved_by="Ada")
    assert made.outcome == release.PROMOTED
    assert registry.tags("tiny", 2)["review"] == "approved by Ada"


def test_every_number_of_the_verdict_stands_on_the_version(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    release.release(epoch_of(stores, 2, version=second), against(champion, FAILED), registry)
    tags = registry.tags("tiny", 2)
    assert tags["gate"] == "failed"
    assert tags["gate_against"] == "1"
    assert json.loads(tags["gate_recent"]) == {"gained": 0, "mcnemar_p": None}
    assert "no gain shown" in registry.text(2)


def test_there_is_a_champion_at_every_moment_of_a_promotion(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    registry.moved.clear()
    release.release(epoch_of(stores, 2, version=second), against(champion, PASSED), registry)
    assert registry.moved == [("previous", 1), ("champion", 2), ("challenger", None)]


def test_a_bundle_that_serves_already_is_left_alone(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    again = registered(registry, stores, tmp_path / "first", temperature=0.05)
    serving = serving_version(registry, stores)
    made = release.release(epoch_of(stores, 2, version=again), against(serving, FAILED), registry)
    assert made.outcome == release.UNCHANGED
    assert registry.tags("tiny", 1)["gate"] == "passed"
    assert len(stores.ledger.releases("tiny")) == 1


def test_whoever_serves_next_ends_the_open_requests_of_the_version_before(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    """One of a version that was withdrawn blinded the monitor of the one that came back."""
    first = request(epoch_of(stores, 1, version=champion), asked_by="a person")
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    release.release(epoch_of(stores, 2, version=second), against(champion, PASSED), registry)
    serving = serving_version(registry, stores)
    again = request(epoch_of(stores, 3, version=serving), asked_by="a person")
    assert again.key != first.key
    release.rollback(epoch_of(stores, 5, version=serving), versions(registry, stores))
    asked = {one.key: (str(one.state), one.outcome) for one in stores.ledger.decisions("tiny")}
    assert asked == {
        first.key: ("withdrawn", "withdrawn: version 2 serves now"),
        again.key: ("withdrawn", "withdrawn: version 1 serves now"),
    }


def test_rollback_brings_the_previous_version_back_with_a_new_epoch(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    release.release(epoch_of(stores, 2, version=second), against(champion, PASSED), registry)
    serving = serving_version(registry, stores)
    made = release.rollback(epoch_of(stores, 5, version=serving), versions(registry, stores))
    assert (made.version, made.previous, made.outcome) == (1, 2, "rolled back")
    assert registry.aliases("tiny") == {"champion": 1}
    served = [(one.version, one.began_at, one.ended_at) for one in stores.ledger.serving_periods("tiny")]
    assert served == [(1, morning(1), morning(2)), (2, morning(2), morning(5)), (1, morning(5), None)]


def test_rollback_without_a_previous_version_moves_nothing(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores
) -> None:
    serving = serving_version(registry, stores)
    with pytest.raises(RegistryError, match="no previous version"):
        release.rollback(epoch_of(stores, 5, version=serving), versions(registry, stores))
    assert registry.aliases("tiny") == {"champion": 1}


def test_nobody_is_asked_any_more_about_a_version_that_was_replaced(
    registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    from production import VERSION, known

    send(stores, 1)
    live_morning(stores, 1)
    assert stores.ledger.label_queue("colours")
    new = known(VERSION, 2)
    registry.register(_bundle(tmp_path / "a", 0.05), model="colours", tags={})
    registry.register(_bundle(tmp_path / "b", 0.1), model="colours", tags={})
    stores.ledger.record_model(new)
    release.release(epoch_of(stores, 1, version=new), against(VERSION), registry)
    assert label_all(stores, 1) == 0


def _bundle(folder: Path, temperature: float) -> Path:
    write_tiny_bundle(folder, temperature=temperature)
    return folder


def test_numbers_of_a_thousand_classes_still_fit_a_tag(
    champion: ModelVersion, registry: MemoryRegistry, stores: Stores, tmp_path: Path
) -> None:
    second = registered(registry, stores, tmp_path / "second", temperature=0.1)
    per_class = {f"class {k}": {"images": 10, "loss": k / 1000} for k in range(1000)}
    verdict = Verdict(False, "failed", ("class 999 loses",), {"per_class": per_class})
    release.release(epoch_of(stores, 2, version=second), against(champion, verdict), registry)
    kept = registry.tags("tiny", 2)["gate_per_class"]
    assert len(kept) <= 5000
    assert "class 999" in json.loads(kept)
