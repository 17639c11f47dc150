"""Outlook: the three most important lines of what a policy will see, start and show."""

from collections.abc import Sequence
from dataclasses import replace

from leeway.domain.text import counted
from leeway.simulate.power import Power
from leeway.simulate.scenario import Delay
from leeway.simulate.shortfalls import Shortfall, settings_text


def three_lines(power: Power) -> tuple[str, str, str]:
    """Return what is seen and how soon, what never, and whether an alarm can end in a better model."""
    return _seen(power), _never(power), _loop(power)


def nights(delay: Delay, *, waited: int) -> str:
    """Return the median and the 90 % of a delay, such as `8 / 13`."""
    if delay.note:
        return "-"
    if delay.median is None:
        return f"{delay.seen:.0%} seen within {counted(waited, 'night')}"
    return f"{delay.median:.0f} / {f'over {waited}' if delay.most is None else format(delay.most, '.0f')}"


def shortfall_text(shortfall: Shortfall) -> str:
    """Return the shortfall with the key it comes from, and what would mend it or a trial came to: one sentence."""
    key = f" ({settings_text({shortfall.key: shortfall.value})})" if shortfall.key else ""
    cure = f"would help: {settings_text(shortfall.mends)}" if shortfall.mends else ""
    return "; ".join([f"{shortfall.means}{key}", *filter(None, [shortfall.trial or cure])])


def together(shortfalls: Sequence[Shortfall]) -> list[tuple[str, Shortfall]]:
    """Return (checks, shortfall): what is said of several checks stands once, with settings that help them all."""
    same: dict[str, list[Shortfall]] = {}
    for one in shortfalls:
        same.setdefault(one.means, []).append(one)
    return [
        (
            ", ".join(one.check for one in group if one.check),
            replace(group[0], mends={key: value for one in group for key, value in one.mends.items()}),
        )
        for group in same.values()
    ]


def _seen(power: Power) -> str:
    fall = power.drops[-1]
    labels = f"{power.labels.answered_per_night:.0f} labels a night ({power.labels_per_month:.0f} asked for a month)"
    if fall.median is None:
        why = fall.note or f"{fall.seen:.0%} of such falls are seen within {power.waited} nights"
        return f"{fall.what}: no alarm with {labels}: {why}"
    most = f"in {counted(round(fall.most), 'night')} at most in 9 of 10 cases" if fall.most else "later in some cases"
    return f"{fall.what}: an alarm in about {counted(round(fall.median), 'night')}, {most}, with {labels}"


def _never(power: Power) -> str:
    blind = [one for one in power.shortfalls if one.about == "sees" and not _is_fall(one, power)]
    if blind:
        return f"never seen: {blind[0].check}: {shortfall_text(blind[0])}"
    return (
        f"never seen: accuracy that stays over {power.asked.floor:.1%}, and a class that gains less than "
        f"{power.asked.drift_unseen:.1%} of the predictions"
    )


def _is_fall(shortfall: Shortfall, power: Power) -> bool:
    return any(shortfall.means.startswith(one.what) for one in (*power.drops, *power.class_drops, *power.drifts))


def _loop(power: Power) -> str:
    for about in ("retrains", "releases", "tells"):
        for checks, first in together([one for one in power.shortfalls if one.about == about]):
            return f"{checks}: {shortfall_text(first)}" if checks else shortfall_text(first)
    gain, waits = power.gate.gains[0], power.labels.nights_to_retraining
    return (
        f"an alarm has its labels for a retraining after {_nights(waits)}; the gate's "
        f"{power.gate.per_night:.1f} labels a night show a rise from {gain.before:.0%} to {gain.after:.0%} in "
        f"{_nights(gain.nights)}"
    )


def _nights(number: int | None) -> str:
    return "no number of nights" if number is None else counted(number, "night")
