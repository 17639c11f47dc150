"""What must hold of a ledger after every morning, whatever happened before it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from leeway.checks.accuracy import Accuracy
from leeway.domain.records import GATE, Action, DecisionState
from leeway.epoch import Epoch

UNDER_WAY = (DecisionState.OPEN, DecisionState.RUNNING)


def broken(epochs: Iterable[Epoch], as_of: datetime) -> list[str]:
    """Return what does not hold of these epochs, which are all of a model's; empty if everything does."""
    return [problem for epoch in epochs for problem in _of_version(epoch, as_of)]


def _of_version(epoch: Epoch, as_of: datetime) -> Iterator[str]:
    model, version, ledger = epoch.model, epoch.version.version, epoch.ledger
    about = f"{model} version {version}"
    decisions = [one for one in ledger.decisions(model) if one.version == version]
    nightly = {one.night: one for one in decisions if one.nightly}
    yield from _repeated(f"{about}: decision", [one.key for one in decisions])
    yield from _repeated(f"{about}: decided night", [one.night for one in decisions if one.nightly])
    windows = ledger.windows(model, version)
    undecided = {one.night for one in windows} ^ nightly.keys()
    if undecided:
        yield f"{about}: {sorted(undecided)} are closed and not decided, or the reverse"
    for night in nightly:
        if epoch.bounds(night)[1] > as_of:
            yield f"{about}: {night} was decided before it was over"
    for window in windows:
        rows = epoch.log.count(epoch.version, *epoch.bounds(window.night))
        if window.total + window.foreign > rows:
            yield f"{about}: {window.night} counts {window.total + window.foreign} of {rows} rows"
    yield from _repeated(f"{about}: result", [(night, one.check) for night, one in ledger.results(model, version)])
    yield from _of_labels(epoch, about, nightly)
    requests = [one for one in ledger.decisions(model) if one.action is Action.RETRAIN and one.state in UNDER_WAY]
    if len([one for one in requests if one.version == version]) > 1:
        yield f"{about}: {len(requests)} requests are under way at once"


def _of_labels(epoch: Epoch, about: str, nightly: dict[date, Any]) -> Iterator[str]:
    """Each label measures once: in the night that says so, and in no other."""
    model, version = epoch.model, epoch.version.version
    plans = epoch.ledger.plans(model, version)
    keys = {one.key for one in nightly.values()}
    used: Counter[tuple[date, str]] = Counter()
    measured: Counter[str] = Counter()
    for plan in plans:
        if plan.applied_by is None:
            continue
        if plan.closed_at is None or plan.applied_by not in keys:
            yield f"{about}: plan {plan.id} is applied by {plan.applied_by}, closed at {plan.closed_at}"
        [labels] = epoch.history.labels([plan])
        measured[plan.applied_by] += labels.labels
        used.update((plan.night, one.draw.id.rpartition("/")[2]) for one in labels.draws if plan.asked)
    yield from (f"{about}: draw {key} measures {times} times" for key, times in used.items() if times > 1)
    for night, result in epoch.ledger.results(model, version, check=Accuracy.name):
        said = result.details.get("labels_tonight")
        if said is not None and said != measured[nightly[night].key]:
            yield f"{about}: {night} says {said} labels, its plans hold {measured[nightly[night].key]}"
    gate = [group for plan in plans for group in _gate_groups(epoch, plan.id)]
    yield from _repeated(f"{about}: gate group", gate)


def _gate_groups(epoch: Epoch, plan_id: str) -> list[str]:
    return [one.group for one in epoch.ledger.labelled_draws(plan_id) if one.draw.purpose == GATE]


def _repeated(what: str, values: list[Any]) -> list[str]:
    return [f"{what} {value} stands {times} times" for value, times in Counter(values).items() if times > 1]
