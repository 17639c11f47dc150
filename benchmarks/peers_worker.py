"""Runs monitors on simulated years inside the environment they are installed in; benchmarks/peers.py starts it, as

    ENVIRONMENT/bin/python benchmarks/peers_worker.py --streams DIR --out FILE.npz labels/river_page_hinkley

KIND/MONITOR, one or more; DIR/KIND holds its streams. Needs numpy, and what the monitor itself needs. Standard
output tells how far it is.
"""

import argparse
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

NIGHTS = 365
REFERENCE_NIGHTS = 7
LABELS = 20  # a night
NOMINAL = 0.05  # where a monitor gives a p-value and its user has to say under which it alarms
FLOOR = 0.90
FIRST_NIGHT = date(2025, 1, 6)  # a Monday; the seven reference nights are the week before

Array = np.ndarray
Alarm = Callable[[int], bool]  # of a night, from 0; asked in order


@dataclass(frozen=True)
class Stream:
    """S years of nights with N predictions each, as class counts; `Year` draws the rows behind them."""

    counts: Array  # (S, 365, K)
    reference: Array  # (S, 7, K)
    guesses: Array  # (2, N) before and after the change: what the confidences of a night are drawn from
    error_rates: Array  # (2, N) chance that an item with this guess is wrong
    change: int  # first changed night, from 0; 365: none
    seed: int

    @classmethod
    def load(cls, path: Path) -> "Stream":
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in ("counts", "reference", "guesses", "error_rates")}
            return cls(**arrays, change=int(kept["change"]), seed=int(kept["seed"]))

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            counts=self.counts.astype(np.uint16),
            reference=self.reference.astype(np.uint16),
            guesses=self.guesses,
            error_rates=self.error_rates,
            change=self.change,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Year:
    """One year of a stream. Drawn from `random()` alone, whose numbers are the same in every version of numpy."""

    stream: Stream
    number: int

    @property
    def counts(self) -> Array:
        """(365, K)"""
        return self.stream.counts[self.number].astype(np.int64)

    @property
    def reference(self) -> Array:
        """(7, K)"""
        return self.stream.reference[self.number].astype(np.int64)

    @property
    def predictions(self) -> int:
        return self.stream.guesses.shape[1]

    def rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.stream.seed, self.number, purpose])

    def reference_rows(self) -> Array:
        """(7 N,) predicted class of each prediction of the reference nights."""
        return _rows(self.reference.sum(axis=0))

    def night_rows(self, night: int) -> Array:
        """(N,) predicted class of each prediction of the night."""
        return _rows(self.counts[night])

    @cached_property
    def items(self) -> tuple[Array, Array]:
        """Guess that it is wrong, and whether it is, of each prediction: (372, N) each, the reference nights first."""
        nights, size = REFERENCE_NIGHTS + NIGHTS, self.predictions
        after = (np.arange(nights) >= REFERENCE_NIGHTS + self.stream.change).astype(int)[:, None]
        picked = (self.rng(0).random((nights, size)) * size).astype(np.int64)
        wrong = self.rng(1).random((nights, size)) < self.stream.error_rates[after, picked]
        return self.stream.guesses[after, picked], wrong

    @cached_property
    def uniform_draws(self) -> Array:
        """(365, 20) rows of the night that are labelled, drawn uniformly."""
        return (self.rng(2).random((NIGHTS, LABELS)) * self.predictions).astype(np.int64)

    @cached_property
    def uniform_errors(self) -> Array:
        """(365, 20) whether each of them is wrong."""
        return np.take_along_axis(self.items[1][REFERENCE_NIGHTS:], self.uniform_draws, axis=1)

    @cached_property
    def banded_counts(self) -> Array:
        """(372, K, 3) predictions by class and third of the reference's confidences, the reference nights first."""
        confidence = 1 - self.items[0]
        band = np.searchsorted(np.quantile(confidence[:REFERENCE_NIGHTS], (1 / 3, 2 / 3)), confidence, "right")
        counts = np.concatenate([self.reference, self.counts])
        cells = [3 * _rows(night) + bands for night, bands in zip(counts, band, strict=True)]
        return np.array([np.bincount(one, minlength=3 * counts.shape[1]) for one in cells]).reshape(*counts.shape, 3)

    def alarms(self, alarm: Alarm) -> Array:
        """(365,) asks night by night, up to the first alarm after the change."""
        found = np.zeros(NIGHTS, dtype=bool)
        for night in range(NIGHTS):
            found[night] = alarm(night)
            if found[night] and night >= self.stream.change:
                break
        return found


