"""Page: an evaluation as one HTML file that needs no network and runs no script."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leeway.evaluation.reads import told_reads
from leeway.evaluation.record import Evaluation
from leeway.evaluation.robustness import ATTACK, CLEAN, Trial, worst
from leeway.evaluation.weaknesses import frequent_confusions, weakest_first
from leeway.pages.environment import write_html

MOST_CLASSES = 200  # in the table; metrics.json has them all
MOST_CONFUSIONS = 12
SYMBOLS = {"pass": "●", "fail": "▲", "unknown": "○"}


def write_page(path: Path, evaluation: Evaluation, pictures: Mapping[str, Path]) -> None:
    """One self-contained file; all that comes from data is escaped. `pictures` are PNGs by name."""
    inline = {name: _inline(one) for name, one in pictures.items()}
    write_html(path, "evaluation.html", _content(evaluation) | {"pictures": inline})


def robustness_rows(trials: tuple[Trial, ...]) -> list[tuple[str, list[Trial]]]:
    """(corruption, its trials by strength), the clean images and the attack apart."""
    names = dict.fromkeys(one.corruption for one in trials if one.corruption not in (CLEAN, ATTACK))
    return [(name, [one for one in trials if one.corruption == name]) for name in names]


def _content(evaluation: Evaluation) -> dict[str, Any]:
    """What the template is given."""
    classes = weakest_first(evaluation.report)
    checks = evaluation.checklist.items
    return {
        "it": evaluation,
        "report": evaluation.report,
        "training": evaluation.contents.training,
        "symbols": SYMBOLS,
        "counts": {outcome: sum(one.outcome == outcome for one in checks) for outcome in SYMBOLS},
        "classes": classes[:MOST_CLASSES],
        "hidden_classes": len(classes) - MOST_CLASSES,
        "few": sum(one.support < 100 for one in classes),
        "confusions": frequent_confusions(evaluation.report, most=MOST_CONFUSIONS),
        "clean": next((one for one in evaluation.trials if one.corruption == CLEAN), None),
        "attack": next((one for one in evaluation.trials if one.corruption == ATTACK), None),
        "corruptions": robustness_rows(evaluation.trials),
        "worst": worst(evaluation.trials) if evaluation.trials else None,
        "reads": told_reads(evaluation.readers),
        "evaluations": evaluation.readers.count("evaluate"),
    }


def _inline(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
