"""Releases: nothing is promoted without the gate, and at no moment is there no champion."""

import json
from pathlib import Path

import numpy as np
import pytest

from leeway.domain.records import ModelVersion, Verdict
from leeway.errors import RegistryError
from leeway.release import release
from leeway.stores.sql import SqlStore
from memory_ports import MemoryRegistry
from production import POLICY, label_all, live_morning, morning, send
from tiny_bundle import write_tiny_bundle

PASSED = Verdict(True, "passed", ("12 became right",), {"recent": {"gained": 12, "mcnemar_p": np.float64(0.001)}})
FAILED = Verdict(False, "failed", ("no gain shown",), {"recent": {"gained": 0, "mcnemar_p": float("nan")}})
REVIEW = POLICY.model_copy(update={"promotion": POLICY.promotion.model_copy(update={"mode": "review"})})


@pytest.fixture
def registry(tmp_path: Path) -> MemoryRegistry:
    return MemoryRegistry(tmp_path / "registry")


def registered(registry: MemoryRegistry, store: SqlStore, folder: Path, *, temperature: float) -> ModelVersion:
    write_tiny_bundle(folder, temperature=temperature)
    return release.register(folder, model="tiny", registry=registry, store=store, reason="test")


def in_production(registry: MemoryRegistry, store: SqlStore) -> ModelVersion | None:
    found = release.find_champion("tiny", registry=registry, store=store, fetch=registry.bundle)
    return None if found is None else release.with_epoch(found, store, now=morning(9))


@pytest.fixture
def champion(registry: MemoryRegistry, store: SqlStore, tmp_path: Path) -> ModelVersion:
    first = registered(registry, store, tmp_path / "first", temperature=0.05)
    release.release(first, None, PASSED, registry=registry, store=store, policy=POLICY, now=morning(1))
    return first


def test_a_first_version_that_passes_becomes_the_champion(champion: ModelVersion, registry: MemoryRegistry) -> None:
    assert registry.aliases("tiny") == {"champion": 1}


def test_a_better_challenger_becomes_champion_and_the_old_one_previous(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    assert registry.aliases("tiny") == {"champion": 1, "challenger": 2}
    made = release.release(second, champion, PASSED, registry=registry, store=store, policy=POLICY, now=morning(2))
    assert made.outcome == release.PROMOTED
    assert registry.aliases("tiny") == {"champion": 2, "previous": 1}
    assert [one.outcome for one in store.releases("tiny")] == ["promoted", "promoted"]


@pytest.mark.parametrize("outcome", ["failed", "cannot tell"])
def test_without_a_passed_gate_nothing_is_promoted_not_even_by_a_person(
    outcome: str, champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    verdict = Verdict(False, outcome, ("no gain shown",), {})
    made = release.release(
        second, champion, verdict, registry=registry, store=store, policy=POLICY, now=morning(2), approved_by="a person"
    )
    assert made.outcome == release.REFUSED
    assert registry.aliases("tiny")["champion"] == 1


def test_under_review_a_challenger_waits_for_a_person(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    given = {"registry": registry, "store": store, "policy": REVIEW}
    assert release.release(second, champion, PASSED, now=morning(2), **given).outcome == release.FOR_REVIEW
    assert registry.aliases("tiny")["champion"] == 1
    assert registry.tags("tiny", 2)["review"] == "pending"
    made = release.release(second, champion, PASSED, now=morning(3), approved_by="Ada", **given)
    assert made.outcome == release.PROMOTED
    assert registry.tags("tiny", 2)["review"] == "approved by Ada"


def test_every_number_of_the_verdict_stands_on_the_version(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    release.release(second, champion, FAILED, registry=registry, store=store, policy=POLICY, now=morning(2))
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
    release.release(second, champion, PASSED, registry=registry, store=store, policy=POLICY, now=morning(2))
    assert registry.moved == [("previous", 1), ("champion", 2), ("challenger", None)]


def test_a_bundle_that_serves_already_is_left_alone(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    again = registered(registry, store, tmp_path / "first", temperature=0.05)
    serving = in_production(registry, store)
    made = release.release(again, serving, FAILED, registry=registry, store=store, policy=POLICY, now=morning(2))
    assert made.outcome == release.UNCHANGED
    assert registry.tags("tiny", 1)["gate"] == "passed"
    assert len(store.releases("tiny")) == 1


def test_rollback_brings_the_previous_version_back_with_a_new_epoch(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    release.release(second, champion, PASSED, registry=registry, store=store, policy=POLICY, now=morning(2))
    serving = in_production(registry, store)
    assert serving is not None
    made = release.rollback(serving, registry=registry, store=store, policy=POLICY, now=morning(5))
    assert (made.version, made.previous, made.outcome) == (1, 2, "rolled back")
    assert registry.aliases("tiny") == {"champion": 1}
    back = in_production(registry, store)
    assert back is not None
    assert back.serving_since == morning(5)


def test_rollback_without_a_previous_version_moves_nothing(
    champion: ModelVersion, registry: MemoryRegistry, store: SqlStore
) -> None:
    serving = in_production(registry, store)
    assert serving is not None
    with pytest.raises(RegistryError, match="no previous version"):
        release.rollback(serving, registry=registry, store=store, policy=POLICY, now=morning(5))
    assert registry.aliases("tiny") == {"champion": 1}


def test_a_champion_that_a_person_set_in_the_registry_is_followed(
    registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "foreign")
    registry.register(tmp_path / "foreign", model="tiny", tags={})
    assert in_production(registry, store) is None
    registry.set_alias("tiny", "champion", 1)
    found = in_production(registry, store)
    assert found is not None
    assert found.serving_since == morning(9)
    assert store.model_version("tiny", 1) == found


def test_finding_a_champion_or_a_version_writes_nothing(
    registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "foreign")
    registry.register(tmp_path / "foreign", model="tiny", tags={})
    registry.set_alias("tiny", "champion", 1)
    found = release.find_champion("tiny", registry=registry, store=store, fetch=registry.bundle)
    assert found is not None
    assert found.serving_since is None
    assert release.find_version("tiny", 1, registry=registry, store=store, fetch=registry.bundle) == found
    assert store.versions("tiny") == []


def test_a_champion_of_the_registry_alone_that_is_replaced_can_be_rolled_back_to(
    registry: MemoryRegistry, store: SqlStore, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "foreign")
    registry.register(tmp_path / "foreign", model="tiny", tags={})
    registry.set_alias("tiny", "champion", 1)
    second = registered(registry, store, tmp_path / "second", temperature=0.1)
    before = in_production(registry, store)
    release.release(second, before, PASSED, registry=registry, store=store, policy=POLICY, now=morning(2))
    serving = in_production(registry, store)
    assert serving is not None
    made = release.rollback(serving, registry=registry, store=store, policy=POLICY, now=morning(5))
    assert (made.version, made.previous) == (1, 2)


def test_without_a_champion_the_message_says_how_to_get_one(registry: MemoryRegistry, store: SqlStore) -> None:
    with pytest.raises(RegistryError, match=r"no champion yet.*leeway release"):
        release.champion_of("tiny", registry=registry, store=store, fetch=registry.bundle, now=morning(1))


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
    release.release(new, VERSION, PASSED, registry=registry, store=store, policy=POLICY, now=morning(1))
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
    release.release(second, champion, verdict, registry=registry, store=store, policy=POLICY, now=morning(2))
    kept = registry.tags("tiny", 2)["gate_per_class"]
    assert len(kept) <= 5000
    assert "class 999" in json.loads(kept)
