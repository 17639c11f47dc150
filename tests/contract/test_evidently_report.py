"""The page of a night, drawn by Evidently."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from leeway.adapters.evidently.report import write_page
from leeway.domain.records import Prediction
from leeway.errors import WorkspaceError

CLASSES = ("cat", "dog", "ship")
pytestmark = pytest.mark.filterwarnings("ignore")  # Evidently's legacy half warns of pandas, numpy and itself


def predictions(count: int, mix: tuple[float, float, float]) -> list[Prediction]:
    rng = np.random.default_rng(count)
    night = datetime(2026, 3, 1, tzinfo=UTC)
    return [
        Prediction(str(place), "pets", 1, night, "", CLASSES[k], float(rng.beta(9, 1)), (), 0.0, 1.0, "")
        for place, k in enumerate(rng.choice(3, size=count, p=mix).tolist())
    ]


def page(
    path: Path, *, mix: tuple[float, float, float], without: tuple[str, ...] = (), share_without: float = 1.0
) -> str:
    """`without`: sides of which the first `share_without` have no confidence."""
    sides = {"reference": predictions(600, (0.4, 0.4, 0.2)), "current": predictions(200, mix)}
    for name in without:
        cut = int(len(sides[name]) * share_without)
        sides[name][:cut] = [replace(one, confidence=None) for one in sides[name][:cut]]
    write_page(
        path,
        **sides,
        classes=CLASSES,
        title="pets, night of 2026-03-01",
        alarm_under_p=7e-5,
    )
    return path.read_text(encoding="utf-8")


def test_a_drifted_night_is_drawn_as_one_by_our_own_test(tmp_path: Path) -> None:
    html = page(tmp_path / "nights" / "page.html", mix=(0.1, 0.2, 0.7))
    assert "Data drift detected. Drift detection method: exact two-sample chi-square (leeway)" in html


def test_an_unchanged_night_and_a_class_that_vanished_are_drawn(tmp_path: Path) -> None:
    assert "Data drift not detected. Drift detection method: exact" in page(tmp_path / "same.html", mix=(0.4, 0.4, 0.2))
    assert "Data drift detected. Drift detection method: exact" in page(tmp_path / "gone.html", mix=(0.6, 0.4, 0.0))


@pytest.mark.parametrize("without", [("current",), ("reference",), ("current", "reference")], ids=" and ".join)
def test_a_side_without_confidences_is_drawn_by_its_classes_alone(tmp_path: Path, without: tuple[str, ...]) -> None:
    html = page(tmp_path / "page.html", mix=(0.1, 0.2, 0.7), without=without)
    assert "Data drift detected. Drift detection method: exact two-sample chi-square (leeway)" in html
    assert "K-S p_value" not in html


def test_confidences_that_are_partly_missing_are_compared(tmp_path: Path) -> None:
    html = page(tmp_path / "page.html", mix=(0.4, 0.4, 0.2), without=("current", "reference"), share_without=0.5)
    assert "K-S p_value" in html


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    html = page(tmp_path / "page.html", mix=(0.4, 0.4, 0.2))
    assert "<script src=" not in html.replace(" ", " ").replace("'", '"').replace('<script src="data:', "")


def test_a_night_without_a_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="0 reference predictions"):
        write_page(
            tmp_path / "page.html",
            reference=[],
            current=predictions(5, (1, 0, 0)),
            classes=CLASSES,
            title="",
            alarm_under_p=0.01,
        )
    assert not list(tmp_path.iterdir())
