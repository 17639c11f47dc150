"""Overview: every watched model in one sentence, the worst first, and the champion in some detail. Writes nothing."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from leeway.domain.records import Action, Alert, Decision, DecisionState
from leeway.domain.stores import Ledger, PredictionLog
from leeway.domain.text import counted, sentence
from leeway.epoch import Epoch
from leeway.labels.summary import seconds_text
from leeway.monitor.fleet import Fleet
from leeway.monitor.standing import Rank, concerns

MARKS = {Rank.BLIND: "!", Rank.WRONG: "!", Rank.YOURS: ">", Rank.UNDER_WAY: ">", Rank.UNKNOWN: "?", Rank.HEALTHY: " "}
BESIDE = 3  # further concerns of a model
ANSWERED_OF_LATE = timedelta(days=7)  # a version whose last answer is older is out of use


def fleet_overview(fleet: Fleet, as_of: datetime, *, champion: Epoch | None = None) -> str:
    """Return a sentence for each model, the worst first, and beside it whatever else waits; empty without a model."""
    budget = fleet.shared_policy.false_alarm_probability_per_year  # first: a mistake in the policy is said at once
    blocks, names = [], fleet.from_files
    if champion is not None:
        blocks += [_block(champion), *_blocks_beside(fleet.epochs_beside(champion))]
    for model in names:
        epochs = fleet.epochs_from_files(model, as_of)
        if epochs:
            blocks += [_block(epochs[-1]), *_blocks_beside(epochs[:-1])]
        else:
            text = f"? {model}: no reference here yet: `leeway watch init {model} --reference FILE`"
            blocks.append((Rank.UNKNOWN, model, [text]))
    lines = [line for _, _, block in sorted(blocks) for line in block]
    waiting = fleet.ledger.pending_alerts()
    if waiting:
        since = f"{waiting[0].made_at:%Y-%m-%d %H:%M}"
        lines.append(f"! {counted(len(waiting), 'alert')} not delivered since {since}: {_error(waiting)}")
    if names:
        lines.append(f"{counted(len(names), 'model')} known from files; false alarms: {budget:.2%} a year each")
    return "\n".join(lines)


def _block(epoch: Epoch) -> tuple[Rank, str, list[str]]:
    """Return (rank, model, lines) of one model."""
    worst, *others = concerns(epoch)
    first = f"{MARKS[worst.rank]} {epoch.model} version {epoch.version.version}: {sentence(worst.text, capital=False)}"
    more = [f"  also: {sentence(one.text, capital=False)}" for one in others[:BESIDE]]
    return worst.rank, epoch.model, [first, *more]


def _blocks_beside(epochs: Iterable[Epoch]) -> list[tuple[Rank, str, list[str]]]:
    """Return a block for each version beside the one in use that answered of late, and of which something is wrong."""
    blocks = []
    for epoch in epochs:
        last = epoch.log.last_at(epoch.version)
        if last is None or epoch.as_of - last > ANSWERED_OF_LATE:
            continue
        wrong = [one.text for one in concerns(epoch) if one.rank is Rank.WRONG]
        name = f"{epoch.model} version {epoch.version.version}, beside the version in use"
        lines = [f"  also: {sentence(text, capital=False)}" for text in wrong[1:]]
        if wrong:
            first = f"{MARKS[Rank.WRONG]} {name}: {sentence(wrong[0], capital=False)}"
            blocks.append((Rank.WRONG, epoch.model, [first, *lines]))
    return blocks


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
        *(f"           {text}" for text in [seconds_text(epoch)] if text),
    ]
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
