"""Decides the split of a group by its hash, so that an image keeps its split for ever."""

import hashlib

from pydantic import Field, model_validator

from leeway.paramsfile import ParamsModel

SPLITS = ("train", "val", "test")


class SplitShares(ParamsModel):
    """Shares of the groups that go to validation and test; the rest is for training."""

    val: float = Field(gt=0, le=0.5)
    test: float = Field(gt=0, le=0.5)

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> "SplitShares":
        if self.val + self.test >= 0.9:
            raise ValueError(f"val + test is {self.val + self.test:.2f}; must stay below 0.9: the rest is for training")
        return self


def split_of(group: str, shares: SplitShares) -> str:
    """`train`, `val` or `test`: depends on the group's name and the shares alone, never on the other images.

    The test share is cut first, then val. Raising `test` therefore takes from val and train, and a group that was
    in test stays there.
    """
    number = uniform_number(group)
    if number < shares.test:
        return "test"
    return "val" if number < shares.test + shares.val else "train"


def uniform_number(text: str) -> float:
    """In [0, 1), the same on every machine: the first 53 bits of the text's sha256, as many as a float holds."""
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11) / 2**53
