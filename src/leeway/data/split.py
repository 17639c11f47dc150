"""Decides the split of a group by its hash, so that an image keeps its split for ever."""

import hashlib

from pydantic import model_validator

from leeway.paramsfile import ParamsModel, setting

SPLITS = ("train", "val", "test")
HELD_OUT = "held_out"  # kept without being used
TRAINVAL = "trainval"  # given for training: val is cut from it by hash
GIVEN_SPLITS = (*SPLITS, HELD_OUT, TRAINVAL)  # what a source may say of an image
USUAL = 0.10, 0.15  # of val and of test: much less measures little, much more trains on little


class SplitShares(ParamsModel):
    """Shares of the groups that go to validation and test, or are held out; the rest is for training."""

    val: float = setting(
        "share of the groups to validate on. An image keeps its split for ever; where the source names a split, that "
        "one holds",
        "0.1 to 0.15 is usual: less measures little, more leaves little to train on",
        gt=0,
        le=0.5,
    )
    test: float = setting(
        "share of the groups to test on; they are never trained on",
        "0.1 to 0.15 is usual; more lets the gate show smaller losses",
        gt=0,
        le=0.5,
    )
    held_out: float = setting(
        "share of the groups that is kept and not used",
        "above 0: images for a test of your own",
        default=0.0,
        ge=0,
        le=0.9,
    )

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "SplitShares":
        if self.val + self.test + self.held_out >= 0.9:
            told = f"val + test is {self.val + self.test:.2f}"
            if self.held_out:
                told = f"val + test + held_out is {self.val + self.test + self.held_out:.2f}"
            raise ValueError(f"{told}; must stay below 0.9: the rest is for training")
        return self

    def unusual(self) -> list[str]:
        """Shares outside what is usual, each with its reason in words."""
        low, high = USUAL
        given = {"val": self.val, "test": self.test}
        return [
            f"data.split.{name} is {share:g}; usual is {low:g} to {high:g}, with 0.7 to 0.8 for training"
            for name, share in given.items()
            if not low <= share <= high
        ]


def split_of(group: str, shares: SplitShares, *, tested: bool = True) -> str:
    """`train`, `val`, `test` or `held_out`: depends on the group's name and the shares alone, never on other images.

    The test share is cut first, then val; `held_out` is cut from the other end. Raising `test` therefore takes from
    val and train, and a group that was in test stays there. With `tested` False, what would be tested is trained on.
    """
    number = uniform_number(group)
    if number < shares.test:
        return "test" if tested else "train"
    if number < shares.test + shares.val:
        return "val"
    return HELD_OUT if number >= 1 - shares.held_out else "train"


def uniform_number(text: str) -> float:
    """In [0, 1), the same on every machine: the first 53 bits of the text's sha256, as many as a float holds."""
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11) / 2**53
