"""Outlook: the three most important lines of what a policy will see, start and show."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from leeway.simulate.power import Power
from leeway.simulate.scenario import Delay
from leeway.simulate.shortfalls import Shortfall


def three_lines(power: Power) -> tuple[str, str, str]:
    """Return what is seen and how soon, what never, and whether an alarm can end in a better model."""
    return _seen(power), _never(power), _loop(power)


def nights(delay: Delay, *, waited: int) -> str:
    """Return the median and the 90 % of a delay, such as `8 / 13`."""
    if delay.note:
        return "-"
    if delay.median is None:
        return f"{delay.seen:.0%} seen within {waited} nights"
    return f"{delay.median:.0f} / {f'over {waited}' if delay.most is None else format(delay.most, '.0f')}"


def settings_text(mends: Mapping[str, Any]) -> str:
    """Return settings as they are written in a policy, such as `labels.per_night: 20`."""
    return ", ".join(f"{key}: {_plain(value)}" for key, value in mends.items())


def shortfall_text(shortfall: Shortfall) -> str:
    """Return the shortfall with the key it comes from, and what would mend it."""
    key = f" ({shortfall.key}: {_plain(shortfall.value)})" if shortfall.key else ""
    cure = f"; would help: {settings_text(shortfall.mends)}" if shortfall.mends else ""
    return f"{shortfall.means}{key}{cure}"


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
    most = f"in {fall.most:.0f} nights at most in 9 of 10 cases" if fall.most else "later in some cases"
    return f"{fall.what}: an alarm in about {fall.median:.0f} nights, {most}, with {labels}"


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
    gain = power.gate.gains[0]
    return (
        f"an alarm has its labels for a retraining after {power.labels.nights_to_retraining} nights; the gate's "
        f"{power.gate.per_night:.1f} labels a night show a rise from {gain.before:.0%} to {gain.after:.0%} in "
        f"{gain.nights} nights"
    )


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {one:g}" for key, one in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