def _rows(counts: Array) -> Array:
    return np.repeat(np.arange(len(counts)), counts)


# --- the monitors: a year in, (365,) alarms out -------------------------------------------------------------------


def evidently(year: Year, method: str | None) -> Array:
    """The statistical test behind `ValueDrift(column=..., method=...)`, whose page takes 40 times as long."""
    import pandas as pd
    from evidently.legacy.calculations.stattests.registry import get_stattest
    from evidently.legacy.core import ColumnType

    reference = pd.Series(year.reference_rows())
    test = get_stattest(reference, reference, ColumnType.Categorical, method)

    def alarm(night: int) -> bool:
        found = test(reference, pd.Series(year.night_rows(night)), ColumnType.Categorical, None)
        if night == 0 and year.number == 0:
            _same_as_the_report(year, method, score=found.drift_score)
        return bool(found.drifted)

    return year.alarms(alarm)


def _same_as_the_report(year: Year, method: str | None, *, score: float) -> None:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(categorical_columns=["predicted"])
    rows = (year.night_rows(0), year.reference_rows())
    tables = [pd.DataFrame({"predicted": pd.Series(one.astype(str), dtype="object")}) for one in rows]
    sides = [Dataset.from_pandas(table, data_definition=definition) for table in tables]
    told = Report([ValueDrift(column="predicted", method=method)]).run(*sides).dict()["metrics"][0]["value"]
    if not np.isclose(float(told), score):
        raise RuntimeError(f"Evidently's report says {told}, its test {score}")


def nannyml_chi_square(year: Year) -> Array:
    import nannyml
    import pandas as pd

    names = np.array([f"class {k}" for k in range(year.counts.shape[1])])
    reference = pd.DataFrame({"predicted": names[year.reference_rows()]})
    current = pd.DataFrame({"predicted": names[np.concatenate([year.night_rows(n) for n in range(NIGHTS)])]})
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=["predicted"],
        treat_as_categorical=["predicted"],
        categorical_methods=["chi2"],
        chunk_size=year.predictions,
    )
    found = calculator.fit(reference).calculate(current).filter(period="analysis").to_df()
    return np.asarray(found[("predicted", "chi2", "alert")], dtype=bool)


def nannyml_cbpe(year: Year) -> Array:
    """Estimated accuracy under (or over) the mean of the reference chunks by 3 standard deviations: its default."""
    import nannyml

    classes, size = year.counts.shape[1], year.predictions
    guesses, wrong = year.items
    first = REFERENCE_NIGHTS * size
    predicted = np.concatenate([_rows(one) for one in (*year.reference, *year.counts)])
    other = (predicted + 1 + (year.rng(3).random(len(predicted)) * (classes - 1)).astype(int)) % classes
    truth = np.where(wrong.ravel(), other, predicted)
    table = _with_probabilities(predicted, truth, guesses.ravel(), classes=classes)
    estimator = nannyml.CBPE(
        metrics=["accuracy"],
        y_pred_proba={f"class {k}": f"p{k}" for k in range(classes)},
        y_pred="predicted",
        y_true="truth",
        problem_type="classification_multiclass",
        chunk_size=size,
    )
    current = table.iloc[first:].drop(columns="truth").reset_index(drop=True)
    found = estimator.fit(table.iloc[:first]).estimate(current).filter(period="analysis").to_df()
    return np.asarray(found[("accuracy", "alert")], dtype=bool)


def _with_probabilities(predicted: Array, truth: Array, guesses: Array, *, classes: int) -> Any:
    """Table for CBPE: what the predicted class leaves over is shared equally by the others."""
    import pandas as pd

    names = np.array([f"class {k}" for k in range(classes)])
    table = {f"p{k}": np.where(predicted == k, 1 - guesses, guesses / (classes - 1)) for k in range(classes)}
    return pd.DataFrame(table | {"predicted": names[predicted], "truth": names[truth]})


