"""Overview: every watched model in one sentence, the worst first, and the champion in some detail. Writes nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leeway.domain.records import Action, Alert, Decision, DecisionState, Release
from leeway.domain.stores import Ledger, PredictionLog
from leeway.domain.text import by_number, counted, sentence
from leeway.epoch import Epoch
from leeway.errors import LogError, in_one_line
from leeway.labels.queue import find_queue, queue_text
from leeway.monitor.fleet import Fleet
from leeway.monitor.standing import Concern, Rank, concerns

MARKS = {Rank.BLIND: "!", Rank.WRONG: "!", Rank.YOURS: ">", Rank.UNDER_WAY: ">", Rank.UNKNOWN: "?", Rank.HEALTHY: " "}
BESIDE = 3  # further concerns of a model
ANSWERED_OF_LATE = timedelta(days=7)  # a version whose last answer is older is out of use


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """How a version of a watched model stands."""

    model: str
    version: int | None  # None: no reference of the model is known yet
    concerns: tuple[Concern, ...]  # the worst first
    is_beside: bool = False  # it answers beside the version in use
    asked: str = ""  # what waits for people to label; empty: nothing

    @property
    def rank(self) -> Rank:
        return self.concerns[0].rank

    @property
    def lines(self) -> list[str]:
        """What people read: the worst, and beside it whatever else waits."""
        worst, *others = self.concerns
        version = "" if self.version is None else f" version {self.version}"
        name = f"{self.model}{version}{', beside the version in use' if self.is_beside else ''}"
        first = f"{MARKS[self.rank]} {name}: {sentence(worst.text, capital=False)}"
        shown = others if self.is_beside else others[:BESIDE]
        also = [f"  also: {sentence(other.text, capital=False)}" for other in shown]
        is_told = any(self.asked in line for line in (first, *also))
        return [first, *([] if is_told else [f"  labels: {sentence(self.asked)}"]), *also]


def standings(fleet: Fleet, as_of: datetime, *, champion: Epoch | None = None) -> list[ModelStanding]:
    """Return how each watched model stands, the worst first."""
    standing = []
    if champion is not None:
        standing += [_standing(champion), *_beside(fleet.epochs_beside(champion))]
    for model in fleet.from_files:
        try:
            standing += _from_files(fleet, model, as_of)
        except LogError as error:  # that of one model: how the others stand is said all the same
            text = f"nobody knows: {in_one_line(error)}; `leeway doctor` looks at the log"
            standing.append(ModelStanding(model, None, (Concern(Rank.BLIND, text),)))
    return sorted(standing, key=lambda each: (each.rank, each.model, each.lines))


def _from_files(fleet: Fleet, model: str, as_of: datetime) -> list[ModelStanding]:
    epochs = fleet.epochs_from_files(model, as_of)
    if epochs:
        return [_standing(epochs[-1]), *_beside(epochs[:-1])]
    text = f"no reference here yet: `leeway watch init {model} --reference FILE`"
    return [ModelStanding(model, None, (Concern(Rank.UNKNOWN, text),))]


def fleet_overview(fleet: Fleet, as_of: datetime, *, champion: Epoch | None = None) -> str:
    """Return a sentence for each model, the worst first, and beside it whatever else waits; empty without a model."""
    budget = fleet.shared_policy.false_alarm_probability_per_year  # first: a mistake in the policy is reported at once
    names = fleet.from_files
    lines = [line for each in standings(fleet, as_of, champion=champion) for line in each.lines]
    waiting = fleet.ledger.pending_alerts()
    if waiting:
        since = f"{waiting[0].made_at:%Y-%m-%d %H:%M}"
        lines.append(f"! {counted(len(waiting), 'alert')} not delivered since {since}: {_error(waiting)}")
    if names:
        lines.append(f"{counted(len(names), 'model')} known from files; false alarms: {budget:.2%} a year each")
    return "\n".join(lines)


def _standing(epoch: Epoch) -> ModelStanding:
    queue = find_queue(epoch)
    return ModelStanding(epoch.model, epoch.version.version, tuple(concerns(epoch, queue)), asked=queue_text(queue))


def _beside(epochs: Iterable[Epoch]) -> Iterator[ModelStanding]:
    """Each version beside the one in use that answered of late, and of which something is wrong."""
    for epoch in epochs:
        last = epoch.log.last_at(epoch.version)
        if last is None or epoch.as_of - last > ANSWERED_OF_LATE:
            continue
        wrong = tuple(concern for concern in concerns(epoch, find_queue(epoch)) if concern.rank is Rank.WRONG)
        if wrong:
            yield ModelStanding(epoch.model, epoch.version.version, wrong, is_beside=True)


def champion_overview(epoch: Epoch) -> str:
    """Return what is known of the version in production, in at most about 30 lines."""
    version, ledger, since = epoch.version, epoch.ledger, epoch.began_at
    serving = f"serving since {since:%Y-%m-%d %H:%M}" if since else "not serving"
    reference = version.reference
    asked, labelled = queue_text(find_queue(epoch)), labels_in(epoch.log, ledger)[epoch.model]
    lines = [
        f"model      {epoch.model}",
        f"champion   version {version.version}, {serving}, "
        f"test accuracy {reference.accuracy:.1%} of {counted(reference.total, 'image')}",
        *_before(epoch),
        *_last_night(epoch),
        *_decisions(ledger.decisions(epoch.model)),
        f"labels     {counted(labelled, 'prediction')} {by_number(labelled, 'is', 'are')} labelled",
        f"           {asked or 'nothing waits for a person'}",
    ]
    return "\n".join(lines)


def without_champion(model: str, releases: Sequence[Release]) -> str:
    """Return what comes next in a workspace without a champion."""
    return (
        f"model      {model}\nchampion   none yet: {first_release_text(releases)} "
        "(one that was named in MLflow is taken up by the next `leeway monitor`)"
    )


def first_release_text(releases: Sequence[Release]) -> str:
    """Return what leads to a first champion, given what became of the versions so far, the latest last."""
    again = (
        "`dvc repro` makes a bundle, `leeway release` registers and judges it, and `leeway promote VERSION` approves it"
    )
    if not releases:
        return again
    last = releases[-1]
    if last.outcome == "left for review":
        return f"version {last.version} passed the gate and waits for a person: `leeway promote {last.version}`"
    return f"version {last.version} was {last.outcome}: {last.reason}. After a change {again}"


def labels_in(log: PredictionLog, ledger: Ledger) -> Counter[str]:
    """Return how many labels are in, of people and with the logs, by model."""
    return Counter(ledger.label_counts()) + Counter(log.given_counts())


def _error(waiting: list[Alert]) -> str:
    errors = [one.error for one in waiting if one.error]
    return f"{errors[-1]}; mend LEEWAY_ALERT_URLS" if errors else "not tried yet, the next `leeway monitor` sends them"


def _before(epoch: Epoch) -> list[str]:
    earlier = epoch.ledger.serving_periods(epoch.model)[:-1]
    return [f"before     version {one.version}, until {one.ended_at:%Y-%m-%d %H:%M}" for one in earlier[-1:]]


def _last_night(epoch: Epoch) -> list[str]:
    nights = epoch.history.decided[-1:]
    if not nights:
        return ["last night none is closed yet: predictions of a day are checked by the next `leeway monitor`"]
    results = [result for _, result in epoch.history.results(nights)]
    return [f"last night {nights[0]}", *(f"  {one.answer:10} {one.check:18} {one.reason}" for one in results)]


def _decisions(decisions: list[Decision]) -> list[str]:
    under_way = [one for one in decisions if one.state in (DecisionState.OPEN, DecisionState.RUNNING)]
    last = [one for one in decisions if one.action is not Action.NOTHING and one not in under_way][-1:]
    lines = [f"  {one.state:10} {one.action}, {one.key}: {one.reason}" for one in under_way]
    lines += [f"  last       {one.action}, {one.key}: {one.outcome or one.reason}" for one in last]
    return [f"decisions  {len(under_way)} open or running", *lines]
