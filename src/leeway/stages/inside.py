"""Inside: what only the network itself can tell, rebuilt from the bundle: gradients, and whether the two agree."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from leeway.bundle.contents import read_golden
from leeway.bundle.predictor import Predictor, read_pixels
from leeway.data.manifest import Manifest
from leeway.data.pixels import encoded_images
from leeway.errors import TrainingError
from leeway.evaluation.answers import Answered
from leeway.evaluation.checklist import ChecklistItem, Published, bundle_agrees
from leeway.evaluation.saliency import answers_to_look_into, saliency_figure
from leeway.evaluation.sample import Sample


@dataclass(frozen=True, slots=True)
class Inside:
    """What was found; without a network only the reason why there is none."""

    agreement: ChecklistItem
    published: Published | None  # the preprocessing of the pretrained weights it began with
    attacked: NDArray[np.uint8] | None  # (B, H, W, C) the sample after an FGSM step
    saliency: Figure | None


def look_inside(
    bundle: Path, predictor: Predictor, answered: Answered, sample: Sample, *, manifest: Manifest, data: Path, step: int
) -> Inside:
    """`step`: grey levels of the attack on the sample, 0: none; `data`: the folder of the shards.

    A bundle whose network this version cannot build is no failure: what then stays unknown says so.
    """
    # torch is slow to load, and its threads spin unless OMP_WAIT_POLICY is set before
    from leeway.training.gradients import fgsm, where_it_looks
    from leeway.training.rebuild import apart_on, load_network, published_preprocessing

    contents = predictor.contents
    golden = [one.content for one in read_golden(bundle, contents)]
    try:
        network, published = load_network(bundle), published_preprocessing(contents)
    except TrainingError as error:
        return Inside(bundle_agrees(None, images=len(golden), why_not=str(error)), None, None, None)
    chosen = answers_to_look_into(answered.truth, answered.predicted, answered.confidence)
    truth, predicted = answered.truth[chosen], answered.predicted[chosen]
    pixels = read_pixels(encoded_images(manifest, data, answered.rows[chosen]), contents.resize)
    maps = where_it_looks(network, pixels, predicted)
    return Inside(
        agreement=bundle_agrees(apart_on(network, predictor, golden), images=len(golden)),
        published=published,
        attacked=fgsm(network, sample.pixels, sample.truth, step=step) if step else None,
        saliency=saliency_figure(pixels, maps, truth=truth, predicted=predicted, classes=contents.classes),
    )
