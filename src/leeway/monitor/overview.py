"""Overview: every watched model on one screen: last night's results, open decisions, label queue. Writes nothing."""

from collections import Counter
from datetime import datetime

from leeway.checks.accuracy import Accuracy
from leeway.domain.records import Action, Decision, DecisionState, Status
from leeway.domain.stores import Ledger, PredictionLog
from leeway.epoch import Epoch
from leeway.monitor.fleet import Fleet


def fleet_overview(fleet: Fleet, as_of: datetime) -> str:
    """Return a line for each model that is known from files, the worst first; empty if there is none."""
    lines, names = [], fleet.from_files
    labelled = labels_in(fleet.log, fleet.ledger) if names else {}
    for model in names:
        epochs = fleet.epochs_from_files(model, as_of)
        if epochs:
            lines.append(_line(epochs[-1], labelled[model]))
        else:
            lines.append((1, f"{model:20} ? no reference here yet: leeway watch init {model} --reference FILE"))
    if not lines:
        return ""
    budget = fleet.shared_policy.false_alarm_probability_per_year
    title = f"{len(lines)} models known from files; false alarms: {budget:.2%} a year each"
    return "\n".join([title, *(text for _, text in sorted(lines))])


def champion_overview(epoch: Epoch) -> str:
    """Return what is known of the version in production, in at most about 30 lines."""
    version, ledger, since = epoch.version, epoch.ledger, epoch.began_at
    serving = f"serving since {since:%Y-%m-%d %H:%M}" if since else "not serving"
    reference = version.reference
    queue, labelled = len(ledger.label_queue(epoch.model)), labels_in(epoch.log, ledger)[epoch.model]
    lines = [
        f"model      {epoch.model}",
        f"champion   version {version.version}, {serving}, "
        f"test accuracy {reference.correct / max(reference.total, 1):.1%} of {reference.total} images",
        *_before(epoch),
        *_last_night(epoch),
        *_decisions(ledger.decisions(epoch.model)),
        f"labels     {queue} predictions wait for a person, {labelled} are labelled",
    ]
    waiting = ledger.pending_alerts()
    if waiting:
        lines.append(f"alerts     {len(waiting)} not delivered; the last error: {waiting[-1].error or 'not tried yet'}")
    return "\n".join(lines)


def without_champion(model: str) -> str:
    """Return what comes next in a workspace that has released nothing yet."""
    return (
        f"model      {model}\nchampion   none yet: `dvc repro` makes a bundle, `leeway release` judges it "
        "(one that was named in MLflow is taken up by the next `leeway monitor`)"
    )


def labels_in(log: PredictionLog, ledger: Ledger) -> Counter[str]:
    """Return how many labels are in, of people and with the logs, by model."""
    return Counter(ledger.label_counts()) + Counter(log.given_counts())


def _line(epoch: Epoch, labelled: int) -> tuple[int, str]:
    """Return (rank, text): fired before no verdict before quiet."""
    nights = epoch.history.decided[-1:]
    last = [result for _, result in epoch.history.results(nights)]
    fired = [one.check for one in last if one.status is Status.FIRED]
    silent = [one.check for one in last if one.status is Status.NO_VERDICT and one.check in epoch.policy.alarming]
    accuracy = next((one for one in last if one.check == Accuracy.name and one.effect is not None), None)
    seen = f"accuracy {accuracy.effect:.1%}" if accuracy and accuracy.effect is not None else "accuracy unknown"
    about = f"{epoch.model:20} version {epoch.version.version}  {seen:17} {labelled:,} labelled  "
    night = f"night of {nights[0]}" if nights else "no night yet"
    if fired:
        return 0, f"{about}! {', '.join(fired)} fired, {night}"
    if silent or not last:
        return 1, f"{about}? no verdict: {', '.join(silent) or 'nothing was checked'}, {night}"
    return 2, f"{about}  quiet, {night}"


def _before(epoch: Epoch) -> list[str]:
    earlier = epoch.ledger.serving_periods(epoch.model)[:-1]
    return [f"before     version {one.version}, until {one.ended_at:%Y-%m-%d %H:%M}" for one in earlier[-1:]]


def _last_night(epoch: Epoch) -> list[str]:
    nights = epoch.history.decided[-1:]
    if not nights:
        return ["last night none is closed yet: predictions of a day are checked by the next `leeway monitor`"]
    results = [result for _, result in epoch.history.results(nights)]
    return [f"last night {nights[0]}", *(f"  {one.status:10} {one.check:18} {one.reason}" for one in results)]


def _decisions(decisions: list[Decision]) -> list[str]:
    under_way = [one for one in decisions if one.state in (DecisionState.OPEN, DecisionState.RUNNING)]
    last = [one for one in decisions if one.action is not Action.NOTHING and one not in under_way][-1:]
    lines = [f"  {one.state:10} {one.action}, {one.key}: {one.reason}" for one in under_way]
    lines += [f"  last       {one.action}, {one.key}: {one.outcome or one.reason}" for one in last]
    return [f"decisions  {len(under_way)} open or running", *lines]
