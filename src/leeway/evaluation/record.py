"""Record: all that an evaluation found, as page and model card tell it."""

from dataclasses import asdict, dataclass
from typing import Any

from leeway.bundle.contents import Contents
from leeway.data.manifest import Manifest
from leeway.evaluation.checklist import Checklist
from leeway.evaluation.latency import Latency
from leeway.evaluation.metrics import Report
from leeway.evaluation.mistakes import Mistake
from leeway.evaluation.must_pass import Required
from leeway.evaluation.robustness import ATTACK, CLEAN, Trial
from leeway.evaluation.selective import Review, RiskCoverage
from leeway.evaluation.strangers import Strangers
from leeway.evaluation.tta import Gain


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One bundle on one test split."""

    bundle_digest: str
    bundle_bytes: int
    contents: Contents
    manifest: Manifest
    intended_use: str | None
    report: Report
    risk: RiskCoverage
    review: Review | None  # None without a review threshold
    strangers: Strangers
    latency: Latency
    gain: Gain | None  # of test-time augmentation; None where none was asked for
    trials: tuple[Trial, ...]  # of the robustness
    checklist: Checklist
    required: tuple[Required, ...]  # the must-pass set
    mistakes: tuple[Mistake, ...]
    readers: tuple[str, ...]  # of the test split, for this bundle, this evaluation included

    @property
    def corrupted_accuracy(self) -> float | None:
        """Mean over all corruptions and strengths, the attack apart; None if none was tried."""
        told = [one.accuracy.value for one in self.trials if one.corruption not in (CLEAN, ATTACK)]
        return sum(told) / len(told) if told else None

    def headline(self) -> dict[str, float]:
        """The report's numbers, and those of everything around it; what is unknown is left out."""
        around = {
            "risk_coverage_area": self.risk.area,
            "review_share": self.review.sent if self.review else None,
            "strange_share": self.strangers.flagged.value if self.strangers.flagged else None,
            "latency_p50_ms": self.latency.p50_ms,
            "latency_p99_ms": self.latency.p99_ms,
            "bundle_bytes": self.bundle_bytes,
            "corrupted_accuracy": self.corrupted_accuracy,
            "tta_gain": self.gain.pairs.difference if self.gain else None,
            "checklist_failed": len(self.checklist.failed),
            "test_reads": len(self.readers),
        }
        return self.report.headline() | {name: number for name, number in around.items() if number is not None}

    def to_json(self) -> dict[str, Any]:
        """The headline at the top level; what belongs to classes, slices and corruptions below it."""
        return (
            self.report.to_json()
            | self.headline()
            | {
                "robustness": [asdict(one) for one in self.trials],
                "strangers": [asdict(one) for one in self.strangers.kinds],
                "latency": asdict(self.latency),
            }
        )
