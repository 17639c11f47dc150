"""What `leeway power` starts from: the traffic, classes, accuracy, groups, answers and policy that are known here."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from battery import CLOSED, DAY, END, NIGHT, REFERENCE, START, VERSION, claimed, label, planned, prediction, window
from given_images import Given, Image
from leeway.checks.policy import Policy
from leeway.data.digits_source import DigitsSource
from leeway.data.manifest import build_manifest, write_manifest
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.data.split import SplitShares
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import ModelVersion, ServingPeriod
from leeway.errors import ParamsError
from leeway.jobs.init import init_watching
from leeway.jobs.situation import read_here, read_situation
from leeway.monitor.fleet import watched_policy, write_watched_policy
from leeway.settings import read_settings
from leeway.workspace import Workspace, open_workspace

NOW = START + 40 * DAY


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace that trains a model, `pets`, and has nothing yet."""
    init_watching(tmp_path)
    (tmp_path / "params.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEEWAY_MODEL", "pets")
    return tmp_path


@pytest.fixture
def workspace(folder: Path) -> Iterator[Workspace]:
    with open_workspace(read_settings()) as opened:
        yield opened


def serve(workspace: Workspace, version: ModelVersion = VERSION) -> None:
    workspace.ledger.record_model(version)
    workspace.ledger.begin_epoch(ServingPeriod(version.model, version.version, START, "a test"))


def record(workspace: Workspace, night: int, count: int, *, groups: int, first: int = 0) -> None:
    rows = [
        prediction(
            f"{night}-{place}", occurred_at=START + night * DAY + timedelta(hours=5), group=f"g{first + place % groups}"
        )
        for place in range(count)
    ]
    workspace.log.record("pets", [(1, PredictionColumns.of(rows))], received_at=NOW)


def close(workspace: Workspace, night: int, counts: tuple[int, ...]) -> None:
    at = NIGHT + night * DAY
    claim = claimed(workspace.ledger, at)
    cells = tuple((0, count, 0) for count in counts)
    workspace.ledger.record_window(
        window(at, counts=cells), start=START + night * DAY, end=END + night * DAY, closed_at=CLOSED, claim=claim
    )
    workspace.ledger.give_back(claim)


def test_nothing_known_is_said_to_be_taken_for_granted(folder: Path) -> None:
    known, policy = read_here(None, None, NOW)
    assert policy == Policy()
    assert known.assumed.keys() == {"traffic", "groups", "classes", "accuracy", "test", "answers"}
    assert not known.serves
    assert not (folder / ".leeway" / "leeway.db").exists()


def test_a_folder_that_is_no_workspace_is_taken_for_an_unknown_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known, policy = read_here(None, None, NOW)
    assert (known.predictions, len(known.classes), policy) == (100, 10, Policy())
    assert list(tmp_path.iterdir()) == []


def test_the_version_that_serves_says_its_classes_and_how_often_it_is_right(workspace: Workspace) -> None:
    serve(workspace)
    serve(workspace, replace(VERSION, version=2, bundle_digest="b2", reference=replace(REFERENCE, correct=36)))
    known = read_situation(workspace, "pets", Policy(), NOW)
    assert (known.classes, known.accuracy, known.serves) == (REFERENCE.classes, 0.8, True)
    assert not known.assumed.keys() & {"classes", "accuracy", "test"}


def test_the_usual_night_is_the_median_of_the_closed_ones_that_had_any(workspace: Workspace) -> None:
    serve(workspace)
    for night, count in enumerate((50, 0, 70, 10, 60)):
        close(workspace, night, (count, 0, 0))
    known = read_situation(workspace, "pets", Policy(), NOW)
    assert known.predictions == 55
    assert "traffic" not in known.assumed


def test_before_a_night_is_closed_the_log_says_how_many_there_are(workspace: Workspace) -> None:
    serve(workspace)
    for night, count in enumerate((30, 50, 40)):
        record(workspace, night, count, groups=count)
    known = read_situation(workspace, "pets", Policy(), NOW)
    assert known.predictions == 40
    assert known.groups == pytest.approx(40 * 50 / 120)  # g0 to g49: those of the nights before are no news


