"""Augmentation profiles: how far a training image may be changed, by what it shows. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from leeway.paramsfile import ParamsModel, Share, setting

Factor = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far each image of a batch may be changed by its own draws. As it stands: not at all.

    `AugmentationParams` says what each field is.
    """

    crop_scale: float = 1.0
    crop_aspect: float = 1.0
    shift_share: float = 0.0
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    quarter_turns: bool = False
    rotation_degrees: float = 0.0
    perspective: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    noise: float = 0.0
    erase_share: float = 0.0


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

    profile: Literal["natural", "medical", "aerial", "document", "digits", "none"] = setting(
        "what training images show, which decides how far each may be changed at random: `natural`, `medical`, "
        "`aerial`, `document`, `digits` or `none`. Any key below replaces the profile's number",
        "to what your images show",
    )
    crop_scale: float | None = setting(
        "smallest share of the area that a crop keeps before it is scaled back; 1: no crop", default=None, gt=0, le=1
    )
    crop_aspect: float | None = setting(
        "most by which a crop's sides are stretched against each other; 1: not at all", default=None, ge=1, le=4
    )
    shift_share: float | None = setting(
        "largest shift, as a share of the side; the border is mirrored, or continued where images are also rotated",
        default=None,
        ge=0,
        le=0.5,
    )
    horizontal_flip: Share | None = setting(
        "probability of mirroring left and right", "0 where left and right mean something", default=None
    )
    vertical_flip: Share | None = setting(
        "probability of mirroring top and bottom", "0.5 where nothing is upright", default=None
    )
    quarter_turns: bool | None = setting(
        "whether to turn by 0, 90, 180 or 270 degrees, equally likely (0 or 180 if the sides differ)",
        "`true` where nothing is upright",
        default=None,
    )
    rotation_degrees: float | None = setting(
        "largest rotation, either way", "0 is faster: rotation resamples every pixel", default=None, ge=0, le=180
    )
    perspective: float | None = setting(
        "largest share by which one side appears larger and the opposite one smaller",
        "0 is faster, as with rotation",
        default=None,
        ge=0,
        le=0.5,
    )
    brightness: Factor | None = setting("multiplies the brightness by a factor within 1 +- this", default=None)
    contrast: Factor | None = setting(
        "multiplies the distance to the image's mean grey by a factor within 1 +- this", default=None
    )
    saturation: Factor | None = setting(
        "multiplies the distance to the pixel's own grey by a factor within 1 +- this", default=None
    )
    noise: Share | None = setting("standard deviation of Gaussian pixel noise, of the range 0 to 1", default=None)
    erase_share: Share | None = setting(
        "side of a square that is filled with the image's mean colour, as a share of the shorter side", default=None
    )

    def resolved(self) -> Augmentation:
        """The profile, with the keys that are set in place of its own."""
        return replace(PROFILES[self.profile], **self.model_dump(exclude={"profile"}, exclude_none=True))
