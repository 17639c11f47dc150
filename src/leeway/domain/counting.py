"""Counting labels: which of all that people said about a prediction is its label."""

import unicodedata
from collections.abc import Iterable

from leeway.domain.records import MEASURE, NAMED, UNSURE, Draw, Label, LabelledDraw, LabelPlan, Tally


def counting_labels(labels: Iterable[Label]) -> dict[tuple[str, str], Label]:
    """Return the label that counts by (model, prediction id), of labels in the order in which they were recorded.

    Each person's last one; of several people that of whoever labelled first, at one time of whose name is first.
    An answer that names nothing (`unsure`, `none of these classes`) is no label.
    """
    chosen: dict[tuple[str, str], Label] = {}
    for key, own in last_labels(labels).items():
        naming = [pair for pair in own.values() if pair[1].answer == NAMED]
        if naming:
            chosen[key] = min(naming, key=lambda pair: (pair[0].labelled_at, pair[0].labeler))[1]
    return chosen


def conflicting(labels: Iterable[Label]) -> list[tuple[Label, ...]]:
    """Return what each person said last of the predictions that people call different things, in order of id.

    Of each prediction in the order in which people came. Who is unsure calls it nothing.
    """
    found = []
    for _, own in sorted(last_labels(labels).items()):
        if len({last.said for _, last in own.values() if last.answer != UNSURE}) > 1:
            came = sorted(own.values(), key=lambda pair: (pair[0].labelled_at, pair[0].labeler))
            found.append(tuple(last for _, last in came))
    return found


def ids_by_model(labels: Iterable[Label]) -> dict[str, list[str]]:
    """Return the ids of the predictions that labels are about, by model."""
    ids: dict[str, list[str]] = {}
    for one in labels:
        ids.setdefault(one.model, []).append(one.prediction_id)
    return ids


def last_labels(labels: Iterable[Label]) -> dict[tuple[str, str], dict[str, tuple[Label, Label]]]:
    """Return (first, last) label of each person, by (model, prediction id) and `person`.

    The last one is the one given last; of two at one time the one recorded last.
    """
    found: dict[tuple[str, str], dict[str, tuple[Label, Label]]] = {}
    for one in labels:
        own = found.setdefault((one.model, one.prediction_id), {})
        first, last = own.get(who := person(one.labeler), (one, one))
        own[who] = (
            one if one.labelled_at < first.labelled_at else first,
            one if one.labelled_at >= last.labelled_at else last,
        )
    return found


def person(labeler: str) -> str:
    """Return who somebody is, however they write their name: case, Unicode form and white space do not matter."""
    return " ".join(unicodedata.normalize("NFKC", labeler).casefold().split())


def draw_of(plan: LabelPlan, tally: Tally, index: int) -> LabelledDraw:
    """Return like answers that came with the log as a draw that stands for all of them."""
    draw = Draw(f"{plan.id}/{index}", plan.id, plan.model, "", MEASURE, "0", tally.probability, 0.0)
    return LabelledDraw(draw, plan.night, tally.predicted_class, tally.label, "", "", tally.slice, tally.count)
