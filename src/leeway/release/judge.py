"""Judges: has two bundles answer the same images, and judges the candidate by the answers and by its checklist."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from leeway.bundle.predictor import Predictor
from leeway.data.manifest import Manifest
from leeway.data.pixels import encoded_images
from leeway.domain.ports import Registry
from leeway.domain.records import LabelledDraw, ModelVersion, Verdict
from leeway.domain.text import by_number, counted
from leeway.epoch import Epoch
from leeway.evaluation.checklist import Checklist, checklist_from, read_checklist
from leeway.evaluation.reads import GATE, record_read
from leeway.labels.images import LeftOut, left_out_text, read_images
from leeway.release.attempts import attempt_at, labels_for, last_look, noted
from leeway.release.gate import Paired, judge_challenger, judge_first, with_checklist
from leeway.release.versions import Versions
from leeway.release.waiting import how_soon

IMAGES_AT_ONCE = 512
CHECKLIST_TAG = "gate_checklist"  # as `release` names the verdict's numbers


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a candidate is judged on, beside its own bundle."""

    manifest: Manifest  # names the images of the frozen test split
    data: Path  # folder of the shards that hold them
    checklist: Path  # as the evaluate stage wrote it
    reads: Path  # who has looked at the test split
    read_at: datetime  # by the clock, whatever moment a flow lives in
    gate_labels: Sequence[LabelledDraw] | None = None  # default: those that its cause asks for
    cause: str | None = None  # default: the one that was fixed when it was registered


def judge(candidate: Epoch, champion: Epoch | None, versions: Versions, grounds: Grounds) -> Verdict:
    """Judge the candidate's bundle: against the champion (STATISTICS.md, check 9), or a first one by floors.

    And by its checklist. Where the class lists differ, answers and labels are taken by the names that the dataset
    gives them now (Manifest.renamed); an answer of a class that it no longer has is wrong.
    """
    manifest, settings = grounds.manifest, candidate.policy.promotion
    rows = manifest.rows("test")
    truth, tested = manifest.labels[rows], encoded_images(manifest, grounds.data, rows)
    new = Predictor.load(versions.bundle(candidate.version.version))
    readers, answers = _read(candidate, grounds), _answers(new, tested, manifest)
    if champion is None:
        verdict = judge_first(truth=truth, predicted=answers, classes=manifest.classes, settings=settings)
    else:
        old = Predictor.load(versions.bundle(champion.version.version))
        if champion.version.bundle_digest != candidate.version.bundle_digest:
            _read(champion, grounds)
        groups = np.unique(manifest.table["group"].take(rows).to_numpy(zero_copy_only=False), return_inverse=True)[1]
        original = Paired(truth, _answers(old, tested, manifest), answers, groups)
        verdict = _against_champion(candidate, champion, versions, grounds, bundles=(old, new), original=original)
    checklist = checklist_of(candidate.version, report=grounds.checklist, registry=versions.registry)
    verdict = _with_numbers(with_checklist(verdict, checklist), test_reads=dict(Counter(readers)))
    return replace(verdict, against=champion.version.version if champion else None)


def _against_champion(
    candidate: Epoch,
    champion: Epoch,
    versions: Versions,
    grounds: Grounds,
    *,
    bundles: tuple[Predictor, Predictor],
    original: Paired,
) -> Verdict:
    """Judge by the labels of its cause, as the attempt that it is; note what its next judgement has to know."""
    (old, new), manifest, number = bundles, grounds.manifest, candidate.version.version
    cause, apart = grounds.cause or versions.cause(number), _lists_apart(old.contents.classes, manifest)
    last = last_look(champion, versions.registry.tags(versions.model, number))
    labels, since = labels_for(champion, cause, last)
    labels = labels if grounds.gate_labels is None else grounds.gate_labels
    unseen = _never_trained_on(labels, manifest)
    readable, left_out = read_images(unseen, champion.images)
    recent = _recent(old, new, readable, manifest)
    verdict = judge_challenger(
        recent=recent,
        original=original,
        classes=manifest.classes,
        settings=candidate.policy.promotion,
        shared=_known(old, manifest) & _known(new, manifest),
        classes_changed=apart is not None,
        cause=cause,
        attempt=attempt_at(champion, number, last, labels=0 if recent is None else len(recent.truth)),
    )
    verdict = _with_numbers(verdict, class_lists=apart, attempt=noted(verdict, since=since))
    verdict = _with_left_out(verdict, left_out, of=len(unseen))
    if trained := len(labels) - len(unseen):
        are = by_number(trained, "is left out: its group is", "are left out: their groups are")
        told = f"{counted(trained, 'gate label')} {are} trained on (promotion.gate_share was raised?)"
        verdict = replace(verdict, reasons=(*verdict.reasons, told))
    return how_soon(champion, verdict, labels=len(labels), since=since) if verdict.wanted else verdict


