"""Draws the page of a night: one HTML file that needs no network and runs no script."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leeway.bundle.resize import decode
from leeway.checks.accuracy import Accuracy
from leeway.checks.attribution import AttributionOfShift
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.label_free import LabelFree, LabelFreeDetails
from leeway.checks.registry import details_of
from leeway.domain.night_view import ClassRow, Confusion, NightPage, Picture, ShareInterval
from leeway.domain.records import Action
from leeway.domain.text import days_text
from leeway.errors import DataError
from leeway.pages import words
from leeway.pages.charts import SYMBOLS, accuracy_chart, confidence_chart, evidence_chart
from leeway.pages.environment import write_html
from leeway.pages.words import short_text

SIDE = 96  # pixels of a thumbnail's longer side
MOST_ROWS = 50  # classes in the table
MISLEADS = 0.02  # the plain mean is shown, struck out, where it is further than this from the estimate
ACTIONS = {
    Action.NOTHING: "nothing to do",
    Action.MORE_LABELS: "more labels are asked for",
    Action.RETRAIN: "retrain",
    Action.STAND_DOWN: "stand down",
    Action.ALERT: "people are told",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture in the strip."""

    source: str | None  # data: address of the thumbnail
    says: str  # what the model said
    truth: str | None  # what a person said
    detail: str
    wrong: bool


def write_night_page(path: Path, page: NightPage) -> None:
    """One self-contained file. All that comes from data is escaped. Raises WorkspaceError where Jinja2 is missing."""
    write_html(path, "night.html", _content(page))


def _content(page: NightPage) -> dict[str, Any]:
    """What the template is given."""
    tonight = next((one for one in page.accuracies if one.night == page.night), None)
    estimate, plain = tonight.accuracy if tonight else None, page.plain_mean
    misleading = plain if estimate and plain is not None and abs(plain - estimate.value) > MISLEADS else None
    return {
        "page": page,
        "symbol": SYMBOLS[page.decision.action] if page.decision else "○",
        "action": ACTIONS[page.decision.action] if page.decision else "not decided yet",
        "estimate": estimate,
        "misleading": misleading,
        "floor": tonight.floor if tonight else None,
        "labelled": days_text(page.labelled_nights),
        "evidence": [(one.check, evidence_chart(one, page.actions)) for one in page.evidence],
        "accuracy": accuracy_chart(page.accuracies, page.actions, plain_mean=misleading),
        "confidence": confidence_chart(page.confidence) if page.confidence else None,
        "rows": page.class_rows[:MOST_ROWS],
        "more_rows": len(page.class_rows) - MOST_ROWS,
        "by_labels": page.result(Accuracy.name),
        "by_class": page.result(ClassAccuracy.name),
        "label_free": page.result(LabelFree.name),
        "attribution": page.result(AttributionOfShift.name),
        "standing": standing,
        "heat": _heat(page.confusion) if page.confusion else (),
        "mix_top": max((max(one.reference, one.current) for one in page.mix.shares), default=1) if page.mix else 1,
        "promises": _promises(page, estimate),
        "errors": tuple(map(_tile, page.errors)),
        "unsure": tuple(map(_tile, page.unsure)),
        "unlike": tuple(map(_tile, page.unlike)),
        "moved": tuple(map(_tile, page.moved)),
    }


def standing(row: ClassRow, *, recall: bool) -> str:
    """Where the interval lies beside the floor: `under`, `unclear`, `over`, or `unknown` without one."""
    found, floor = (row.recall, row.recall_floor) if recall else (row.precision, row.precision_floor)
    if found is None or floor is None:
        return "unknown"
    return "under" if found.high < floor else "over" if found.low >= floor else "unclear"


def _heat(confusion: Confusion) -> list[list[float]]:
    """(C, C) how strongly a cell is coloured, 0 to 1: its share of the row."""
    return [[round(one / max(sum(row), 1), 2) for one in row] for row in confusion.counts]


def _promises(page: NightPage, estimate: ShareInterval | None) -> list[tuple[str, float, ShareInterval | None]]:
    """(what it is, accuracy, its interval) of the label-free estimates, between the reference and the labels."""
    details = details_of(page.result(LabelFree.name), LabelFreeDetails) or LabelFreeDetails()
    promises = {
        "on the reference": details.reference,
        "calibrated confidence": details.calibrated,
        "ATC": details.thresholded,
    }
    found: list[tuple[str, float, ShareInterval | None]] = [
        (text, share, None) for text, share in promises.items() if share is not None
    ]
    labelled = f"labels of {days_text(page.labelled_nights)}"
    return [*found, (labelled, estimate.value, estimate)] if found and estimate else found


def _tile(picture: Picture) -> Tile:
    sure = "" if picture.confidence is None else f", {_confidence(picture.confidence)}"
    energy = "" if picture.energy is None else f", energy {picture.energy:.2f}"
    label = picture.label
    return Tile(
        source=thumbnail(picture.content),
        says=f"{short_text(picture.predicted_class, 80)}{sure}",
        truth=None if label is None else short_text(label, 80),
        detail=f"{picture.night}, {short_text(picture.id, 80)}{energy}",
        wrong=label is not None and label != picture.predicted_class,
    )


def _confidence(share: float) -> str:
    """100 % only where it is."""
    return f"{share:.0%}" if share < 0.995 else "100%" if share >= 1 else f"{share:.{3 if share >= 0.9995 else 1}%}"


def thumbnail(content: bytes | None) -> str | None:
    """The image as the address of a small JPEG; None for one that cannot be decoded."""
    if content is None:
        return None
    try:
        image = decode(content).convert("RGB")
    except (DataError, OSError, ValueError):
        return None
    image.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=80)
    return words.inline(written.getvalue(), "jpeg")
