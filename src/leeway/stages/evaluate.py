"""Evaluates the bundle itself, as it will be served, on the frozen test split, and writes reports/."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from leeway.adapters.dvc.commits import advice
from leeway.adapters.mlflow.tracking import open_tracker
from leeway.bundle.contents import bundle_digest
from leeway.bundle.predictor import Predictor
from leeway.data.manifest import Manifest, read_manifest
from leeway.evaluation.answers import Answered, answer_test_split
from leeway.evaluation.checklist import fill_checklist, write_checklist
from leeway.evaluation.latency import bundle_bytes, measure_latency
from leeway.evaluation.metrics import Report, evaluate
from leeway.evaluation.mistakes import find_mistakes
from leeway.evaluation.must_pass import Required, Wanted, answer_required, read_must_pass
from leeway.evaluation.numbers import write_metrics, write_plots
from leeway.evaluation.params import EvaluateParams
from leeway.evaluation.pictures import draw_figures, save_pictures
from leeway.evaluation.reads import EVALUATE, LEDGER, record_read
from leeway.evaluation.record import Evaluation
from leeway.evaluation.sample import SEED, corrupt, estrange, take_sample
from leeway.pages.evaluation import write_page
from leeway.pages.model_card import write_card
from leeway.paramsfile import load_section
from leeway.stages.inside import look_inside
from leeway.stages.running import run_stage

DATA, DATASET, BUNDLE, REPORTS = Path("data"), Path("data/dataset"), Path("models/bundle"), Path("reports")
MUST_PASS = Path("must_pass")
log = logging.getLogger("leeway.stages.evaluate")


def main() -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded, as in the train stage
    return run_stage("evaluate", evaluate_bundle)


def evaluate_bundle() -> None:
    """Reads params.yaml, data/, must_pass/ and models/bundle of the workspace that is the current folder."""
    params = load_section(Path("params.yaml"), "evaluate", EvaluateParams)
    manifest, digest = read_manifest(DATASET), bundle_digest(BUNDLE)
    wanted = read_must_pass(MUST_PASS, classes=manifest.classes, renamed=manifest.renamed)
    predictor = Predictor.load(BUNDLE, threads=os.cpu_count() or 1)
    answered = answer_test_split(predictor, manifest, DATA, views=params.tta)
    log.info("evaluate: bundle %.12s on %d test images of %.12s", digest, len(answered.rows), manifest.digest)
    readers = record_read(LEDGER, digest, by=EVALUATE, at=datetime.now(UTC))
    report = _report(answered, manifest, params, temperature=predictor.contents.temperature)
    sample = take_sample(predictor, answered, manifest, DATA, most=params.robustness_images)
    inside = look_inside(BUNDLE, predictor, answered, sample, manifest=manifest, data=DATA, step=params.attack_step)
    latency, required = measure_latency(Predictor.load(BUNDLE), sample.images), _required(predictor, wanted, manifest)
    evaluation = Evaluation(
        bundle_digest=digest,
        bundle_bytes=bundle_bytes(BUNDLE),
        contents=predictor.contents,
        manifest=manifest,
        intended_use=params.intended_use,
        report=report,
        risk=answered.risk,
        review=answered.review(predictor.contents.review_threshold),
        strangers=estrange(predictor, sample, answered),
        latency=latency,
        gain=answered.gain,
        trials=corrupt(predictor, sample, attacked=inside.attacked, attack_step=params.attack_step),
        checklist=fill_checklist(
            digest,
            predictor.contents,
            manifest,
            published=inside.published,
            latency_ms=latency.p50_ms,
            latency_budget_ms=params.latency_budget_ms,
            outputs=answered.probabilities.shape[1],
            agreement=inside.agreement,
            required=required,
        ),
        required=required,
        mistakes=find_mistakes(answered, manifest, DATA),
        readers=readers,
    )
    figures = draw_figures(evaluation, answered) | ({"saliency": inside.saliency} if inside.saliency else {})
    _write(evaluation, answered, figures)
    _track(evaluation)
    told = report.accuracy
    log.info("evaluate: accuracy %.3f (%.3f to %.3f); see %s", told.value, told.low, told.high, REPORTS)
    if (typed := advice(Path(), f"Dataset {manifest.digest[:12]}")) is not None:
        log.info("evaluate: %s", typed)


def _report(answered: Answered, manifest: Manifest, params: EvaluateParams, *, temperature: float) -> Report:
    return evaluate(
        answered.truth,
        answered.probabilities,
        classes=manifest.classes,
        bins=params.bins,
        draws=params.bootstrap_draws,
        rng=np.random.default_rng(SEED),
        temperature=temperature,
        groups=answered.column(manifest, "group"),
        slices=answered.column(manifest, "slice"),
    )


def _required(predictor: Predictor, wanted: Sequence[Wanted], manifest: Manifest) -> tuple[Required, ...]:
    """The must-pass set's images, answered."""
    learnt = np.concatenate([manifest.rows("train"), manifest.rows("val")])
    assets = set(manifest.table["asset"].take(learnt).to_pylist())
    return answer_required(predictor, wanted, trained_on=assets)


def _write(evaluation: Evaluation, answered: Answered, figures: Mapping[str, Figure]) -> None:
    """All of reports/, the metrics last."""
    pictures = save_pictures(figures, REPORTS / "pictures")
    write_page(REPORTS / "evaluation.html", evaluation, pictures)
    write_card(REPORTS / "model_card.md", evaluation)
    write_checklist(evaluation.checklist, REPORTS / "checklist.json")
    write_plots(REPORTS, evaluation.report, truth=answered.truth, predicted=answered.predicted)
    write_metrics(REPORTS / "metrics.json", evaluation)


def _track(evaluation: Evaluation) -> None:
    """Numbers, pictures and pages beside the run that trained the bundle."""
    with open_tracker().run_of_bundle(evaluation.bundle_digest, name="evaluate") as run:
        run.log_metrics(evaluation.headline())
        for name in ("pictures", "evaluation.html", "model_card.md", "checklist.json"):
            run.log_files(REPORTS / name, under="evaluation")


if __name__ == "__main__":
    sys.exit(main())
