"""Check of the accuracy of served predictions as the model sees it: without any label."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

from leeway.checks.registry import CHECKS, Evidence, Place, Then, no_verdict
from leeway.checks.yardstick import bin_truth, histogram
from leeway.domain.records import CheckResult, Status
from leeway.domain.text import counted
from leeway.paramsfile import ParamsModel
from leeway.stats.shift import calibrated_accuracy, isotonic_guesses, thresholded_accuracy

FALLEN = 0.05  # of accuracy: a promise this far under the reference is a finding


@dataclass(frozen=True, slots=True)
class LabelFreeDetails:
    """Accuracy that the confidences promise, and that of the reference."""

    calibrated: float | None = None
    thresholded: float | None = None
    reference: float | None = None
    finding: bool = False  # they promise less than the reference by FALLEN: shown only


@CHECKS.add
class LabelFree(ParamsModel):
    """What the confidences promise about accuracy, with what that takes for granted (STATISTICS.md, check 8)."""

    name: ClassVar[str] = "label_free"
    assumes: ClassVar[str] = (
        "a prediction of some confidence is right as often as it was on the reference; errors made with confidence "
        "leave no trace"
    )
    order: ClassVar[int] = 70
    needs_labels: ClassVar[bool] = False
    on_page: ClassVar[Place] = Place.NEVER_FIRES
    details: ClassVar[type[Any]] = LabelFreeDetails

    budget_share: ClassVar[float] = 0.0
    then: ClassVar[Then] = "alert"

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:  # noqa: ARG002
        """Effect: calibrated accuracy (CBPE); details: it, and ATC; n: predictions. Shown; it never fires or clears."""
        reference, window = evidence.model_reference, evidence.window
        known, now = histogram(reference), np.array(window.histogram, dtype=np.int64)
        if not now.sum() or len(now) != len(known) or not known.sum():
            return no_verdict(self.name, f"{counted(int(now.sum()), 'prediction')} with a confidence", n=0)
        if not reference.with_confidence or not reference.total:
            return no_verdict(
                self.name, f"{counted(reference.total, 'reference label')} beside confidences", n=window.total
            )
        promised = calibrated_accuracy(now, isotonic_guesses(*bin_truth(reference)))
        over = thresholded_accuracy(now, known, accuracy=reference.accuracy)
        fallen = promised <= reference.accuracy - FALLEN
        return CheckResult(
            self.name,
            Status.QUIET,
            f"confidences promise {promised:.1%} (calibrated) or {over:.1%} (ATC)"
            + (f", and {reference.accuracy:.1%} on the reference" if fallen else "")
            + ", if an answer of some confidence is as often right as it was there; nothing is cleared by it",
            effect=promised,
            n=int(now.sum()),
            details=asdict(LabelFreeDetails(promised, over, reference.accuracy, fallen)),
        )
