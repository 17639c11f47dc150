"""A production whose truth is known: digits before a camera that is tilted one night, and a person who labels."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from leeway.domain.records import Label, Prediction

SIDE = 32  # pixels of a camera image
SHIFT_PIXELS = 1.5  # a digit lies within +- this, both ways
NOISE = 6.0  # standard deviation of pixel noise, of 255
TILT_DEGREES = -30.0  # clockwise
BLUR_PIXELS = 1.0
FAVOURED = frozenset("13579")  # drifted production shows these in 74 % of its images: total variation .24 from even
FAVOURED_SHARE = 0.74


@dataclass(frozen=True, slots=True)
class Digit:
    """One real handwritten digit; every image of it is of one group."""

    group: str
    label: str
    content: bytes  # encoded


@dataclass(frozen=True, slots=True)
class Shot:
    """One production image, with the truth that production itself does not know."""

    id: str
    content: bytes  # PNG
    truth: str
    group: str
    occurred_at: datetime


class DigitWorld:
    """Sends images night by night; the same seed and night give the same images."""

    def __init__(
        self,
        digits: Iterable[Digit],
        *,
        seed: int,
        first_night: date,
        drift_night: int | None,
        favours: bool = True,
        tilt_degrees: float = TILT_DEGREES,
    ) -> None:
        """Nights count from 1, `first_night`. With `drift_night` None the world never changes.

        `favours`: whether the drift changes the mix of classes, too, beside the tilt and the blur.
        """
        self.digits = sorted(digits, key=lambda digit: digit.group)
        self.seed = seed
        self.first_night = first_night
        self.drift_night = drift_night
        self.favours, self.tilt_degrees = favours, tilt_degrees

    def drifted(self, night: int) -> bool:
        return self.drift_night is not None and night >= self.drift_night

    def shots(self, night: int, *, count: int) -> list[Shot]:
        """`count` images, evenly over the day (UTC)."""
        rng = np.random.default_rng([self.seed, night])
        chosen = rng.choice(len(self.digits), size=count, p=self._shares(night))
        midnight = datetime.combine(self.first_night + timedelta(days=night - 1), time(), tzinfo=UTC)
        tilt = self.tilt_degrees if self.drifted(night) else None
        return [
            Shot(
                id=f"{self.seed}-{night:03d}-{place:05d}",
                content=photograph(self.digits[index].content, rng, tilt_degrees=tilt),
                truth=self.digits[index].label,
                group=self.digits[index].group,
                occurred_at=midnight + timedelta(days=1) * (place / count),
            )
            for place, index in enumerate(chosen)
        ]

    def _shares(self, night: int) -> np.ndarray:
        """(N,) chance of each digit: every class alike before the drift, the favoured ones more often after it."""
        labels = np.array([digit.label for digit in self.digits])
        favoured = np.isin(labels, list(FAVOURED))
        of_class = np.full(len(labels), 0.1)
        if self.favours and self.drifted(night):
            of_class = np.where(favoured, FAVOURED_SHARE / 5, (1 - FAVOURED_SHARE) / 5)
        _, place, size = np.unique(labels, return_inverse=True, return_counts=True)
        shares: np.ndarray = of_class / size[place]
        return np.asarray(shares / shares.sum())


def photograph(content: bytes, rng: Generator, *, tilt_degrees: float | None) -> bytes:
    """The digit as the camera sees it, as PNG: shifted and noisy, and since the drift tilted and blurred."""
    image = Image.open(io.BytesIO(content)).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    across, down = rng.uniform(-SHIFT_PIXELS, SHIFT_PIXELS, size=2)
    image = image.rotate(tilt_degrees or 0.0, resample=Image.Resampling.BILINEAR, translate=(across, down))
    if tilt_degrees is not None:
        image = image.filter(ImageFilter.GaussianBlur(BLUR_PIXELS))
    noisy = np.asarray(image) + rng.normal(0, NOISE, size=(SIDE, SIDE))
    encoded = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(encoded, format="PNG")
    return encoded.getvalue()


class Labeler:
    """Answers with the truth, and slips now and then. `slip` 1 - 1/K answers at random."""

    def __init__(self, classes: Sequence[str], *, slip: float, rng: Generator) -> None:
        self.classes = tuple(classes)
        self.slip = slip
        self.rng = rng

    def answer(self, prediction: Prediction, truth: str, *, now: datetime) -> Label:
        answer = truth
        if self.rng.random() < self.slip:
            answer = str(self.rng.choice([name for name in self.classes if name != truth]))
        return Label(prediction.model, prediction.id, answer, "simulated", now)
