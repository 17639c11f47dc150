"""Prediction logs of a made-up model that tests write as CSV: three classes, confident, right nine times of ten."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

CLASSES = ("cat", "dog", "ship")
START = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = ("prediction_id", "occurred_at", "predicted_class", "confidence", "label", "slice")

Row = dict[str, str]


def answers(
    count: int,
    *,
    nights: int = 1,
    first: int = 0,
    accuracy: float = 0.9,
    mix: Sequence[float] = (1 / 3, 1 / 3, 1 / 3),
    labelled: bool = False,
    name: str = "p",
) -> list[Row]:
    """`count` predictions in each of `nights` nights from night `first` on."""
    rng = np.random.default_rng([count, nights, first + 1])
    rows = []
    for night in range(first, first + nights):
        for place, said in enumerate(rng.choice(3, size=count, p=mix).tolist()):
            right = rng.random() < accuracy
            rows.append(
                {
                    "prediction_id": f"{name}-{night:03d}-{place:05d}",
                    "occurred_at": (START + timedelta(days=night, seconds=place)).isoformat(),
                    "predicted_class": CLASSES[said],
                    "confidence": f"{0.97 if right else rng.uniform(0.4, 0.95):.4f}",
                    "label": (CLASSES[said] if right else CLASSES[(said + 1) % 3]) if labelled else "",
                    "slice": f"camera-{place % 2}",
                }
            )
    return rows


def write_log(path: Path, rows: Iterable[Mapping[str, str]], *, columns: Sequence[str] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def reference(path: Path, *, accuracy: float = 0.95) -> Path:
    return write_log(path, answers(3000, first=-1, accuracy=accuracy, labelled=True, name="ref"))
