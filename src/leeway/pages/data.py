"""Draws the pages about a dataset, its audit and its likely label errors: HTML that needs no network and no script."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from leeway.bundle.resize import decode
from leeway.curation.audit import Audit
from leeway.curation.label_errors import LabelError
from leeway.data.split import SPLITS
from leeway.errors import DataError
from leeway.pages import words
from leeway.pages.environment import write_html
from leeway.pages.night import thumbnail

SMALL = 48  # pixels: smaller images are shown as they are, in whole screen pixels


@dataclass(frozen=True, slots=True)
class SampleImage:
    """An image of the dataset, to be looked at."""

    origin: str
    split: str
    content: bytes  # encoded


@dataclass(frozen=True, slots=True)
class AugmentedImage:
    """An image as the network is given it, and as augmentation changes it: draws (D, H, W, C) uint8, plain the same."""

    label: str
    origin: str
    plain: np.ndarray  # (H, W, C)
    draws: np.ndarray


def write_audit_page(
    path: Path, audit: Audit, *, samples: Mapping[str, Sequence[SampleImage]], preview: Sequence[AugmentedImage] | str
) -> None:
    """`samples` of each shown class, in order of split; `preview` a sentence where there is none.

    All that comes from data is escaped. Raises WorkspaceError where Jinja2 is missing.
    """
    by_name = {one.name: one for one in audit.classes}
    content = {
        "audit": audit,
        "splits": SPLITS,
        "most": max((one.used for one in audit.classes), default=1) or 1,
        "samples": [(by_name[name], _by_split(found)) for name, found in samples.items()],
        "hidden": len(audit.classes) - len(samples),
        "preview": [(one, array_picture(one.plain), [array_picture(draw) for draw in one.draws]) for one in preview]
        if not isinstance(preview, str)
        else [],
        "without_preview": preview if isinstance(preview, str) else "",
    }
    write_html(path, "data_audit.html", content)


def write_label_error_page(
    path: Path, errors: Sequence[LabelError], *, images: Sequence[bytes], digest: str, not_judged: Sequence[str]
) -> None:
    """The first errors, as many as there are images, most suspicious first. Raises WorkspaceError without Jinja2."""
    shown = list(zip(errors, map(picture, images), strict=False))
    likely = sum(one.likely for one in errors)
    content = {
        "parts": [
            ("Likely wrong", [pair for pair in shown if pair[0].likely], likely),
            ("Contradicted", [pair for pair in shown if not pair[0].likely], len(errors) - likely),
        ],
        "digest": digest,
        "not_judged": not_judged,
    }
    write_html(path, "label_errors.html", content)


def picture(content: bytes) -> str | None:
    """An encoded image as the address of an inline picture; None for one that cannot be decoded.

    A small one is kept pixel by pixel, since a few more of them cost nothing.
    """
    try:
        image = decode(content)
    except DataError:
        return None
    return array_picture(np.asarray(image.convert("RGB"))) if max(image.size) <= SMALL else thumbnail(content)


def array_picture(pixels: np.ndarray) -> str | None:
    """(H, W, C) uint8 as the address of an inline picture."""
    written = io.BytesIO()
    Image.fromarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels).save(written, "PNG")
    if max(pixels.shape[:2]) > SMALL:
        return thumbnail(written.getvalue())
    return words.inline(written.getvalue())


def _by_split(found: Sequence[SampleImage]) -> list[tuple[str, list[tuple[SampleImage, str | None]]]]:
    return [
        (split, [(one, picture(one.content)) for one in found if one.split == split])
        for split in dict.fromkeys(one.split for one in found)
    ]
