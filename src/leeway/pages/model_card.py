"""Model card: what a bundle is for, was made from, can and cannot do, in Markdown, from the numbers.

After Mitchell et al. (2019), "Model cards for model reporting".
"""

import re
from pathlib import Path
from typing import Any

from leeway import durable
from leeway.data.candidates import FEEDBACK, ORIGINAL
from leeway.evaluation.record import Evaluation
from leeway.evaluation.weaknesses import frequent_confusions, weak_classes, weak_slices, weakest_first
from leeway.pages.environment import environment
from leeway.pages.evaluation import shared_content
from leeway.pages.words import cell

MOST = 5  # weak classes, slices and confusions that are named as failures
MOST_NAMES = 50  # classes listed in the first section; the table has them all


def write_card(path: Path, evaluation: Evaluation) -> None:
    """Overwrites `path`; the folder is made if need be."""
    text = environment(escaped=False).get_template("model_card.md").render(_content(evaluation))
    durable.write_bytes(path, re.sub(r"\n{3,}", "\n\n", text).encode("utf-8", "replace"))


def _content(evaluation: Evaluation) -> dict[str, Any]:
    report, manifest = evaluation.report, evaluation.manifest
    counts = {source: manifest.counts(source) for source in (ORIGINAL, FEEDBACK)}
    hidden = len(report.classes) - MOST_NAMES
    return shared_content(evaluation) | {
        "names": ", ".join(map(cell, report.classes[:MOST_NAMES])) + (f" and {hidden} more" if hidden > 0 else ""),
        "sources": {
            source: {split: sum(found.values()) for split, found in splits.items()} for source, splits in counts.items()
        },
        "classes": weakest_first(report),
        "weak": weak_classes(report, most=MOST),
        "weak_slices": weak_slices(report, most=MOST),
        "confusions": frequent_confusions(report, most=MOST),
    }