def alibi_chi_square(year: Year) -> Array:
    from alibi_detect.cd import ChiSquareDrift

    detector = ChiSquareDrift(year.reference_rows()[:, None])
    return year.alarms(lambda night: bool(detector.predict(year.night_rows(night)[:, None])["data"]["is_drift"]))


def frouros_chi_square(year: Year) -> Array:
    from frouros.detectors.data_drift import ChiSquareTest

    detector = ChiSquareTest()
    detector.fit(X=year.reference_rows())
    return year.alarms(lambda night: detector.compare(X=year.night_rows(night))[0].p_value < NOMINAL)


def river_page_hinkley(year: Year) -> Array:
    """It starts anew after an alarm by itself."""
    from river.drift import PageHinkley

    detector = PageHinkley(mode="up")

    def alarm(night: int) -> bool:
        alarmed = False
        for wrong in year.uniform_errors[night].tolist():
            detector.update(int(wrong))
            alarmed = alarmed or detector.drift_detected
        return alarmed

    return year.alarms(alarm)


def seven_day_mean(year: Year) -> Array:
    sums = np.concatenate([[0], np.cumsum(year.uniform_errors.sum(axis=1))])
    found = np.zeros(NIGHTS, dtype=bool)
    found[6:] = (sums[7:] - sums[:-7]) / (7 * LABELS) > 1 - FLOOR + 1e-12
    return found


def leeway_prediction_drift(year: Year) -> Array:
    from leeway.checks.policy import Policy
    from leeway.checks.registry import Evidence

    policy, rng = Policy(), year.rng(4)
    check, model = policy.checks["prediction_drift"], _leeway_reference(year)
    windows = [_leeway_window(year, night, model.classes) for night in range(-REFERENCE_NIGHTS, NIGHTS)]
    previous: list[Any] = [None]
    fired: set[date] = set()

    def alarm(night: int) -> bool:
        seen = REFERENCE_NIGHTS + night
        evidence = Evidence(windows[seen], model, earlier=windows[:seen], fired=frozenset(fired))
        previous[0] = check.run(evidence, previous[0], alpha=policy.alpha(check), rng=rng)
        if previous[0].status == "fired":
            fired.add(windows[seen].night)
        return bool(previous[0].status == "fired")

    return year.alarms(alarm)


def leeway_accuracy(year: Year, *, planned: bool) -> Array:
    """`planned`: 20 labels where the plan of leeway wants them; else the same uniform ones that the others get."""
    from leeway.checks.policy import Policy
    from leeway.checks.registry import Evidence

    policy, rng = Policy(), year.rng(5)
    check, model = policy.checks["accuracy"], _leeway_reference(year)
    uniform_share = policy.labels.uniform_share if planned else 1.0
    previous: list[Any] = [None]

    def alarm(night: int) -> bool:
        window = _leeway_window(year, night, model.classes)
        closed = (_leeway_labels(year, night, uniform_share=uniform_share, rng=rng),)
        evidence = Evidence(window, model, closed=closed)
        previous[0] = check.run(evidence, previous[0], alpha=policy.alpha(check), rng=rng)
        return bool(previous[0].status == "fired")

    return year.alarms(alarm)


def _leeway_reference(year: Year) -> Any:
    """The reference nights stand for the test split: the same predictions, all of them labelled."""
    from leeway.domain.records import ReferenceCounts

    wrong = year.items[1][:REFERENCE_NIGHTS]
    low, high = np.quantile(1 - year.items[0][:REFERENCE_NIGHTS], (1 / 3, 2 / 3)).tolist()
    counts = tuple(map(tuple, year.banded_counts[:REFERENCE_NIGHTS].sum(axis=0).tolist()))
    classes = tuple(f"class {k}" for k in range(len(counts)))
    return ReferenceCounts(classes, (low, high), counts, correct=int((~wrong).sum()), total=wrong.size)


