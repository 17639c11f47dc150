"""Repeats: who comes often in a night is seen in a sample of it, and counts once."""

import numpy as np
import pytest

from battery import VERSION, prediction
from leeway.checks.drift import PredictionDrift
from leeway.checks.registry import Evidence
from leeway.checks.repeats import Suspects, surplus, suspects
from leeway.domain.records import CheckResult, Copies, Prediction, Status, WindowCounts
from made_nights import CLASSES, night

IMAGE = "c0" * 32


def others(count: int, *, seed: int = 0) -> list[Prediction]:
    """Predictions that have nothing to do with each other."""
    answers = np.random.default_rng(seed).choice(CLASSES, count).tolist()
    return [
        prediction(f"p{place}", image=f"{place:064x}", group=f"g{place}", predicted_class=said)
        for place, said in enumerate(answers)
    ]


def alike(count: int, *, said: str = "dog", **changed: object) -> list[Prediction]:
    return [
        prediction(f"c{place}", **{"image": f"{10**6 + place:064x}", "predicted_class": said, **changed})
        for place in range(count)
    ]


@pytest.mark.parametrize(("count", "seen"), [(4, False), (5, True)])
def test_an_image_of_which_a_sample_holds_five_comes_often(count, seen):
    rows = [*others(500), *alike(count, image=IMAGE, group=IMAGE)]
    assert suspects(rows) == (Suspects(images=frozenset({IMAGE})) if seen else Suspects())


def test_a_group_comes_often_where_it_is_answered_alike_beyond_chance():
    group = alike(12, group="patient 7")
    assert suspects([*others(500), *group]).groups == {("patient 7", "dog")}
    mixed = [*others(500), *group[:6], *alike(6, said="cat", group="patient 7")]
    assert suspects(mixed) == Suspects()


def test_a_camera_whose_images_are_all_of_the_usual_class_is_no_copy():
    """Nine of ten parts are sound: thirty sound ones in a row are nothing to notice."""
    rows = [prediction(f"p{k}", image=f"{k:064x}", group=f"g{k}", predicted_class="dog") for k in range(450)]
    rows += [prediction(f"q{k}", image=f"{500 + k:064x}", group=f"h{k}", predicted_class="cat") for k in range(50)]
    assert suspects([*rows, *alike(30, group="camera 1")]) == Suspects()
    assert suspects(alike(200, group="the only camera")) == Suspects()


def test_a_name_that_is_no_hash_says_nothing_about_the_bytes():
    assert (
        suspects([*others(500), *alike(3, image="latest.jpg"), *alike(3, said="cat", image="latest.jpg")]) == Suspects()
    )


def test_what_comes_often_counts_once_in_each_band():
    found = Suspects(images=frozenset({IMAGE}), groups=frozenset({("patient 7", "cat")}))
    counted = [
        Copies(IMAGE, "dog", 2, 300),
        Copies(IMAGE, "horse", 2, 5),  # a class that the model does not have
        Copies("patient 7", "cat", 0, 4),
        Copies("patient 7", "cat", -1, 3),  # without a confidence: of the middle band
        Copies("patient 7", "dog", 0, 9),  # not what made it suspect
    ]
    assert surplus(VERSION, found, counted) == ((3, 2, 0), (0, 0, 299), (0, 0, 0))
    assert surplus(VERSION, found, [Copies(IMAGE, "dog", 2, 1)]) == ()


def window(number: int, counts: list[int], *, copies: int = 0) -> WindowCounts:
    """A night of these predictions, and copies of an image that is answered as cat."""
    of_all = tuple((count + copies * (place == 0), 0, 0) for place, count in enumerate(counts))
    repeats = ((copies, 0, 0), (0, 0, 0), (0, 0, 0)) if copies else ()
    return WindowCounts("m", 1, night(number), CLASSES, of_all, repeats=repeats)


def drift_of(nights: list[WindowCounts]) -> CheckResult:
    evidence = Evidence(nights[-1], VERSION.reference, earlier=nights[:-1], closed=[], recent=[])
    return PredictionDrift().run(evidence, None, alpha=0.02, rng=np.random.default_rng(0))


def test_drift_sees_the_night_without_the_copies():
    counts = np.random.default_rng(1).multinomial(900, [1 / 3] * 3, size=12).tolist()
    plain = drift_of([window(number, one) for number, one in enumerate(counts)])
    copied = drift_of([window(n, one, copies=299 * (n in (3, 11))) for n, one in enumerate(counts)])
    assert plain.status is copied.status is Status.QUIET
    assert (copied.statistic, copied.effect) == (plain.statistic, plain.effect)
    assert copied.details["shares"] == plain.details["shares"]
    assert "299 more copies" in copied.reason


def test_a_night_that_is_little_but_copies_has_no_verdict():
    nights = [window(number, [300, 300, 300]) for number in range(8)]
    found = drift_of([*nights, window(8, [20, 20, 20], copies=500)])
    assert found.status is Status.NO_VERDICT
    assert "60 predictions" in found.reason