def test_groups_that_come_every_night_are_new_once(workspace: Workspace) -> None:
    serve(workspace)
    for night in range(4):
        record(workspace, night, 40, groups=10)
        close(workspace, night, (40, 0, 0))
    assert read_situation(workspace, "pets", Policy(), NOW).groups == pytest.approx(10 / 4)
    assert "groups" not in read_situation(workspace, "pets", Policy(), NOW).assumed


def test_labels_that_people_did_not_give_do_not_come(workspace: Workspace) -> None:
    serve(workspace)
    record(workspace, 0, 8, groups=8)
    planned(workspace.ledger, "pets/1/first", [f"0-{place}" for place in range(8)])
    assert read_situation(workspace, "pets", Policy(), NOW).answered == 1.0, "it is open"
    workspace.ledger.record_labels([label("0-1"), label("0-2")])
    workspace.ledger.close_plan("pets/1/first", closed_at=CLOSED)
    known = read_situation(workspace, "pets", Policy(), NOW)
    assert known.answered == 0.25
    assert "answers" not in known.assumed


def test_a_watched_model_has_its_own_policy_its_part_of_the_budget_and_no_gate(workspace: Workspace) -> None:
    policy = watched_policy(workspace.settings, "birds", source=None, floor=0.7)
    write_watched_policy(workspace.settings, "birds", policy)
    workspace.ledger.record_model(replace(VERSION, model="birds", bundle_digest="watched:x"))
    known, found = read_here("birds", None, NOW)
    assert (known.model, known.watched_only, known.test) == ("birds", True, ())
    assert found.accuracy.floor == 0.7
    assert found.false_alarm_probability_per_year == Policy().false_alarm_probability_per_year / 2


def test_a_policy_from_a_file_stands_for_the_models_own(folder: Path) -> None:
    (folder / "other.yaml").write_text("accuracy: {floor: 0.6}")
    _, found = read_here(None, folder / "other.yaml", NOW)
    assert found.accuracy.floor == 0.6


def test_a_name_that_is_not_watched_here_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ParamsError, match="no model 'dogs' is watched here"):
        read_here("dogs", None, NOW)


def test_of_several_watched_models_one_has_to_be_named(folder: Path) -> None:
    (folder / "params.yaml").unlink()
    settings = read_settings()
    for name in ("birds", "fish"):
        write_watched_policy(settings, name, watched_policy(settings, name, source=None, floor=None))
    with pytest.raises(ParamsError, match="birds, fish; say --model NAME"):
        read_here(None, None, NOW)


def noise(seed: int) -> bytes:
    """A PNG."""
    stored = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, size=(16, 16, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(stored, "PNG")
    return stored.getvalue()


def write_dataset(workspace: Workspace, images: list[Image], shards: Path) -> None:
    gather_images(Given(images=tuple(images)), shards)
    params = DataParams(source=DigitsSource(), split=SplitShares(val=0.1, test=0.1))
    write_manifest(build_manifest(shards, shards.parent / "feedback", params), workspace.dataset)


def test_images_of_a_group_of_the_test_split_say_as_much_as_one(workspace: Workspace, tmp_path: Path) -> None:
    """Six cats in groups of 4, 1 and 1, four dogs of their own groups; as if a group changed as a whole."""
    groups = ["burst"] * 4 + ["c1", "c2"] + [f"d{place}" for place in range(4)]
    tested = [
        Image(f"{place}.png", "cat" if place < 6 else "dog", noise(place), group=group, split="test")
        for place, group in enumerate(groups)
    ]
    others = [
        Image(f"{split}{place}.png", name, noise(100 + 2 * place + row), group=f"{split}{place}", split=split)
        for row, split in enumerate(("train", "val"))
        for place, name in enumerate(("cat", "dog"))
    ]
    write_dataset(workspace, [*tested, *others], tmp_path / "gathered" / "shards")
    known = read_situation(workspace, "pets", Policy(), NOW)
    assert known.test == (6, 4)
    assert known.alike == pytest.approx((4**2 + 6) / 10)
    assert known.class_alike == pytest.approx(((4**2 + 2) / 6, 1.0))
    assert "test groups" not in known.assumed


def test_without_a_dataset_it_is_taken_for_granted_that_no_two_test_images_are_alike(workspace: Workspace) -> None:
    serve(workspace)
    known = read_situation(workspace, "pets", Policy(), NOW)
    assert known.alike == 1
    assert "test groups" in known.assumed
