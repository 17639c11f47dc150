"""What a retraining takes from production: labelled images that can be read; the others are told, and stop nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from leeway.data.feedback import read_feedback
from leeway.domain.records import Label, Prediction
from leeway.errors import WorkspaceError
from leeway.labels.plan import is_gate_group
from leeway.release import retrain
from leeway.release.versions import Versions
from leeway.stores.opening import Stores
from memory_ports import MemoryRegistry, MemoryRepository
from production import POLICY, epoch_of, folder_of_images, morning, record, send
from tiny_bundle import square, write_tiny_bundle

GONE = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "feedback").mkdir()
    return tmp_path / "feedback"


def labelled(stores: Stores, *, good: int, gone: int, tmp_path: Path) -> list[Prediction]:
    """Labelled predictions that may train; the last ones' images are gone."""
    images = folder_of_images(tmp_path)
    names = [images.put(square("red", shade=shade)) for shade in range(good)] + [GONE] * gone
    template = send(stores, 1, count=1)[0]
    groups = [name for name in map(str, range(1000)) if not is_gate_group(name, gate_share=0.3)]
    made = [
        replace(template, id=f"p{place:02d}", image=name, group=group)
        for place, (name, group) in enumerate(zip(names, groups, strict=False))
    ]
    record(stores, made)
    stores.ledger.pin(made)
    stores.ledger.record_labels([Label("colours", one.id, "red", "ann", morning(1)) for one in made])
    return made


def test_a_retraining_takes_what_can_be_read_and_tells_people_what_is_left_out(
    stores: Stores, folder: Path, tmp_path: Path
) -> None:
    made = labelled(stores, good=12, gone=5, tmp_path=tmp_path)
    epoch, repository = epoch_of(stores, 2, images=folder_of_images(tmp_path)), MemoryRepository()
    decision = retrain.request(epoch, asked_by="hand")
    shard = retrain.add_labels(epoch, decision, repository, folder=folder)
    assert repository.added == [shard]
    assert sorted(row["origin"] for row in read_feedback(folder)) == [one.id for one in made[:12]]
    [alert] = stores.ledger.pending_alerts()
    assert alert.key == f"{decision.key}/left out"
    assert "5 of 17 labelled images" in alert.title
    assert ("p12: " in alert.body, "p14: " in alert.body, "p15: " in alert.body) == (True, True, False)
    assert "the other 12 train" in alert.body


def test_a_retraining_of_which_no_new_image_is_left_goes_on_with_the_data_as_it_was(
    stores: Stores, folder: Path, tmp_path: Path
) -> None:
    labelled(stores, good=0, gone=3, tmp_path=tmp_path)
    epoch, repository = epoch_of(stores, 2, images=folder_of_images(tmp_path)), MemoryRepository()
    assert retrain.add_labels(epoch, retrain.request(epoch, asked_by="hand"), repository, folder=folder) is None
    assert repository.added == []
    [alert] = stores.ledger.pending_alerts()
    assert "no new image is left to train on" in alert.body


def test_labels_whose_images_are_gone_do_not_make_the_calendar_retrain(
    stores: Stores, folder: Path, tmp_path: Path
) -> None:
    needed = POLICY.retrain.min_new_labels
    labelled(stores, good=needed - 1, gone=needed, tmp_path=tmp_path)
    images = folder_of_images(tmp_path)
    assert not retrain.is_worth_it(epoch_of(stores, 2, images=images), folder=folder)
    images.put(square("blue"))
    stores.ledger.pin([replace(one, image=images.put(square("blue"))) for one in stores.log.by_ids("colours", ["p09"])])
    assert retrain.is_worth_it(epoch_of(stores, 2, images=images), folder=folder)


@pytest.mark.parametrize("refused", [False, True])
def test_the_champion_that_a_retraining_starts_from_is_put_under_dvc_or_the_log_says_why_not(
    refused: bool, stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(MemoryRepository):
        def add(self, path: Path) -> None:
            raise WorkspaceError("dvc add failed: bad DVC file name 'champion.dvc' is git-ignored")

    registry, repository = MemoryRegistry(tmp_path / "registry"), Refusing() if refused else MemoryRepository()
    write_tiny_bundle(tmp_path / "bundle")
    versions = Versions("colours", lambda: registry, stores.ledger, tmp_path / "bundles")
    registry.register(tmp_path / "bundle", model="colours", tags={})
    decision = retrain.request(epoch_of(stores, 2), asked_by="hand")
    assert retrain.fetch_champion(versions, decision, repository, folder=tmp_path / "start") is None
    registry.set_alias("colours", "champion", 1)
    bundle = retrain.fetch_champion(versions, decision, repository, folder=tmp_path / "start")
    assert bundle == tmp_path / "start" / "champion"
    assert (bundle / "bundle.json").exists()
    assert repository.added == ([] if refused else [bundle])
    assert [("is git-ignored" in line) for line in caplog.messages] == [True] * refused
