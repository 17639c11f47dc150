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
MOST_LABELS = 20_000  # of a model whose nights come labelled: more are not read for a few pictures
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


def labelled_of(epoch: Epoch, plans: Sequence[LabelPlan]) -> tuple[list[Prediction], dict[str, str]]:
    """Return predictions that were labelled for these plans, wrong ones first of many, and their labels by id."""
    store, zone = epoch.store, epoch.policy.zone
    answered = {one.draw.prediction_id: one for plan in plans for one in store.labelled_draws(plan.id)}
    ids = sorted(answered, key=lambda one: (not answered[one].wrong, one))[:MOST_READ]
    found, labels = store.predictions_by_id(ids), {one: answered[one].label for one in ids}
    given = {plan.night: plan for plan in plans if plan.given}
    if not given or store.numbers_of_labels().get(plans[0].model, 0) > MOST_LABELS:
        return found, labels
    for label, prediction in store.labels(plans[0].model):
        plan = given.get(night_of(prediction.occurred_at, zone))
        if plan and plan.version == prediction.version and prediction.id not in labels:
            labels[prediction.id] = label.label
            found.append(prediction)
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
