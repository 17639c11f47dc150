"""Suspects of label errors: images whose label all other images contradict, by confident learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leeway.data.manifest import Manifest
from leeway.data.progress import progress
from leeway.errors import DataError

FOLDS = 5  # each image is judged by four fifths of the others; ten folds cost twice as much and find no more
STRENGTH = 0.01  # C of the regression: lists 9 in 10 rightly of digits with 3 % planted errors; 1.0 lists 3 in 4
ITERATIONS = 200  # standardised embeddings of a trained network need some 30
Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An image whose label is contradicted."""

    row: int  # among the images that were given
    suggested: int  # class index
    confidence: float  # probability of the suggested class, from images of other groups
    likely: bool  # by confident learning; otherwise it is contradicted, as an ambiguous image may be, too


@dataclass(frozen=True, slots=True)
class LabelError:
    """A suspect by its names."""

    asset: str
    origin: str
    split: str
    label: str
    suggested: str
    confidence: float  # of `suggested`
    likely: bool


def label_errors(manifest: Manifest, rows: NDArray[np.int64], embeddings: Numbers) -> list[LabelError]:
    """Of these rows (n,) with their embeddings (n, E), the most suspicious first. Raises DataError."""
    named = manifest.table.select(["asset", "origin", "split", "label"]).take(rows).to_pylist()
    groups = manifest.table["group"].take(rows).to_pylist()
    return [
        LabelError(
            **named[one.row], suggested=manifest.classes[one.suggested], confidence=one.confidence, likely=one.likely
        )
        for one in find_suspects(embeddings, manifest.labels[rows], groups)
    ]


def find_suspects(embeddings: Numbers, labels: NDArray[np.int64], groups: Sequence[str]) -> list[Suspect]:
    """The likely errors first, and inside both parts those furthest from their label.

    embeddings (N, E), labels (N,) class indices, groups (N,). A network has seen the labels of its training images and
    may have learnt an error by heart; so it is not asked. A multinomial logistic regression on what it embeds is, which
    never saw the image that it judges, nor another of its group: its probabilities are out of sample. From them
    confident learning estimates how many labels of each class are wrong and which (Northcutt, Jiang and Chuang, 2021;
    cleanlab's `prune_by_noise_rate`). The embedding itself did see the labels, which can hide an error, not make one.
    Classes with fewer than FOLDS groups are not judged. Raises DataError where fewer than two classes are left, or
    cleanlab and scikit-learn are missing.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise DataError(f"label errors are found with cleanlab ({error}): pip install 'leeway[train]'") from None
    judged = np.flatnonzero(np.isin(labels, judged_classes(labels, groups)))
    names, given = np.unique(labels[judged], return_inverse=True)  # cleanlab wants indices without gaps
    if len(names) < 2:
        raise DataError(f"label errors are sought between two classes or more of {FOLDS} groups each; add images")
    probabilities = _out_of_sample(embeddings[judged], given, np.asarray(groups)[judged])
    likely = set(find_label_issues(given, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1).tolist())
    answers, place = probabilities.argmax(axis=1), np.arange(len(given))
    margins = probabilities[place, given] - probabilities[place, answers]
    order = sorted(np.flatnonzero(answers != given).tolist(), key=lambda one: (one not in likely, margins[one], one))
    return [
        Suspect(int(judged[one]), int(names[answers[one]]), float(probabilities[one, answers[one]]), one in likely)
        for one in order
    ]


def judged_classes(labels: NDArray[np.int64], groups: Sequence[str]) -> list[int]:
    """Indices of the classes that have FOLDS groups or more; labels (N,), groups (N,)."""
    pairs = set(zip(labels.tolist(), groups, strict=True))
    counts = np.bincount([label for label, _ in pairs])
    return np.flatnonzero(counts >= FOLDS).tolist()


def _out_of_sample(embeddings: Numbers, labels: NDArray[np.int64], groups: NDArray[Any]) -> NDArray[np.float64]:
    """(N, K) probabilities, each row from a regression that saw neither it nor its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probabilities = np.zeros((len(labels), int(labels.max()) + 1))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(embeddings, labels, groups)
    for fit, judge in progress(folds, "cross-validating", total=FOLDS):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=ITERATIONS))
        model.fit(embeddings[fit], labels[fit])
        probabilities[np.ix_(judge, model.classes_)] = model.predict_proba(embeddings[judge])
    return probabilities
