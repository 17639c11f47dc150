"""Draws a night's page with Evidently: people look at it, the verdict is ours."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leeway.domain.records import Prediction
from leeway.domain.text import counted
from leeway.errors import WorkspaceError
from leeway.stats.drift import chi_square

MOST_ROWS = 20_000  # a side: a page of 100,000 takes 4 s and shows no more
TEST_NAME = "leeway_homogeneity"


def write_page(
    path: Path,
    *,
    reference: Sequence[Prediction],
    current: Sequence[Prediction],
    classes: Sequence[str],
    title: str,
    alarm_under_p: float,
) -> None:
    """One self-contained HTML file: drift of predicted class and confidence, current night against reference nights.

    Confidence is left out unless both sides have some: Evidently refuses a column that only the night has.
    The p-value of the predicted classes comes from our own two-sample test: Evidently's chi-square takes the reference
    as exact, and alarms on half of all unchanged windows. Of the labels nothing is drawn: they are a biased sample, and
    a plain mean of it would mislead. Raises WorkspaceError if Evidently is not installed or a side is empty.
    """
    if not reference or not current:
        raise WorkspaceError(
            f"{counted(len(reference), 'reference prediction')} and {len(current)} of the night: both are needed"
        )
    for name in ("EVIDENTLY_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ.setdefault(name, "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's own, about the versions of what it imports
        try:
            from evidently import DataDefinition, Dataset, Report
            from evidently.metrics import ValueDrift
            from evidently.presets import DataSummaryPreset
        except ImportError as error:
            raise WorkspaceError(f"pages need Evidently ({error}): pip install 'leeway[report]'") from None
        _register_test(classes)
        tables = [_table(rows) for rows in (current, reference)]
        drift = [ValueDrift(column="predicted_class", method=TEST_NAME, threshold=alarm_under_p)]
        numbers = ["confidence"] if all(one["confidence"].notna().any() for one in tables) else []
        drift += [ValueDrift(column=name, method="ks", threshold=alarm_under_p) for name in numbers]
        columns = DataDefinition(categorical_columns=["predicted_class"], numerical_columns=numbers)
        shown = ["predicted_class", *numbers]
        sides = [Dataset.from_pandas(one[shown], data_definition=columns) for one in tables]
        path.parent.mkdir(parents=True, exist_ok=True)
        Report([*drift, DataSummaryPreset()], metadata={"night": title}).run(*sides).save_html(str(path))


def _table(rows: Sequence[Prediction]) -> Any:
    import pandas as pd

    step = -(-len(rows) // MOST_ROWS)  # every step-th row, by id: ids carry no order of time or content
    shown = rows[::step]
    return pd.DataFrame(
        {
            "predicted_class": pd.Series([one.predicted_class for one in shown], dtype="object"),
            "confidence": pd.Series([one.confidence for one in shown], dtype="float64"),
        }
    )


def _register_test(classes: Sequence[str]) -> None:
    """Our two-sample test of homogeneity under its name; registering it again replaces it."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def p_value(reference: Any, current: Any, feature_type: Any, threshold: float) -> tuple[float, bool]:  # noqa: ARG001
        counts = [np.array([(side == name).sum() for name in classes]) for side in (reference, current)]
        found = chi_square(counts[0], counts[1], alpha=threshold, rng=np.random.default_rng(0))
        return found.p, found.p < threshold

    test = StatTest(
        name=TEST_NAME,
        display_name="exact two-sample chi-square (leeway)",
        allowed_feature_types=[ColumnType.Categorical],
    )
    register_stattest(test, default_impl=p_value)
