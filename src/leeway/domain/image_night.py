"""ImageNight: what the embeddings of one night's images say beside those of the reference nights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReferenceBet:
    """One night against one reference."""

    since: str  # first reference night, ISO
    until: str  # last one
    log_factors: Sequence[float]  # by which each bet of the detector multiplies its evidence, in logs
    shift: float  # in sd of images, in the direction in which the last nights have moved


@dataclass(frozen=True, slots=True)
class MovedImage:
    """A prediction whose image lies far out in the direction in which the images move."""

    prediction_id: str
    sd: float


@dataclass(frozen=True, slots=True)
class ImageNight:
    """A sample of one night's images. It is kept in the check's result, so that a replay needs no image."""

    reason: str = "0 images were embedded"  # why nothing is known; empty where `bets` says what is
    images: int = 0  # embedded
    unreadable: int = 0  # drawn, and not to be had
    nights: int = 0  # that may be reference, before this one
    bets: Mapping[str, ReferenceBet] = field(default_factory=dict)  # by the number of reference nights
    moved: Sequence[MovedImage] = ()  # most first
