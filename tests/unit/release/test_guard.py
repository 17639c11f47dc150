"""The guard: it refuses a class that is lost, rarely one at the floor, and names those too small to tell."""

import numpy as np

from leeway.release.guard import Recall, recall_guard

FLOOR = 0.75


def test_ten_classes_at_the_floor_are_refused_in_at_most_five_percent_of_cases():
    rng = np.random.default_rng(0)
    hits = rng.binomial(30, FLOOR, size=(1000, 10))
    refused = [
        recall_guard({str(k): Recall(30, int(x), 30) for k, x in enumerate(row)}, floor=FLOOR)[0].outcome == "failed"
        for row in hits
    ]
    assert sum(refused) / len(refused) < 0.06


def test_a_recall_of_zero_is_refused_wherever_it_could_be_and_told_wherever_not():
    for classes, images in ((10, range(1, 9)), (100, range(1, 12))):
        for count in images:
            recalls = {str(k): Recall(30, 30, 30) for k in range(classes - 1)} | {"rare": Recall(count, 0, count)}
            part, small = recall_guard(recalls, floor=FLOOR)
            assert (part.outcome == "failed") != ("rare" in small)


def test_images_of_few_groups_guard_no_more_than_their_groups_would():
    part, small = recall_guard({"a": Recall(20, 0, 20, design_effect=10.0)}, floor=FLOOR)
    assert part.outcome == "passed"
    assert small == ["a"]


def test_a_class_without_a_test_image_is_named_too():
    recalls = {"a": Recall(30, 30, 30), "none": Recall(0, 0, 0)}
    part, small = recall_guard(recalls, floor=FLOOR)
    assert (part.outcome, small) == ("passed", ["none"])
