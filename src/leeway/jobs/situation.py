"""Reads the situation that `leeway power` starts from: what the workspace knows of a model, its traffic and policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from leeway.bundle.contents import INDEX, read_contents
from leeway.checks.policy import Policy, load_policy
from leeway.checks.windows import night_bounds, night_of
from leeway.checks.yardstick import class_truth
from leeway.data.manifest import read_manifest
from leeway.domain.records import ModelVersion, ReferenceCounts
from leeway.errors import ParamsError, WorkspaceError
from leeway.monitor.fleet import known_from_files, number_of_models, trains
from leeway.settings import Settings, read_settings
from leeway.simulate.situation import ANSWERED, NONE_ALIKE, Situation, made_reference, unknown
from leeway.workspace import Workspace, open_workspace

NIGHTS, GROUP_NIGHTS = 28, 7  # last ones whose traffic, and whose groups, are looked at
MOST = 2_000  # predictions of a night whose groups are looked at


def read_here(model: str | None, policy: Path | None, now: datetime) -> tuple[Situation, Policy]:
    """Return what this folder knows of `model` (the workspace's own, or the only one that is watched), and its policy.

    In a folder that is no workspace everything is taken for granted, under the policy that Leeway comes with. `policy`:
    a file that stands for the model's own. Writes nothing. Raises ParamsError for a model that is not watched here, or
    a policy that cannot be read.
    """
    try:
        settings = read_settings()
    except WorkspaceError:
        wanted = load_policy(policy) if policy else Policy()
        return unknown(wanted, model=model or "classifier"), wanted
    with open_workspace(settings, reading=True) as workspace:
        name = model or _usual_model(settings)
        if name is None:
            wanted = load_policy(policy or settings.policy_path)
            return unknown(wanted), wanted
        [name] = workspace.fleet.names(name)
        if policy is None:
            wanted = workspace.fleet.policy_of(name)
        else:
            wanted = load_policy(policy).shared_by(number_of_models(settings))
        return read_situation(workspace, name, wanted, now), wanted


def read_situation(workspace: Workspace, model: str, policy: Policy, now: datetime) -> Situation:
    """Return what is known of the model, and in `assumed` what had to be taken for granted."""
    own = model == workspace.model and trains(workspace.settings)
    known = unknown(policy, model=model, watched_only=not own)
    serving = workspace.fleet.serving_epoch(model, now)
    version = serving.version if serving else _last_version(workspace, model)
    taken, known = known.assumed, replace(known, assumed={}, serves=serving is not None)
    known = _with_reference(known, workspace, version, taken, own=own)
    known = _with_traffic(known, workspace, version, policy, taken)
    return _with_answers(known, workspace, version)


def _usual_model(settings: Settings) -> str | None:
    watched = known_from_files(settings)
    if trains(settings):
        return settings.model
    if len(watched) > 1:
        raise ParamsError(f"several models are watched here: {', '.join(watched)}; say --model NAME")
    return watched[0] if watched else None


def _last_version(workspace: Workspace, model: str) -> ModelVersion | None:
    """The last version that has predicted, or else the last one that is recorded."""
    versions = workspace.ledger.versions(model)
    seen = [one for one in versions if workspace.log.first_at(one) is not None]
    return next(reversed(seen or versions), None)


def _with_reference(
    known: Situation, workspace: Workspace, version: ModelVersion | None, taken: Mapping[str, str], *, own: bool
) -> Situation:
    """Classes, accuracy and test split, the best known first: the version's, the bundle's, those of the dataset."""
    reference = version.reference if version else None
    if reference is None and own and (workspace.bundle / INDEX).is_file():
        reference = read_contents(workspace.bundle).reference
    split = _test_split(workspace) if own else _Split()
    if reference is not None and reference.total:
        known = replace(known, reference=reference)
    else:
        known = _with_made_reference(known, reference, split.classes, items=sum(split.images), taken=taken)
    if not own:
        return replace(known, test=())
    if split.images:
        return replace(known, test=split.images, alike=split.alike, class_alike=split.class_alike)
    assumed = known.assumed if "test" in known.assumed else {**known.assumed, "test groups": NONE_ALIKE}
    return replace(known, test=_of_each_class(known.reference), assumed=assumed)


def _with_made_reference(
    known: Situation,
    reference: ReferenceCounts | None,
    names: tuple[str, ...],
    *,
    items: int,
    taken: Mapping[str, str],
) -> Situation:
    """Where no truth is known of any answer: as good as is taken for granted, on the classes that are known."""
    classes = (reference.classes if reference else names) or known.classes
    made = made_reference(
        classes,
        known.accuracy,
        items=items or known.reference.total,
        production=reference is not None and reference.production,
    )
    here = {"accuracy", *(() if items else ("test",)), *(() if reference or names else ("classes",))}
    kept = {what: told for what, told in taken.items() if what in here}
    return replace(known, reference=made, assumed={**known.assumed, **kept})


def _of_each_class(reference: ReferenceCounts) -> tuple[int, ...]:
    _, true, _ = class_truth(reference)
    return tuple(int(count) for count in true)


@dataclass(frozen=True, slots=True)
class _Split:
    """The frozen test split: nothing without a dataset."""

    classes: tuple[str, ...] = ()
    images: tuple[int, ...] = ()  # (K,) of each class
    alike: float = 1.0
    class_alike: tuple[float, ...] = ()  # (K,)


def _test_split(workspace: Workspace) -> _Split:
    """Count the images of each class in the frozen test split, and how many of a group say as much as one."""
    if not (workspace.dataset / "dataset.json").is_file():
        return _Split()
    manifest = read_manifest(workspace.dataset)
    rows = manifest.rows("test")
    labels, groups = manifest.labels[rows], manifest.table["group"].take(rows).to_numpy(zero_copy_only=False)
    counts = np.bincount(labels[labels >= 0], minlength=len(manifest.classes))
    of_classes = tuple(_alike(groups[labels == k]) for k in range(len(counts)))
    return _Split(manifest.classes, tuple(int(count) for count in counts), _alike(groups[labels >= 0]), of_classes)


def _alike(groups: np.ndarray) -> float:
    """Return sum k^2 / n, for k of the n images in each group: the design effect if a group changes as a whole."""
    sizes = np.unique(groups, return_counts=True)[1]
    return float((sizes**2).sum() / sizes.sum()) if len(sizes) else 1.0


def _with_traffic(
    known: Situation,
    workspace: Workspace,
    version: ModelVersion | None,
    policy: Policy,
    taken: Mapping[str, str],
) -> Situation:
    nights = _closed_nights(workspace, known.model) or dict(_nights_of_the_log(workspace, version, policy))
    if version is None or not nights:
        kept = {what: taken[what] for what in ("traffic", "groups") if what == "traffic" or not known.watched_only}
        return replace(known, assumed=kept | dict(known.assumed))
    usual = max(round(float(np.median(list(nights.values())))), 1)
    if known.watched_only:
        return replace(known, predictions=usual, groups=float(usual))
    share = _new_groups(workspace, version, policy, sorted(nights)[-GROUP_NIGHTS:])
    if share is None:
        known = replace(known, assumed={**known.assumed, "groups": taken["groups"]})
    return replace(known, predictions=usual, groups=usual * (1.0 if share is None else share))


def _closed_nights(workspace: Workspace, model: str) -> dict[date, int]:
    """Predictions of the last nights that had any, of all versions together."""
    found: dict[date, int] = {}
    for version in workspace.ledger.versions(model):
        for window in workspace.ledger.windows(model, version.version):
            if window.total:
                found[window.night] = found.get(window.night, 0) + window.total
    return {night: found[night] for night in sorted(found)[-NIGHTS:]}


def _nights_of_the_log(
    workspace: Workspace, version: ModelVersion | None, policy: Policy
) -> Iterator[tuple[date, int]]:
    """Predictions of the first nights in the log, where none is closed yet."""
    first = workspace.log.first_at(version) if version else None
    if version is None or first is None:
        return
    for number in range(NIGHTS):
        night = night_of(first, policy.zone) + timedelta(days=number)
        if count := workspace.log.count(version, *night_bounds(night, policy.zone)):
            yield night, count


def _new_groups(workspace: Workspace, version: ModelVersion, policy: Policy, nights: list[date]) -> float | None:
    """New groups for each prediction of these nights: a group that comes every night is new once; None without rows."""
    seen: set[str] = set()
    rows = 0
    for night in nights:
        bounds = night_bounds(night, policy.zone)
        found = workspace.log.sample(version, *bounds, MOST, stream="gate")
        seen |= {one.group for one in found}
        rows += len(found)
    return len(seen) / rows if rows else None


def _with_answers(known: Situation, workspace: Workspace, version: ModelVersion | None) -> Situation:
    """The share of the labels asked for that people gave, over the last plans that are closed."""
    plans = workspace.ledger.plans(known.model, version.version) if version else []
    if any(one.given for one in plans[-NIGHTS:]):
        told = "labels that come with the log are not counted: more is seen than this"
        known = replace(known, assumed={**known.assumed, "given": told})
    closed = [one for one in plans if one.closed_at is not None and one.asked and not one.given][-NIGHTS:]
    asked = sum(one.asked for one in closed)
    if not asked:
        return replace(known, assumed={**known.assumed, "answers": ANSWERED})
    answered = sum(len(workspace.ledger.labelled_draws(one.id)) for one in closed)
    return replace(known, answered=min(answered / asked, 1.0))
