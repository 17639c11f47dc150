"""The command `leeway power`: what a policy will see of this workspace's traffic, and what it never will."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leeway.cli.answering import Answer, Json, answering
from leeway.cli.files import Model
from leeway.domain.text import counted

if TYPE_CHECKING:
    from leeway.checks.policy import Policy
    from leeway.cli.schemas import OutlookFacts
    from leeway.simulate.power import Power
    from leeway.simulate.situation import Situation

WIDTH = 44


def power(
    predictions_per_night: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Default: the usual night here.")
    ] = None,
    labels_per_night: Annotated[int | None, typer.Option(min=0, metavar="N", help="Default: the policy's.")] = None,
    groups_per_night: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="New groups. Default: those of the log.")
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, metavar="N", help="Default: the model's.")] = None,
    accuracy: Annotated[
        float | None, typer.Option(min=0.01, max=0.999, metavar="SHARE", help="While nothing is wrong.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: the model's, else the shipped one.")
    ] = None,
    model: Model = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the simulation.")] = 0,
    as_json: Json = False,
) -> None:
    """Say what the policy will see of this traffic and how soon, what it will never see, and what would help."""
    from leeway.data.progress import advancing
    from leeway.jobs.situation import read_here
    from leeway.simulate.power import foresee, steps, with_labels
    from leeway.simulate.scenario import FULL
    from leeway.simulate.situation import with_options

    with answering(as_json=as_json) as answer:
        known, wanted = read_here(model, policy, datetime.now(UTC))
        asked = with_options(
            known, predictions=predictions_per_night, groups=groups_per_night, classes=classes, accuracy=accuracy
        )
        if labels_per_night is not None:
            wanted = with_labels(wanted, labels_per_night)
        with advancing("simulating nights", total=steps(FULL)) as advance:
            foreseen = foresee(asked, wanted, seed=seed, progress=advance)
        answer.give(foreseen)
        answer.say(power_text(foreseen))


def say_outlook(situation: "Situation", policy: "Policy", answer: Answer) -> "OutlookFacts":
    """Say and return the three most important lines, from a few simulated nights: in less than a second or two."""
    from leeway.cli.schemas import OutlookFacts
    from leeway.simulate.outlook import three_lines
    from leeway.simulate.power import foresee
    from leeway.simulate.scenario import QUICK

    found = foresee(situation, policy, effort=QUICK)
    granted = f"; taken for granted: {'; '.join(found.asked.assumed)}" if found.asked.assumed else ""
    lines = three_lines(found)
    answer.say(f"What this policy will see of {_traffic(found)} (all of it: leeway power{granted}):")
    answer.say(*(f"  {line}" for line in lines))
    return OutlookFacts(
        predictions_per_night=found.asked.predictions,
        classes=found.asked.classes,
        accuracy=found.asked.accuracy,
        sentences=list(lines),
        assumed=list(found.asked.assumed),
    )


def power_text(found: "Power") -> str:
    """Return what the command prints."""
    parts = [_head(found), _seen(found), _labels(found), _gate(found), _shortfalls(found), _settings(found)]
    alarms = f"{found.years_with_false_alarm} of {found.quiet_years} simulated years without change"
    parts.append([f"False alarms: {alarms}; promised: at most {found.promised:.1%} of years"])
    return "\n\n".join("\n".join(part) for part in parts if part)


def _traffic(found: "Power") -> str:
    asked = found.asked
    predictions, classes = counted(asked.predictions, "prediction"), counted(asked.classes, "class")
    return f"{predictions} a night in {classes}, {asked.accuracy:.1%} right"


def _head(found: "Power") -> list[str]:
    lines = [f"{found.asked.model}: {_traffic(found)} while nothing is wrong; floor {found.asked.floor:.1%}"]
    return [*lines, *(f"  taken for granted: {one}" for one in found.asked.assumed)]


def _seen(found: "Power") -> list[str]:
    from leeway.simulate.outlook import nights

    lines = ["Nights until the alarm, in half of the cases and in 9 of 10:"]
    for one, twice in zip(found.drops, found.drops_with_twice_the_labels, strict=True):
        more = f"   twice the labels: {nights(twice, waited=found.waited)}" if not one.note else one.note
        lines.append(f"  {one.what:{WIDTH}} {nights(one, waited=found.waited):12} {more}".rstrip())
    if not found.class_drops:
        lines.append("  one class by itself: not simulated where there are over 100; fewer years are lived through")
    for one in (*found.class_drops, *found.drifts):
        lines.append(f"  {one.what:{WIDTH}} {nights(one, waited=found.waited):12} {one.note}".rstrip())
    after = (
        f"from night {found.asked.drift_reference + 1} of a version on"
        if found.asked.drift_reference
        else "from its first night on"
    )
    if any(one.seen > 0 for one in found.drifts):
        unseen = f"A class may gain {found.asked.drift_unseen:.1%} of the predictions for ever."
        lines.append(f"  Drift is looked at {after}. {unseen}")
    empty = counted(round(found.asked.empty_night), "prediction")
    lines.append(f"  A night of fewer than {empty} is reported as nearly empty.")
    return lines


def _labels(found: "Power") -> list[str]:
    labels = found.labels
    asked = f"{labels.per_night} a night to measure, {found.labels_per_month:.0f} a month with the gate's"
    lines = [f"Labels: {asked}; after an alarm {labels.burst} more over {counted(labels.burst_nights, 'night')}"]
    if found.asked.answered < 1:
        lines.append(f"  People answer {found.asked.answered:.0%} of them: {labels.answered_per_night:.1f} a night.")
    if labels.excludes_drop is not None:
        excluded, tolerated = 100 * labels.excludes_drop, 100 * labels.tolerated_drop
        lines.append(
            f"  After an alarm they exclude a drop of {excluded:.1f} points while nothing is wrong; {tolerated:.1f} "
            f"are tolerated, and so a harmless drift is stood down in {labels.stands_down:.0%} of cases."
        )
    if labels.monthly_drop is not None:
        lines.append(f"  Two months of them show a drop of {100 * labels.monthly_drop:.1f} points.")
    for loop in found.loops:
        end = "" if not loop.nights else f", {counted(loop.nights, 'night')} after the alarm"
        lines.append(f"  {loop.check}, then: {loop.then}: {loop.ends_in}{end}.")
    return lines


def _gate(found: "Power") -> list[str]:
    gate = found.gate
    if found.asked.watched_only:
        return []
    burst = f"{round(gate.per_burst_night, 1):,g} on each of the burst's nights"
    ours = f"of the gate's {round(gate.candidates, 1):,g} groups a night"
    lines = [f"Gate: {round(gate.per_night, 1):g} labels a night, {burst}, {ours}"]
    for gain in gate.gains:
        plain, alarmed = (_after(one) for one in (gain.nights, gain.nights_after_alarm))
        needed = counted(gain.labels, "label") if gain.labels else "no number of labels"
        lines.append(
            f"  A model that raises {gain.before:.0%} to {gain.after:.0%} of these is shown to be better by {needed}: "
            f"{plain} of them, {alarmed} after an alarm."
        )
    if gate.margin_shown is not None:
        points = f"{100 * gate.margin:g} point{'s' * (gate.margin != 0.01)}"
        passes = f"a model as good as the champion passes the margin of {points} with"
        lines.append(
            f"  {gate.images_text}: {passes} {gate.equal_models_pass:.0%} (if they differ on "
            f"{gate.disagreement:.1%} of them); {100 * gate.margin_shown:.1f} points can be shown."
        )
    if gate.class_loss_shown is not None:
        lines.append(
            f"  The smallest loss of a class that is shown to be harm: {100 * gate.class_loss_shown:.0f} points."
        )
    if gate.first_model_passes is not None:
        lines.append(f"  A first model as good as this one passes with {gate.first_model_passes:.0%}.")
    return [*lines, f"  Who promotes what passes: {gate.promotes}."]


def _after(nights: int | None) -> str:
    return counted(nights, "night") if nights is not None else "never"


def _shortfalls(found: "Power") -> list[str]:
    from leeway.simulate.outlook import shortfall_text, together

    lines = []
    for about, title in TITLES.items():
        some = together([shortfall for shortfall in found.shortfalls if shortfall.about == about])
        texts = [f"{f'{checks}: ' if checks else ''}{shortfall_text(shortfall)}" for checks, shortfall in some]
        lines += [title, *(f"  {text}" for text in texts)] if some else []
    return lines


TITLES = {
    "sees": "Not seen with these settings, in half of the cases or at all:",
    "retrains": "Never retrains with these settings:",
    "releases": "Hardly ever released with these settings:",
    "tells": "Nobody is told with these settings:",
}


def _settings(found: "Power") -> list[str]:
    from leeway.simulate.shortfalls import settings_text

    mends: dict[str, object] = {}
    for one in found.shortfalls:
        mends = {**dict(one.mends), **mends}
    return (
        [
            "Settings that would help (in the model's policy):",
            *(f"  {settings_text({key: mends[key]})}" for key in mends),
        ]
        if mends
        else []
    )
