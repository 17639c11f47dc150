"""Pictures: which predictions are worth a look, with what the model and people said of them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leeway.checks.windows import night_of
from leeway.domain.night_view import Picture
from leeway.domain.records import LabelPlan, Prediction
from leeway.domain.stores import ImageStore
from leeway.epoch import Epoch
from leeway.errors import in_one_line

MOST_READ = 2000  # labelled predictions that are looked at one by one
SHOWN = 8  # pictures of a kind
log = logging.getLogger("leeway.page")


@dataclass(frozen=True, slots=True)
class PictureCandidates:
    """Predictions among which the pictures are chosen."""

    sample: Sequence[Prediction]  # of the night
    labelled: Sequence[Prediction]  # of the last nights
    labels: Mapping[str, str]  # of predictions, by id

    def errors(self) -> list[Prediction]:
        """Labelled and wrong, the most confident first."""
        wrong = [one for one in self.labelled if self.labels[one.id] != one.predicted_class]
        return _first_of_each(sorted(wrong, key=lambda one: (-(one.confidence or 0.0), one.id)))

    def unsure(self) -> list[Prediction]:
        """The least confident first."""
        known = [one for one in (*self.sample, *self.labelled) if one.confidence is not None]
        return _first_of_each(sorted(known, key=lambda one: (one.confidence or 0.0, one.id)))

    def unlike(self) -> list[Prediction]:
        """The highest energy first: what is least like the images the model learnt from."""
        known = [one for one in (*self.sample, *self.labelled) if one.energy is not None]
        return _first_of_each(sorted(known, key=lambda one: (-(one.energy or 0.0), one.id)))


def labelled_of(
    epoch: Epoch, plans: Sequence[LabelPlan], sample: Sequence[Prediction]
) -> tuple[list[Prediction], dict[str, str]]:
    """Return predictions that were labelled for these plans, wrong ones first of many, and their labels by id.

    Where nights came labelled, those of the sample stand for all of them.
    """
    answered = {
        one.draw.prediction_id: one for plan in plans for one in epoch.ledger.labelled_draws(plan.id, as_closed=True)
    }
    ids = sorted(answered, key=lambda one: (not answered[one].wrong, one))[:MOST_READ]
    found, labels = epoch.ledger.pinned(epoch.model, ids), {one: answered[one].label for one in ids}
    if any(plan.given for plan in plans):
        given = {
            one.prediction_id: one.label for one in epoch.log.given_by_ids(epoch.model, [one.id for one in sample])
        }
        found += [one for one in sample if one.id in given and one.id not in labels]
        labels = given | labels
    return found, labels


def pictures_of(epoch: Epoch, predictions: Sequence[Prediction], labels: Mapping[str, str]) -> tuple[Picture, ...]:
    return tuple(
        Picture(
            id=one.id,
            night=night_of(one.occurred_at, epoch.policy.zone),
            content=_content(one, epoch.images),
            predicted_class=one.predicted_class,
            confidence=one.confidence,
            energy=one.energy,
            label=labels.get(one.id),
        )
        for one in predictions
    )


def _first_of_each(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Each image once: the same one may have been seen many times."""
    found: dict[str, Prediction] = {}
    for one in predictions:
        found.setdefault(one.image or one.id, one)
    return list(found.values())[:SHOWN]


def _content(prediction: Prediction, images: ImageStore) -> bytes | None:
    """The encoded image; None, which the page shows, where it is not to be had."""
    try:
        return images.read(prediction.image) if prediction.image else None
    except Exception as error:  # of whatever image store: a page without one picture is still a page
        log.info("%s: its image cannot be read: %s", prediction.id, in_one_line(error))
        return None
