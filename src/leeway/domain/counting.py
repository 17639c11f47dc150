"""Counting labels: which of all that people said about a prediction is its label."""

from collections.abc import Iterable

from leeway.domain.records import Label


def counting_labels(labels: Iterable[Label]) -> dict[tuple[str, str], Label]:
    """Return the label that counts by (model, prediction id), of labels in the order in which they were recorded.

    Each person's last one; of several people that of whoever labelled first, at one time of whose name is first.
    """
    chosen: dict[tuple[str, str], Label] = {}
    for key, own in last_labels(labels).items():
        chosen[key] = min(own.values(), key=lambda pair: (pair[0].labelled_at, pair[0].labeler))[1]
    return chosen


def disagreeing(labels: Iterable[Label]) -> set[tuple[str, str]]:
    """Return the predictions that people call different things, each by their last label."""
    return {key for key, own in last_labels(labels).items() if len({last.label for _, last in own.values()}) > 1}


def last_labels(labels: Iterable[Label]) -> dict[tuple[str, str], dict[str, tuple[Label, Label]]]:
    """Return (first, last) label of each person, by (model, prediction id) and labeler.

    The last one is the one given last; of two at one time the one recorded last.
    """
    found: dict[tuple[str, str], dict[str, tuple[Label, Label]]] = {}
    for one in labels:
        own = found.setdefault((one.model, one.prediction_id), {})
        first, last = own.get(one.labeler, (one, one))
        own[one.labeler] = (
            one if one.labelled_at < first.labelled_at else first,
            one if one.labelled_at >= last.labelled_at else last,
        )
    return found
