"""Numbers: the files that DVC compares and plots."""

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from leeway import durable
from leeway.data.spreadsheet import write_file
from leeway.evaluation.metrics import NO_ANSWER, Report
from leeway.evaluation.record import Evaluation


def write_metrics(path: Path, evaluation: Evaluation) -> None:
    """The metrics of `dvc metrics show`, written last: a file of them is there once all else is."""
    told = json.dumps(evaluation.to_json(), indent=1, ensure_ascii=False)
    durable.write_text(path, f"{told}\n")


def write_plots(folder: Path, report: Report, *, truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    """confusion.csv and reliability.csv; truth, predicted (N,) class indices, NO_ANSWER allowed among the latter."""
    names = {**dict(enumerate(report.classes)), NO_ANSWER: "(no answer)"}
    pairs = zip(truth.tolist(), predicted.tolist(), strict=True)
    write_file(folder / "confusion.csv", ["actual", "predicted"], ((names[was], names[said]) for was, said in pairs))
    bins = report.calibrated.bins if report.calibrated else ()
    rows = [(one.confidence, one.accuracy.value, one.count) for one in bins if one.accuracy]
    write_file(folder / "reliability.csv", ["confidence", "accuracy", "images"], rows)
