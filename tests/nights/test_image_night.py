"""A night's images: embedded once by the version's own bundle, kept, compared; what fails is a reason, no error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leeway.bundle.embedder import Embedder
from leeway.checks.policy import Policy
from leeway.checks.registry import details_of
from leeway.domain.image_night import ImageNight
from leeway.domain.records import Action, CheckResult, Status
from leeway.errors import RegistryError
from leeway.jobs.failures import Failures
from leeway.jobs.nightly import look
from leeway.monitor.embeddings import read_embeddings
from leeway.monitor.night_facts import night_page
from leeway.monitor.replay import replayed_nights
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores
from production import POLICY, VERSION, epoch_of, night, send

E = 8


class Bundle:
    """Stands for a bundle whose embeddings are known: around 0, or from a night on around `moved` in one coordinate."""

    def __init__(self) -> None:
        self.embedded, self.moved, self.rng = 0, 0.0, np.random.default_rng(0)

    def load(self, version: object) -> "Bundle":
        return self

    def __call__(self, images: object) -> np.ndarray:
        count = len(images)  # type: ignore[arg-type]
        self.embedded += count
        return (self.rng.normal(size=(count, E)) + self.moved * np.eye(E)[0]).astype(np.float32)


class AnyImage(FolderImageStore):
    """Holds an image of every name."""

    def read(self, image: str) -> bytes:
        return image.encode()


@pytest.fixture
def bundle() -> Bundle:
    return Bundle()


@pytest.fixture
def embedder(tmp_path: Path, bundle: Bundle) -> Embedder:
    return Embedder(tmp_path / "embeddings", bundle.load)


def lived(stores: Stores, number: int, embedder: Embedder, *, policy: Policy = POLICY, store=AnyImage) -> CheckResult:
    send(stores, number)
    return decided(stores, number, embedder, policy=policy, store=store)


def decided(stores: Stores, number: int, embedder: Embedder, *, policy: Policy = POLICY, store=AnyImage) -> CheckResult:
    failures = Failures()
    epoch = replace(epoch_of(stores, number, policy=policy), images=store(Path("none")), embedder=embedder)
    looked = look(epoch, failures)
    failures.raise_first()
    assert looked is not None
    return next(one for one in looked.nights[-1].results if one.check == "image_drift")


def test_fourteen_nights_are_shown_then_moved_images_alert_and_start_nothing(
    stores: Stores, embedder: Embedder, bundle: Bundle
) -> None:
    shown = [lived(stores, number, embedder) for number in range(1, 15)]
    assert {one.status for one in shown} == {Status.NO_VERDICT}
    assert shown[3].reason.startswith("3 of 14 reference nights have images")
    bundle.moved = 1.0
    found = [lived(stores, number, embedder) for number in range(15, 25)]
    assert found[0].status is Status.QUIET
    assert found[-1].status is Status.FIRED
    assert found[-1].effect is not None
    assert found[-1].effect > 0.5
    assert {one.action for one in stores.ledger.decisions("colours")} == {Action.NOTHING}
    assert epoch_of(stores, 24).alarmed_nights() == frozenset()
    window = next(one for one in epoch_of(stores, 24).history.windows if one.night == night(24))
    details = details_of(found[-1], ImageNight)
    assert details is not None
    page = night_page(epoch_of(stores, 24), window)
    assert [one.id for one in page.moved] == [one.prediction_id for one in details.moved]
    assert len(page.moved) == 8
    again = [one for night in replayed_nights(epoch_of(stores, 24), POLICY) for one in night.results]
    assert [one for one in again if one.check == "image_drift"] == shown + found


def test_each_image_of_a_night_is_embedded_once_and_a_night_cut_short_is_not_embedded_again(
    stores: Stores, embedder: Embedder, bundle: Bundle
) -> None:
    lived(stores, 1, embedder)
    assert bundle.embedded == 200
    kept = read_embeddings(embedder.path(VERSION, night(1)))
    assert kept is not None
    assert kept.images is not None
    assert (kept.images.dtype, kept.images.shape) == (np.float16, (200, E))


def test_nights_after_the_reference_keep_their_mean_alone(stores: Stores, embedder: Embedder) -> None:
    for number in range(1, 31):
        lived(stores, number, embedder)
    kept = {number: read_embeddings(embedder.path(VERSION, night(number))) for number in (28, 29, 30)}
    assert [one is not None and one.images is not None for one in kept.values()] == [True, False, False]


def test_a_night_that_is_counted_anew_is_embedded_anew(stores: Stores, embedder: Embedder, bundle: Bundle) -> None:
    path = embedder.path(VERSION, night(1))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file of a disk that was full")
    lived(stores, 1, embedder)
    before = read_embeddings(path)
    assert before is not None
    np.savez(path, position=np.array("another"), mean=before.mean, unreadable=np.array(0))
    assert lived(stores, 2, embedder).reason.startswith("0 of 14 reference nights")


def test_no_bundle_is_the_reason_and_the_night_is_decided(stores: Stores, tmp_path: Path) -> None:
    asked = []

    def load(version: object) -> Bundle:
        asked.append(version)
        raise RegistryError("version 1 is not there")

    embedder = Embedder(tmp_path, load)
    found = lived(stores, 1, embedder)
    assert found.status is Status.NO_VERDICT
    assert "version 1 is not there" in found.reason
    assert "version 1 is not there" in lived(stores, 2, embedder).reason
    assert len(asked) == 1


def test_images_that_are_gone_are_counted_and_the_night_is_decided(stores: Stores, embedder: Embedder) -> None:
    found = lived(stores, 1, embedder, store=FolderImageStore)
    assert (found.status, found.reason) == (Status.NO_VERDICT, "0 of 200 images drawn can be read; 30 are needed")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_embeddings_that_are_not_finite_are_left_out(stores: Stores, tmp_path: Path, value: float) -> None:
    embedder = Embedder(tmp_path, lambda version: lambda images: np.full((len(images), E), value, np.float32))
    assert lived(stores, 1, embedder).reason == "0 of 200 embeddings are finite; 30 are needed"


def test_a_graph_that_breaks_is_the_reason_and_the_night_is_decided(stores: Stores, tmp_path: Path) -> None:
    def embed(images: object) -> np.ndarray:
        raise ValueError("graph.onnx: of another shape")

    found = lived(stores, 1, Embedder(tmp_path, lambda version: embed))
    assert (found.status, "of another shape" in found.reason) == (Status.NO_VERDICT, True)


def test_it_can_be_switched_off_and_is_off_without_a_bundle_here(
    stores: Stores, embedder: Embedder, bundle: Bundle
) -> None:
    off = Policy.model_validate({"image_drift": {"images": 0}})
    assert "image_drift.images" in lived(stores, 1, embedder, policy=off).reason
    assert bundle.embedded == 0
