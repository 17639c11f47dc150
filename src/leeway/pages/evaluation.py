"""Page: an evaluation as one HTML file that needs no network and runs no script."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leeway.evaluation.reads import told_reads
from leeway.evaluation.record import Evaluation
from leeway.evaluation.robustness import ATTACK, CLEAN, Trial, worst
from leeway.evaluation.weaknesses import frequent_confusions, weakest_first
from leeway.pages.environment import Filters, short_text, templates_of, write_html

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_CLASSES = 200  # in the table; metrics.json has them all
MOST_CONFUSIONS = 12
LONGEST = 80  # characters of a name that came from outside
SYMBOLS = {"pass": "●", "fail": "▲", "unknown": "○"}


def write_page(path: Path, evaluation: Evaluation, pictures: Mapping[str, Path]) -> None:
    """One self-contained file; all that comes from data is escaped. `pictures` are PNGs by name."""
    inline = {name: _inline(one) for name, one in pictures.items()}
    write_html(path, environment(escaped=True), "evaluation.html", _content(evaluation) | {"pictures": inline})


def environment(*, escaped: bool) -> "Environment":
    """The templates of this package, with the words that page and card share; the card is Markdown, and not escaped."""
    filters: Filters = {
        "short": lambda text, length=LONGEST: short_text(text, length),
        "points": lambda share: f"{100 * share:+.1f}",
        "ms": milliseconds,
        "mib": lambda size: f"{size / 2**20:.2f} MiB" if size < 10 * 2**20 else f"{size / 2**20:,.0f} MiB",
        "inline": lambda content: f"data:image/png;base64,{base64.b64encode(content).decode()}",
    }
    return templates_of("leeway.pages", filters=filters, escaped=escaped)


def milliseconds(value: float) -> str:
    """With two digits that mean something."""
    return f"{value:.2f} ms" if value < 1 else f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


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
