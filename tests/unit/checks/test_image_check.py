"""The check of images: it adds up its nights, alerts, and is no part of the budget of what can retrain."""

from dataclasses import replace

import numpy as np
import pytest

from leeway.checks.image_drift import ImageDrift
from leeway.checks.policy import Policy
from leeway.checks.registry import Evidence
from leeway.domain.image_night import ImageNight, ReferenceBet
from leeway.domain.records import CheckResult, Status
from made_nights import reference, window

MOVED = ReferenceBet("2025-03-01", "2025-03-14", (2.4, 2.4, 2.4, 2.4), 0.51)


def run(images: ImageNight, previous: CheckResult | None = None) -> CheckResult:
    given = Evidence(window(20), reference(), images=images)
    return ImageDrift().run(given, previous, alpha=0.0, rng=np.random.default_rng(0))


def lived(nights: int, found: ReferenceBet = MOVED) -> list[CheckResult]:
    results: list[CheckResult] = []
    for _ in range(nights):
        results.append(run(ImageNight("", 300, bets={"14": found}), results[-1] if results else None))
    return results


def test_it_takes_five_nights_at_the_cap_to_alarm_and_says_by_how_much_images_moved() -> None:
    results = lived(6)
    assert [one.status for one in results].index(Status.FIRED) == 4
    assert results[-1].threshold == pytest.approx(365 / 0.02)
    assert results[-1].effect == 0.51
    assert "+0.51 sd" in results[-1].reason


def test_its_alert_is_no_part_of_the_budget_and_starts_no_burst() -> None:
    policy = Policy()
    check = policy.checks["image_drift"]
    assert (check.then, check.budget_share) == ("alert", 0)
    assert "image_drift" not in policy.alarming


def test_a_night_without_images_keeps_the_evidence_and_says_why() -> None:
    before = lived(3)[-1]
    found = run(ImageNight("2 of 9 images drawn can be read; 30 are needed"), before)
    assert (found.status, found.state) == (Status.NO_VERDICT, before.state)
    assert found.reason.startswith("2 of 9 images")


def test_the_second_reference_joins_with_evidence_of_its_own() -> None:
    before = lived(5)[-1]
    later = run(ImageNight("", 300, bets={"14": MOVED, "28": replace(MOVED, until="2025-03-28")}), before)
    assert before.statistic is not None
    assert later.statistic is not None
    assert later.state["28"]["nights"] == 1
    assert later.state["14"]["nights"] == 6
    assert later.statistic == pytest.approx(((before.statistic + 1) * np.exp(2.4) + np.exp(2.4)) / 2)


def test_evidence_against_other_reference_nights_begins_anew() -> None:
    other = replace(MOVED, since="2025-04-01")
    found = run(ImageNight("", 300, bets={"14": other}), lived(4)[-1])
    assert found.statistic == pytest.approx(np.exp(2.4))
    assert found.state["14"]["nights"] == 1
