"""A source of exactly the images a test names."""

from dataclasses import dataclass
from functools import partial

from leeway.data.items import Item
from leeway.paramsfile import ParamsModel


@dataclass(frozen=True)
class Image:
    origin: str
    label: str
    content: bytes
    group: str | None = None
    split: str | None = None


class Given(ParamsModel):
    """Gathering from it again with more images adds to the shards that are there."""

    kind: str = "given"
    place: str = "the given images"
    images: tuple[Image, ...]

    def items(self) -> list[Item]:
        ordered = sorted(self.images, key=lambda image: image.origin)
        return [
            Item(
                image.origin,
                image.label,
                len(image.content),
                0,
                read=partial(bytes, image.content),
                group=image.group,
                split=image.split,
            )
            for image in ordered
        ]

    def model_dump(self, **_: object) -> dict[str, str]:  # type: ignore[override]
        return {"kind": self.kind}