def _leeway_window(year: Year, night: int, classes: tuple[str, ...]) -> Any:
    from leeway.domain.records import WindowCounts

    counts = tuple(map(tuple, year.banded_counts[REFERENCE_NIGHTS + night].tolist()))
    return WindowCounts("simulated", 1, FIRST_NIGHT + timedelta(days=night), classes, counts)


def _leeway_labels(year: Year, night: int, *, uniform_share: float, rng: np.random.Generator) -> Any:
    from leeway.domain.records import Draw, LabelledDraw, NightLabels
    from leeway.stats.allocation import allocate

    guesses, wrong = (one[REFERENCE_NIGHTS + night] for one in year.items)
    plan = allocate(guesses, uniform_share=uniform_share)
    drawn = year.uniform_draws[night] if uniform_share == 1.0 else plan.draw(LABELS, rng)
    day = FIRST_NIGHT + timedelta(days=night)
    answered = tuple(
        LabelledDraw(
            Draw("", "", "", "measure", str(plan.stratum[i]), float(plan.probability[i]), float(plan.control[i])),
            day,
            predicted_class="said",
            label="other" if wrong[i] else "said",
            group="",
            image="",
        )
        for i in drawn.tolist()
    )
    shares = {str(stratum): float(share) for stratum, share in enumerate(plan.shares)}
    return NightLabels(day, len(guesses), plan.mean_control, answered, shares)


MONITORS: dict[str, tuple[str, Callable[[Year], Array]]] = {  # distribution that has the version, and what to call
    "evidently_default": ("evidently", lambda year: evidently(year, None)),
    "evidently_chi_square": ("evidently", lambda year: evidently(year, "chisquare")),
    "nannyml_chi_square": ("nannyml", nannyml_chi_square),
    "alibi_chi_square": ("alibi-detect", alibi_chi_square),
    "frouros_chi_square": ("frouros", frouros_chi_square),
    "leeway_prediction_drift": ("leeway", leeway_prediction_drift),
    "nannyml_cbpe": ("nannyml", nannyml_cbpe),
    "river_page_hinkley": ("river", river_page_hinkley),
    "seven_day_mean": ("numpy", seven_day_mean),
    "leeway_accuracy_uniform": ("leeway", lambda year: leeway_accuracy(year, planned=False)),
    "leeway_accuracy_planned": ("leeway", lambda year: leeway_accuracy(year, planned=True)),
}


def tell(kind: str, *words: Any) -> None:
    print(f"@{kind}", *words, flush=True)


def live(monitor: str, streams: Iterable[Path], *, seconds: float) -> dict[str, Array]:
    """(years, 365) alarms in each stream: as many of its years as begin within `seconds`."""
    distribution, alarms = MONITORS[monitor]
    tell("version", monitor, version(distribution))
    found = {}
    for path in streams:
        stream = Stream.load(path)
        rows: list[Array] = []
        until = time.monotonic() + seconds
        while len(rows) < len(stream.counts) and (not rows or time.monotonic() < until):
            rows.append(alarms(Year(stream, len(rows))))
            tell("years", 1)
        tell("years", len(stream.counts) - len(rows))
        found[f"{monitor}/{path.stem}"] = np.array(rows)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=Path, required=True, help="a folder of .npz files for each kind")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("monitors", nargs="+", metavar="KIND/MONITOR")
    parser.add_argument("--seconds", type=float, default=50, help="at most, for one monitor and stream")
    chosen = parser.parse_args()
    os.environ.update(EVIDENTLY_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", NML_DISABLE_USAGE_LOGGING="true")
    warnings.simplefilter("ignore")
    found: dict[str, Array] = {}
    for wanted in chosen.monitors:
        kind, _, monitor = wanted.partition("/")
        started = time.perf_counter()
        try:
            found |= live(monitor, sorted((chosen.streams / kind).glob("*.npz")), seconds=chosen.seconds)
        except Exception as error:  # one that fails is listed as such, and the others go on
            traceback.print_exc()
            tell("failed", monitor, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        tell("seconds", monitor, f"{time.perf_counter() - started:.1f}")
    np.savez_compressed(chosen.out, **found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
