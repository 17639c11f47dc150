"""Augmentation profiles: how far a training image may be changed, by what it shows. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from leeway.paramsfile import ParamsModel, Share

Factor = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far each image of a batch may be changed by its own draws. As it stands: not at all."""

    crop_scale: float = 1.0  # smallest share of the area that a crop keeps before it is scaled back; 1: no crop
    crop_aspect: float = 1.0  # most by which a crop's sides are stretched against each other
    shift_share: float = (
        0.0  # shift within +- this share of the side; mirrored at the border, or continued if turned, too
    )
    horizontal_flip: float = 0.0  # probability
    vertical_flip: float = 0.0  # probability
    quarter_turns: bool = False  # turns by 0, 90, 180 or 270 degrees, equally likely (by 0 or 180 if the sides differ)
    rotation_degrees: float = 0.0  # within +- this
    perspective: float = 0.0  # one side appears larger, the opposite one smaller, by up to this share
    brightness: float = 0.0  # factor within 1 +- this
    contrast: float = 0.0  # factor of the distance to the image's mean grey, within 1 +- this
    saturation: float = 0.0  # factor of the distance to the pixel's own grey, within 1 +- this
    noise: float = 0.0  # standard deviation of Gaussian pixel noise, of the 0..1 range
    erase_share: float = 0.0  # side of a square that takes the image's mean colour, as a share of the shorter side


PROFILES: Mapping[str, Augmentation] = MappingProxyType(
    {
        # Photographs of things and scenes. Half of the area still shows the thing (ImageNet's customary 0.08 pays off
        # over hundreds of epochs only); 4/3 is customary; light changes, hues seldom do.
        "natural": Augmentation(
            crop_scale=0.5, crop_aspect=4 / 3, horizontal_flip=0.5, brightness=0.2, contrast=0.2, saturation=0.2
        ),
        # Scans and radiographs. Left and right mean something, and so does shape; patients lie a few degrees askew and
        # a little off the centre, exposure varies a little.
        "medical": Augmentation(shift_share=0.04, rotation_degrees=7.0, brightness=0.1, contrast=0.1),
        # Seen from above, nothing is upright: flips, quarter turns and +-45 degrees make every angle equally likely.
        # Height varies the scale, not the aspect; haze and season vary the light.
        "aerial": Augmentation(
            crop_scale=0.7,
            horizontal_flip=0.5,
            vertical_flip=0.5,
            quarter_turns=True,
            rotation_degrees=45.0,
            brightness=0.2,
            contrast=0.2,
            saturation=0.1,
        ),
        # Pages, labels, receipts. Mirrored text does not exist; a hand-held camera is a little askew, its light uneven.
        "document": Augmentation(
            shift_share=0.02, rotation_degrees=3.0, perspective=0.05, brightness=0.25, contrast=0.25
        ),
        # Single handwritten characters, a few pixels large: slanted, off the centre, speckled. Measured: docs/demo.md.
        "digits": Augmentation(shift_share=0.06, rotation_degrees=10.0, noise=0.05),
        "none": Augmentation(),
    }
)


class AugmentationParams(ParamsModel):
    """`train.augmentation` of params.yaml: a profile, and what to set otherwise than it does."""

    profile: Literal["natural", "medical", "aerial", "document", "digits", "none"]
    crop_scale: Annotated[float, Field(gt=0, le=1)] | None = None
    crop_aspect: Annotated[float, Field(ge=1, le=4)] | None = None
    shift_share: Annotated[float, Field(ge=0, le=0.5)] | None = None
    horizontal_flip: Share | None = None
    vertical_flip: Share | None = None
    quarter_turns: bool | None = None
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] | None = None
    perspective: Annotated[float, Field(ge=0, le=0.5)] | None = None
    brightness: Factor | None = None
    contrast: Factor | None = None
    saturation: Factor | None = None
    noise: Share | None = None
    erase_share: Share | None = None

    def resolved(self) -> Augmentation:
        """The profile, with the keys that are set in place of its own."""
        return replace(PROFILES[self.profile], **self.model_dump(exclude={"profile"}, exclude_none=True))
