"""The split of a group."""

from collections import Counter

import pytest

from leeway.data.split import SplitShares, split_of, uniform_number
from leeway.errors import ParamsError
from leeway.paramsfile import parse_section

SHARES = SplitShares(val=0.15, test=0.25)
GROUPS = [f"patient {number}" for number in range(4_000)]


def test_gives_each_split_its_share_of_the_groups() -> None:
    counts = Counter(split_of(group, SHARES) for group in GROUPS)
    assert counts["test"] / 4_000 == pytest.approx(0.25, abs=0.03)  # more than four standard deviations
    assert counts["val"] / 4_000 == pytest.approx(0.15, abs=0.03)
    assert counts["train"] / 4_000 == pytest.approx(0.60, abs=0.04)


def test_is_the_same_for_ever() -> None:
    splits = [split_of(group, SHARES) for group in ("a", "b", "c", "3", "g", "h")]
    assert splits == ["train", "test", "test", "val", "train", "train"]


def test_a_group_stays_in_test_when_the_test_share_grows() -> None:
    larger = SplitShares(val=0.15, test=0.4)
    assert all(split_of(group, larger) == "test" for group in GROUPS if split_of(group, SHARES) == "test")


def test_the_number_of_a_text_is_in_the_unit_interval() -> None:
    numbers = [uniform_number(group) for group in GROUPS]
    assert min(numbers) >= 0
    assert max(numbers) < 1
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"val": 0, "test": 0.2}, "data.split.val: Input should be greater than 0"),
        ({"val": 0.1, "test": 0.6}, "data.split.test: Input should be less than or equal to 0.5"),
        ({"val": 0.45, "test": 0.45}, "must stay below 0.9"),
        ({"val": 0.1}, "data.split.test: is missing"),
        ({"val": 0.1, "test": 0.1, "train": 0.8}, "data.split.train: unknown key"),
    ],
)
def test_refuses_shares_that_leave_a_split_empty(shares: dict[str, float], told: str) -> None:
    with pytest.raises(ParamsError) as error:
        parse_section(shares, SplitShares, where="params.yaml", prefix="data.split")
    assert told in str(error.value)
