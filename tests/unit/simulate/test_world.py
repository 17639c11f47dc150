"""The simulated production: repeatable, and drifted as it says."""

import io
from datetime import date
from functools import cache

import numpy as np
import pytest
from PIL import Image

from leeway.simulate.world import SIDE, Digit, DigitWorld, Labeler
from production import morning, open_in, send

FIRST = date(2026, 1, 1)


@cache
def digits() -> list[Digit]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(200):
        stored = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(stored, "PNG")
        found.append(Digit(f"digits/{number}", str(number % 10), stored.getvalue()))
    return found


def world(*, seed: int = 1, drift_night: int | None = 3) -> DigitWorld:
    return DigitWorld(digits(), seed=seed, first_night=FIRST, drift_night=drift_night)


def test_the_same_seed_and_night_send_the_same_images() -> None:
    assert world().shots(2, count=20) == world().shots(2, count=20)
    assert world().shots(2, count=20) != world(seed=2).shots(2, count=20)
    assert len({shot.id for number in (1, 2) for shot in world().shots(number, count=20)}) == 40


def test_a_night_spans_its_day_in_order() -> None:
    times = [shot.occurred_at for shot in world().shots(2, count=50)]
    assert times == sorted(times)
    assert {one.date() for one in times} == {date(2026, 1, 2)}


def test_the_drift_moves_a_quarter_of_the_class_mix_and_turns_the_image() -> None:
    before, after = (world().shots(number, count=4000) for number in (2, 3))
    shares = [np.bincount([int(shot.truth) for shot in shots], minlength=10) / 4000 for shots in (before, after)]
    assert abs(shares[0] - 0.1).max() < 0.03
    assert 0.5 * abs(shares[1] - shares[0]).sum() == pytest.approx(0.24, abs=0.03)
    image = Image.open(io.BytesIO(after[0].content))
    assert image.size == (SIDE, SIDE)


def test_without_a_drift_night_nothing_ever_drifts() -> None:
    still = world(drift_night=None)
    assert not any(still.drifted(number) for number in range(1, 400))


def test_the_labeler_tells_the_truth_but_for_its_slips(tmp_path) -> None:
    stores = open_in(tmp_path)
    said = send(stores, 1, count=1)[0]
    stores.close()
    labeler = Labeler(("blue", "green", "red"), slip=0.2, rng=np.random.default_rng(1))
    answers = [labeler.answer(said, "red", now=morning(1)).label for _ in range(2000)]
    assert np.mean([one == "red" for one in answers]) == pytest.approx(0.8, abs=0.03)
    assert set(answers) == {"blue", "green", "red"}
