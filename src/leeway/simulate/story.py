"""The story of a simulated production: the numbers of summary.json, and whether the loop kept its word."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from leeway.domain.records import Action, CheckResult, Decision, Prediction, Status, Verdict
from leeway.simulate.world import Shot

LAST_NIGHTS = 15
LATEST_ALARM = 10  # nights after the drift
TEST_FLOOR, RECOVERED_FLOOR, RECOVERY, FORGETTING = 0.96, 0.93, 0.08, -2.0  # shares; the last in points


@dataclass(frozen=True, slots=True)
class LivedNight:
    """One night as it really was."""

    number: int  # from 1
    version: int  # of the champion that answered
    right: tuple[bool, ...]
    groups: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        return sum(self.right) / len(self.right)


@dataclass(slots=True)
class Story:
    """What happened, night by night."""

    seed: int
    nights: int
    first_night: date
    drift_night: int | None
    lived: list[LivedNight] = field(default_factory=list)
    results: dict[int, list[CheckResult]] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)
    dataset_versions: list[str] = field(default_factory=list)
    test_accuracy_v1: float = 0.0
    labels_used: int = 0
    promotions: list[tuple[int, int]] = field(default_factory=list)  # (version, first night that it answered)
    original_test_change_points: float | None = None
    trained_groups: frozenset[str] = frozenset()
    way_back: Verdict | None = None  # the gate's answer when asked to put the first version into the champion's place
    seconds: float = 0.0

    def live(self, number: int, shots: Sequence[Shot], predictions: Sequence[Prediction]) -> None:
        """Keeps how a night went; `shots` and `predictions` in one order."""
        right = tuple(said.predicted_class == shot.truth for shot, said in zip(shots, predictions, strict=True))
        self.lived.append(LivedNight(number, predictions[0].version, right, tuple(shot.group for shot in shots)))

    def number(self, night: date) -> int:
        return (night - self.first_night).days + 1

    @property
    def alarms(self) -> list[int]:
        """Nights whose decision was an alarm."""
        return [number for number, one in self.decisions.items() if one.action is Action.MORE_LABELS]

    @property
    def alarm_night(self) -> int | None:
        """The first alarm since the drift."""
        since = self.drift_night or 1
        return next((number for number in self.alarms if number >= since), None)

    def fired(self, number: int) -> list[str]:
        return [one.check for one in self.results.get(number, []) if one.status is Status.FIRED]

    def accuracy(self, first: int, last: int, *, without: Collection[str] = ()) -> float | None:
        """True share of right answers over nights `first` to `last`, without these groups; None where there is none."""
        right = [
            hit
            for night in self.lived
            if first <= night.number <= last
            for hit, group in zip(night.right, night.groups, strict=True)
            if group not in without
        ]
        return sum(right) / len(right) if right else None

    def summary(self) -> dict[str, Any]:
        """The numbers of summary.json: shares from 0 to 1, null where something did not happen."""
        quiet = self.drift_night - 1 if self.drift_night else self.nights
        promoted = next((night for _, night in self.promotions if night > (self.drift_night or 0)), None)
        recovered = (max(promoted, self.nights - LAST_NIGHTS + 1), self.nights) if promoted else None
        drifted = (self.drift_night, promoted - 1 if promoted else self.nights) if self.drift_night else None
        told = {
            "seed": self.seed,
            "nights": self.nights,
            "drift_night": self.drift_night,
            "alarm_night": self.alarm_night,
            "alarms_before_drift": sum(number <= quiet for number in self.alarms),
            "labels_used": self.labels_used,
            "test_accuracy_v1": self.test_accuracy_v1,
            "accuracy_before": self.accuracy(1, quiet),
            "accuracy_drifted": self.accuracy(*drifted) if drifted else None,
            "accuracy_recovered": self.accuracy(*recovered) if recovered else None,
            "accuracy_recovered_unseen": self.accuracy(*recovered, without=self.trained_groups) if recovered else None,
            "original_test_change_points": self.original_test_change_points,
            "promoted_version": self.promotions[-1][0] if self.promotions else None,
            "promoted_night": promoted,
            "dataset_versions": self.dataset_versions,
            "seconds": self.seconds,
        }
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in told.items()}

    def broken_promises(self) -> list[str]:
        """What a loop that works would not have done, one sentence each; empty if the story holds."""
        told = self.summary()
        broken = []
        if told["test_accuracy_v1"] < TEST_FLOOR:
            broken.append(
                f"the first model reached {told['test_accuracy_v1']:.1%} on its test split, not {TEST_FLOOR:.0%}"
            )
        if told["accuracy_before"] < RECOVERED_FLOOR:
            before = f"{told['accuracy_before']:.1%}"
            broken.append(f"{before} of the answers were right before anything had changed, not {RECOVERED_FLOOR:.0%}")
        if told["alarms_before_drift"]:
            broken.append(f"{told['alarms_before_drift']} alarms were raised before anything had changed")
        if self.way_back is None or self.way_back.passed:
            broken.append("the gate let the first version back, though nothing shows that it is better")
        return broken + (self._broken_after_drift(told) if self.drift_night else [])

    def _broken_after_drift(self, told: dict[str, Any]) -> list[str]:
        alarm, drift = told["alarm_night"], told["drift_night"]
        if alarm is None or alarm - drift > LATEST_ALARM:
            return [f"no alarm within {LATEST_ALARM} nights of the drift (night {drift}); first alarm: {alarm}"]
        if told["promoted_version"] is None:
            return ["no retrained version was promoted"]
        broken = []
        for name in ("accuracy_recovered", "accuracy_recovered_unseen"):
            if told[name] is None or told[name] < max(RECOVERED_FLOOR, told["accuracy_drifted"] + RECOVERY):
                seen = "unknown" if told[name] is None else f"{told[name]:.1%}"
                broken.append(
                    f"{name} is {seen}; wanted: {RECOVERED_FLOOR:.0%}, and {RECOVERY * 100:.0f} points over "
                    f"the {told['accuracy_drifted']:.1%} of the drifted nights"
                )
        if told["original_test_change_points"] < FORGETTING:
            lost = told["original_test_change_points"]
            broken.append(f"the new version changed by {lost:+.1f} points on the original test split")
        return broken
