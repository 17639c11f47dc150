"""Page: an evaluation as one HTML file that needs no network and runs no script."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leeway.evaluation.reads import told_reads
from leeway.evaluation.record import Evaluation
from leeway.evaluation.robustness import ATTACK, CLEAN, Trial, worst
from leeway.evaluation.weaknesses import frequent_confusions, weakest_first
from leeway.pages import words
from leeway.pages.environment import write_html

MOST_CLASSES = 200  # in the table; metrics.json has them all
MOST_CONFUSIONS = 12
SYMBOLS = {"pass": "●", "fail": "▲", "unknown": "○"}


def write_page(path: Path, evaluation: Evaluation, pictures: Mapping[str, Path]) -> None:
    """One self-contained file; all that comes from data is escaped. `pictures` are PNGs by name."""
    drawn = {name: words.inline(one.read_bytes()) for name, one in pictures.items()}
    write_html(path, "evaluation.html", _content(evaluation) | {"pictures": drawn})


def robustness_rows(trials: tuple[Trial, ...]) -> list[tuple[str, list[Trial]]]:
    """(corruption, its trials by strength), the clean images and the attack apart."""
    names = dict.fromkeys(one.corruption for one in trials if one.corruption not in (CLEAN, ATTACK))
    return [(name, [one for one in trials if one.corruption == name]) for name in names]


def shared_content(evaluation: Evaluation) -> dict[str, Any]:
    """What the templates of page and card are both given."""
    by_name = {one.corruption: one for one in reversed(evaluation.trials)}
    return {
        "it": evaluation,
        "report": evaluation.report,
        "training": evaluation.contents.training,
        "few": sum(one.support < 100 for one in evaluation.report.per_class),
        "clean": by_name.get(CLEAN),
        "attack": by_name.get(ATTACK),
        "corruptions": robustness_rows(evaluation.trials),
        "reads": told_reads(evaluation.readers),
    }


def _content(evaluation: Evaluation) -> dict[str, Any]:
    """What the page's template is given."""
    classes = weakest_first(evaluation.report)
    checks = evaluation.checklist.items
    return shared_content(evaluation) | {
        "symbols": SYMBOLS,
        "counts": {outcome: sum(one.outcome == outcome for one in checks) for outcome in SYMBOLS},
        "classes": classes[:MOST_CLASSES],
        "hidden_classes": len(classes) - MOST_CLASSES,
        "confusions": frequent_confusions(evaluation.report, most=MOST_CONFUSIONS),
        "worst": worst(evaluation.trials) if evaluation.trials else None,
        "evaluations": evaluation.readers.count("evaluate"),
    }
