"""Words: what a night means for people, what happens next, and what they should do. Pure; a check says its own part."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from leeway.checks.accuracy import Accuracy, AccuracyDetails
from leeway.checks.policy import Policy
from leeway.checks.registry import details_of, meaning_of
from leeway.checks.waits import export_command
from leeway.domain.records import Action, CheckResult, Decision, ModelVersion, Status
from leeway.domain.text import by_number, counted, moment_text, sentence


def headline(decision: Decision, results: Sequence[CheckResult], policy: Policy) -> str:
    """Return what the night means, without a statistic: of what fired, else of what was measured, else why unknown."""
    fired = [one for one in results if one.status is Status.FIRED]
    asking = [one for one in fired if one.check in policy.checks and policy.checks[one.check].then != "alert"]
    if decision.action is Action.STAND_DOWN:
        return f"the alarm is over: {measured(results, policy) or decision.reason}"
    if decision.action in (Action.RETRAIN, Action.ALERT):
        return wrong(asking, results, policy) or decision.reason
    if fired:
        return meanings(asking if decision.action is Action.MORE_LABELS else fired, policy)
    silent = [one for one in results if one.status is Status.NO_VERDICT and one.check in policy.alarming]
    unknown = "; ".join(f"no verdict from {one.check}: {one.reason}" for one in silent)
    return "; ".join(filter(None, [measured(results, policy), unknown])) or decision.reason


def wrong(asking: Sequence[CheckResult], results: Sequence[CheckResult], policy: Policy) -> str:
    """Return what calls for a retraining: how often the model is right first, then what else fired."""
    return meanings([*filter(_is_measured, results), *(one for one in asking if not _is_measured(one))], policy)


def measured(results: Sequence[CheckResult], policy: Policy) -> str:
    """Return how often the model is right by people's labels; empty where that is unknown."""
    return meanings([one for one in results if _is_measured(one)], policy)


def meanings(results: Sequence[CheckResult], policy: Policy) -> str:
    """Return what these results mean, in the words of their checks."""
    return "; ".join(meaning_of(policy.checks.get(one.check), one) for one in results)


def next_step(decision: Decision, policy: Policy, version: ModelVersion, *, champion: int | None = None) -> str:
    """Return what happens next, and what people should do: whole sentences; empty where nothing was decided.

    `champion`: the version that serves, of a model that is released here.
    """
    if decision.action is Action.ALERT and champion not in (None, version.version):
        return f"Version {champion} is the champion. Do this: send this one no more images, or `leeway rollback`."
    return _steps(decision, policy, version).get(decision.action, "")


def advice_on(checks: Sequence[str]) -> str:
    """Return where people read what to do about a finding that only alerts."""
    named = " and ".join(f"`{name}`" for name in checks)
    return f"Nothing else happens by itself. What to do about it: {named} in monitoring/README.md."


def reasons(results: Sequence[CheckResult]) -> str:
    """Return the statistics behind these results."""
    return sentence("; ".join(f"{one.check}: {one.reason}" for one in results), capital=False)


def _steps(decision: Decision, policy: Policy, version: ModelVersion) -> Mapping[Action, str]:
    until = (decision.made_at + timedelta(days=policy.labels.answer_days)).astimezone(policy.zone)
    labels = (
        f"up to {counted(policy.labels.burst_on_alarm, 'label')} over {counted(policy.labels.burst_nights, 'night')}"
    )
    by_hand = "Do this: `leeway retrain`, or see what has changed first."
    if version.watched_only:
        by_hand = "Leeway does not train this model. Do this: train a version on such images where the model is made."
    review = " Its result waits for `leeway promote VERSION`." if policy.promotion.mode == "review" else ""
    return {
        Action.MORE_LABELS: f"People are asked for {labels}, which decide what comes of it; those of the first night "
        f"can be answered until {moment_text(until)}. "
        f"Do this: `{export_command(version)}`, have them answered, `leeway labels import FILE`. A night whose log "
        "came labelled asks nobody.",
        Action.RETRAIN: "A retraining is asked for, and judged before anything changes in production." + review + " "
        "Nothing to do, unless it does not start (`leeway status`): then `leeway retrain`.",
        Action.ALERT: by_hand,
        Action.STAND_DOWN: "Nothing to do. The checks that raised the alarm stay quiet for "
        f"{policy.retrain.cooldown_days:g} {by_number(policy.retrain.cooldown_days, 'day', 'days')}; "
        "if the change is meant to stay, promote a version trained on it.",
    }


def under_floor(results: Sequence[CheckResult]) -> bool:
    """Whether the accuracy that was measured lies under its floor, by chance or not."""
    known = next((found for one in results if (found := _measurement(one))), None)
    return known is not None and known.accuracy is not None and known.accuracy.value < known.floor


def _is_measured(result: CheckResult) -> bool:
    """Whether people's labels say how often the model is right."""
    return _measurement(result) is not None


def _measurement(result: CheckResult) -> AccuracyDetails | None:
    details = details_of(result, AccuracyDetails) if result.check == Accuracy.name else None
    return details if details and details.accuracy else None