def _never_trained_on(labels: Sequence[LabelledDraw], manifest: Manifest) -> list[LabelledDraw]:
    """Leave out labels of groups and images that the dataset version trains or validates on."""
    rows = np.concatenate([manifest.rows("train"), manifest.rows("val")])
    trained = {*manifest.table["group"].take(rows).to_pylist(), *manifest.table["asset"].take(rows).to_pylist()}
    return [one for one in labels if one.group not in trained and one.image not in trained]


def checklist_of(version: ModelVersion, *, report: Path, registry: Registry) -> Checklist | None:
    """Return the version's checklist: the one in the file `report` if it is of its bundle, or else what an earlier gate
    kept on the version. None if there is none."""
    kept = registry.tags(version.model, version.version).get(CHECKLIST_TAG, "")
    for found in (read_checklist(report), checklist_from(kept)):
        if found is not None and found.bundle_digest == version.bundle_digest:
            return found
    return None


def _read(epoch: Epoch, grounds: Grounds) -> Sequence[str]:
    """Note that this bundle's test figures are looked at; return everybody who did."""
    return record_read(grounds.reads, epoch.version.bundle_digest, by=GATE, at=grounds.read_at)


def _recent(
    old: Predictor, new: Predictor, labels: Sequence[tuple[LabelledDraw, bytes]], manifest: Manifest
) -> Paired | None:
    """The labelled images that production sent, answered by both; None where no label is a class of the dataset."""
    places = _places([one.label for one, _ in labels], manifest)
    kept = [(place, content) for place, (_, content) in zip(places, labels, strict=True) if place >= 0]
    if not kept:
        return None
    sent = [content for _, content in kept]
    return Paired(np.array([place for place, _ in kept]), _answers(old, sent, manifest), _answers(new, sent, manifest))


def _answers(predictor: Predictor, images: Sequence[bytes], manifest: Manifest) -> np.ndarray:
    """(N,) index in the dataset's classes of what the bundle answers; -1, always wrong, for a class that it has not,
    and where the bundle's numbers are not finite."""
    places, found = _places(predictor.contents.classes, manifest), [np.empty(0, dtype=np.int64)]
    for start in range(0, len(images), IMAGES_AT_ONCE):
        answers = predictor.predict(images[start : start + IMAGES_AT_ONCE])
        found.append(np.where(np.isfinite(answers.probabilities).all(axis=1), places[answers.indices], -1))
    return np.concatenate(found)


def _places(names: Sequence[str], manifest: Manifest) -> np.ndarray:
    """(n,) index of each name among the dataset's classes, under the name that it has now; -1 for one it has not."""
    places = {name: place for place, name in enumerate(manifest.classes)}
    return np.array([places.get(manifest.renamed.get(name, name), -1) for name in names], dtype=np.int64)


def _known(predictor: Predictor, manifest: Manifest) -> set[str]:
    """The dataset's classes that a bundle can answer with."""
    return {manifest.classes[place] for place in _places(predictor.contents.classes, manifest) if place >= 0}


def _lists_apart(champions: Sequence[str], manifest: Manifest) -> dict[str, Any] | None:
    """How the champion's class list became the dataset's; None if they are one."""
    if tuple(champions) == manifest.classes:
        return None
    now = {name: manifest.renamed.get(name, name) for name in champions}
    return {
        "compared": len({*now.values()} & {*manifest.classes}),
        "new": sorted({*manifest.classes} - {*now.values()}),
        "retired": sorted(name for name in champions if now[name] not in manifest.classes),
        "renamed": {old: new for old, new in now.items() if old != new and new in manifest.classes},
    }


def _with_left_out(verdict: Verdict, left_out: Sequence[LeftOut], *, of: int) -> Verdict:
    """Say how many of the recent images could not be read, if any: they are no evidence for anybody."""
    if not left_out:
        return verdict
    reasons = (*verdict.reasons, f"recent: {left_out_text(left_out, of=of)}")
    return _with_numbers(replace(verdict, reasons=reasons), recent_left_out=len(left_out))


def _with_numbers(verdict: Verdict, **numbers: Any) -> Verdict:
    """With these numbers, too; None stands for nothing to tell."""
    told = {name: value for name, value in numbers.items() if value is not None}
    return replace(verdict, numbers={**verdict.numbers, **told})
