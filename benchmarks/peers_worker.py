"""Runs monitors on simulated years inside the environment they are installed in; benchmarks/peers.py starts it, as

    ENVIRONMENT/bin/python benchmarks/peers_worker.py --streams DIR --out DIR --jobs 2 river_page_hinkley/g

MONITOR/STREAM, one or more. Needs numpy, and what the monitor itself needs. Standard output tells how far it is.
"""

import argparse
import math
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial
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
AT_ONCE = 25  # years that a process lives before it takes the next ones
BY_ITSELF = 10_000  # predictions a night, times years: so many years a tool with a known formula lives by itself

Array = np.ndarray
Alarm = Callable[[int], bool]  # of a night, from 0; asked in order


@dataclass(frozen=True)
class Stream:
    """S years of nights with N predictions each, as class counts; `Year` draws the rows behind them."""

    counts: Array  # (S, 365, K)
    reference: Array  # (S, 7, K)
    guesses: Array  # (M, N) of the M kinds of nights: what the confidences of a night are drawn from; the usual first
    error_rates: Array  # (M, N) chance that an item with this guess is wrong
    kinds: Array  # (S, 372) of which kind a night is, the reference nights first
    change: int  # first changed night, from 0; 365: none
    alike: int  # predictions that are of one thing: of the same class, with the same confidence
    seed: int

    @classmethod
    def load(cls, path: Path) -> "Stream":
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in ("counts", "reference", "guesses", "error_rates", "kinds")}
            return cls(**arrays, **{name: int(kept[name]) for name in ("change", "alike", "seed")})

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            counts=self.counts.astype(np.uint16),
            reference=self.reference.astype(np.uint16),
            guesses=self.guesses,
            error_rates=self.error_rates,
            kinds=self.kinds.astype(np.uint8),
            change=self.change,
            alike=self.alike,
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

    @property
    def _kinds(self) -> Array:
        return self.stream.kinds[self.number].astype(int)[:, None]

    @cached_property
    def _picked(self) -> Array:
        things = self.rng(0).random((REFERENCE_NIGHTS + NIGHTS, self.predictions // self.stream.alike))
        return np.repeat((things * self.predictions).astype(np.int32), self.stream.alike, axis=1)

    @cached_property
    def guesses(self) -> Array:
        """(372, N) guess that a prediction is wrong, the reference nights first."""
        return self.stream.guesses[self._kinds, self._picked]

    @cached_property
    def wrong(self) -> Array:
        """(372, N) whether a prediction is wrong, the reference nights first."""
        return self.rng(1).random(self._picked.shape) < self.stream.error_rates[self._kinds, self._picked]

    @cached_property
    def test_split(self) -> Array:
        """(7 N,) whether each of so many labelled items of the usual kind is wrong."""
        items = REFERENCE_NIGHTS * self.predictions
        picked = (self.rng(6).random(items) * self.predictions).astype(np.int64)
        return self.rng(7).random(items) < self.stream.error_rates[0][picked]

    @cached_property
    def uniform_draws(self) -> Array:
        """(365, 20) rows of the night that are labelled, drawn uniformly."""
        return (self.rng(2).random((NIGHTS, LABELS)) * self.predictions).astype(np.int64)

    @cached_property
    def uniform_errors(self) -> Array:
        """(365, 20) whether each of them is wrong."""
        return np.take_along_axis(self.wrong[REFERENCE_NIGHTS:], self.uniform_draws, axis=1)

    @cached_property
    def limits_of_bands(self) -> tuple[float, float]:
        """The thirds of the reference's confidences."""
        low, high = np.quantile(1 - self.guesses[:REFERENCE_NIGHTS], (1 / 3, 2 / 3)).tolist()
        return low, high

    @cached_property
    def banded_counts(self) -> Array:
        """(372, K, 3) predictions by class and third of the reference's confidences, the reference nights first."""
        band = np.searchsorted(self.limits_of_bands, 1 - self.guesses, "right")
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

    def asked(self, alarms: Array) -> Array:
        """(365,) alarms as `alarms` would have found them: none after the first one after the change."""
        over = np.cumsum(alarms & (np.arange(NIGHTS) >= self.stream.change))
        return alarms & (over - alarms <= 0)


def _rows(counts: Array) -> Array:
    return np.repeat(np.arange(len(counts)), counts)


# --- formulae of counts, where a tool's verdict is one ---------------------------------------------------------------


def homogeneity(year: Year) -> Array:
    """(365,) whether the chi-square test of two samples of classes has p < 0.05 (`scipy.stats.chi2_contingency`)."""
    from scipy.stats import chi2

    now, before = year.counts.astype(float), year.reference.sum(axis=0).astype(float)
    expected = (now + before) * now.sum(axis=1, keepdims=True) / (now + before).sum(axis=1, keepdims=True)
    statistic = ((now - expected) ** 2 / expected + (now - expected) ** 2 / (now + before - expected)).sum(axis=1)
    return np.asarray(chi2.sf(statistic, now.shape[1] - 1) < NOMINAL)


def exact_shares(year: Year) -> Array:
    """(365,) whether the chi-square test that takes the reference as exact has p < 0.05 (`scipy.stats.chisquare`)."""
    from scipy.stats import chi2

    now, before = year.counts.astype(float), year.reference.sum(axis=0)
    expected = before * year.predictions / before.sum()
    return np.asarray(chi2.sf(((now - expected) ** 2 / expected).sum(axis=1), now.shape[1] - 1) < NOMINAL)


def jensen_shannon(year: Year) -> Array:
    """(365,) whether the Jensen-Shannon distance of the shares is 0.1 or more."""
    from scipy.special import rel_entr

    now, before = year.counts / year.predictions, year.reference.sum(axis=0) / year.reference.sum()
    middle = (now + before) / 2
    apart = rel_entr(now, middle).sum(axis=1) + rel_entr(before, middle).sum(axis=1)
    return np.asarray(np.sqrt(apart / 2) >= 0.1)


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

    names = [f"class {k}" for k in range(year.counts.shape[1])]

    def table(rows: Array) -> Any:
        return pd.DataFrame({"predicted": pd.Categorical.from_codes(rows, names)})

    reference = table(year.reference_rows())
    current = table(np.concatenate([year.night_rows(night) for night in range(NIGHTS)]))
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=["predicted"],
        treat_as_categorical=["predicted"],
        categorical_methods=["chi2"],
        chunk_size=year.predictions,
    )
    found = calculator.fit(reference).calculate(current).filter(period="analysis").to_df()
    return year.asked(np.asarray(found[("predicted", "chi2", "alert")], dtype=bool))


def nannyml_cbpe(year: Year) -> Array:
    """Estimated accuracy under (or over) the mean of the reference chunks by 3 standard deviations: its default."""
    estimator, table = _fitted_cbpe(year)
    found = estimator.estimate(table).filter(period="analysis").to_df()
    return year.asked(np.asarray(found[("accuracy", "alert")], dtype=bool))


def cbpe_means(year: Year) -> Array:
    """(365,) alarms of CBPE's own calibration and limits, on each night's mean confidence in what was predicted."""
    from nannyml.performance_estimation.confidence_based.cbpe import _calibrate_predicted_probabilities

    estimator, table = _fitted_cbpe(year)
    columns, metric = [f"p{k}" for k in range(year.counts.shape[1])], estimator.metrics[0]
    calibrated = _calibrate_predicted_probabilities(table, "truth", estimator.y_pred_proba, estimator._calibrators)
    predicted = np.concatenate([year.night_rows(night) for night in range(NIGHTS)])
    confidence = calibrated[columns].to_numpy()[np.arange(len(predicted)), predicted]
    return np.array([metric.alert(mean) for mean in confidence.reshape(NIGHTS, -1).mean(axis=1)], dtype=bool)


def _fitted_cbpe(year: Year) -> tuple[Any, Any]:
    """CBPE, fitted to the reference, and the table of the nights after it."""
    import nannyml

    classes, size = year.counts.shape[1], year.predictions
    guesses, wrong = year.guesses, year.wrong
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
    return estimator.fit(table.iloc[:first]), table.iloc[first:].drop(columns="truth").reset_index(drop=True)


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


def leeway_prediction_drift(stream: Stream, years: range) -> Array:
    """All years at once, by the engine behind docs/years.md; in the first one the check itself has to say the same."""
    from leeway.checks.drift import PredictionDrift
    from leeway.checks.policy import Policy
    from leeway.simulate.drift import SimulatedDrift
    from leeway.simulate.production import classifier
    from leeway.simulate.years import Limits
    from leeway.stats.edetector import threshold

    policy, classes = Policy(), stream.counts.shape[2]
    line = math.log(threshold(policy.alpha(policy.check(PredictionDrift))))
    cells = np.array([Year(stream, year).banded_counts.reshape(-1, 3 * classes) for year in years])
    production = classifier(predictions=stream.guesses.shape[1], accuracy=FLOOR, classes=classes)
    watcher = SimulatedDrift(len(years), production, policy, Limits())
    log_m = [watcher.see_cells(cells[:, night]) for night in range(REFERENCE_NIGHTS + NIGHTS)]
    alarms = np.array(log_m).T[:, REFERENCE_NIGHTS:] >= line
    if years.start == 0:
        _same_as_the_check(Year(stream, 0), alarms[0])
    return alarms


def _same_as_the_check(year: Year, alarms: Array) -> None:
    by_check, by_engine = (int(np.argmax([*one, True])) for one in (leeway_check_of_drift(year), alarms))
    if by_check != by_engine:
        raise RuntimeError(f"the check fires first on night {by_check}, its engine on night {by_engine}")


def leeway_check_of_drift(year: Year) -> Array:
    """One year by the check as the flows run it."""
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
        limit = 1 - check.effective_floor(model)
        closed = (_leeway_labels(year, night, uniform_share=uniform_share, limit=limit, rng=rng),)
        evidence = Evidence(window, model, closed=closed)
        previous[0] = check.run(evidence, previous[0], alpha=policy.alpha(check), rng=rng)
        return bool(previous[0].status == "fired")

    return year.alarms(alarm)


def _leeway_reference(year: Year) -> Any:
    """The test split's accuracy is that of as many labelled items as the reference nights have."""
    from leeway.domain.records import ReferenceCounts

    wrong = year.test_split
    counts = tuple(map(tuple, year.banded_counts[:REFERENCE_NIGHTS].sum(axis=0).tolist()))
    classes = tuple(f"class {k}" for k in range(len(counts)))
    return ReferenceCounts(classes, year.limits_of_bands, counts, correct=int((~wrong).sum()), total=wrong.size)


def _leeway_window(year: Year, night: int, classes: tuple[str, ...]) -> Any:
    from leeway.domain.records import WindowCounts

    counts = tuple(map(tuple, year.banded_counts[REFERENCE_NIGHTS + night].tolist()))
    return WindowCounts("simulated", 1, FIRST_NIGHT + timedelta(days=night), classes, counts)


def _leeway_labels(year: Year, night: int, *, uniform_share: float, limit: float, rng: np.random.Generator) -> Any:
    from leeway.domain.records import Draw, LabelledDraw, NightLabels
    from leeway.stats.allocation import allocate, guesses_at

    guesses, wrong = (one[REFERENCE_NIGHTS + night] for one in (year.guesses, year.wrong))
    plan = allocate(guesses, uniform_share=uniform_share)
    drawn = year.uniform_draws[night] if uniform_share == 1.0 else plan.draw(LABELS, rng)
    day = FIRST_NIGHT + timedelta(days=night)
    numbers = {
        i: (str(plan.stratum[i]), float(plan.probability[i]), float(plan.control[i])) for i in set(drawn.tolist())
    }
    answered = tuple(
        LabelledDraw(
            Draw("", "", "", str(i), "measure", *numbers[i]),
            day,
            predicted_class="said",
            label="other" if wrong[i] else "said",
            group="",
            image="",
        )
        for i in drawn.tolist()
    )
    shares = {str(stratum): float(share) for stratum, share in enumerate(plan.shares)}
    part = plan.part(np.ones(len(guesses), dtype=bool), likely=guesses_at(plan.guesses, plan.sizes, limit=limit))
    parts = {"all": (part.items, float(part.drawn), float(part.mean_control), float(part.variance))}
    return NightLabels(day, len(guesses), plan.mean_control, answered, shares, parts)


def each(alarms: Callable[[Year], Array], stream: Stream, years: range) -> Array:
    return np.array([alarms(Year(stream, year)) for year in years])


def checked(alarms: Callable[[Year], Array], formula: Callable[[Year], Array], stream: Stream, years: range) -> Array:
    """The first years by the tool itself, all of them by the formula, which has to say the same on every night."""
    found = []
    for year in (Year(stream, one) for one in years):
        found.append(year.asked(formula(year)))
        if year.number * year.predictions < BY_ITSELF and (differ := found[-1] != alarms(year)).any():
            raise RuntimeError(f"the formula differs in year {year.number} on nights {np.flatnonzero(differ)[:5]}")
    return np.array(found)


Lives = Callable[[Stream, range], Array]  # (stream, years) -> (years, 365) alarms
MONITORS: dict[str, tuple[str, Lives]] = {  # distribution that has the version, and what to call
    "evidently_default": ("evidently", partial(checked, partial(evidently, method=None), jensen_shannon)),
    "evidently_chi_square": ("evidently", partial(checked, partial(evidently, method="chisquare"), exact_shares)),
    "nannyml_chi_square": ("nannyml", partial(checked, nannyml_chi_square, homogeneity)),
    "alibi_chi_square": ("alibi-detect", partial(checked, alibi_chi_square, homogeneity)),
    "frouros_chi_square": ("frouros", partial(checked, frouros_chi_square, homogeneity)),
    "leeway_prediction_drift": ("leeway", leeway_prediction_drift),
    "nannyml_cbpe": ("nannyml", partial(checked, nannyml_cbpe, cbpe_means)),
    "river_page_hinkley": ("river", partial(each, river_page_hinkley)),
    "seven_day_mean": ("numpy", partial(each, seven_day_mean)),
    "leeway_accuracy_uniform": ("leeway", partial(each, partial(leeway_accuracy, planned=False))),
    "leeway_accuracy_planned": ("leeway", partial(each, partial(leeway_accuracy, planned=True))),
}


def tell(kind: str, *words: Any) -> None:
    print(f"@{kind}", *words, flush=True)


def some_years(monitor: str, path: Path, years: range) -> Array:
    warnings.simplefilter("ignore")
    return MONITORS[monitor][1](Stream.load(path), years)


def live(monitor: str, path: Path, *, jobs: int) -> Array:
    """(years, 365) alarms of every year of the stream."""
    number = len(Stream.load(path).counts)
    parts = [range(first, min(first + AT_ONCE, number)) for first in range(0, number, AT_ONCE)]
    with ProcessPoolExecutor(jobs) as pool:
        running = {pool.submit(some_years, monitor, path, part): part for part in parts}
        for done in as_completed(running):
            done.result()
            tell("years", len(running[done]))
        return np.concatenate([one.result() for one in running])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=Path, required=True, help="folder of their .npz files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the alarms, a .npy file of each row")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("rows", nargs="+", metavar="MONITOR/STREAM")
    chosen = parser.parse_args()
    os.environ.update(EVIDENTLY_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", NML_DISABLE_USAGE_LOGGING="true")
    for row in chosen.rows:
        monitor, _, stream = row.partition("/")
        started = time.perf_counter()
        try:
            tell("version", row, version(MONITORS[monitor][0]))
            alarms = live(monitor, chosen.streams / f"{stream}.npz", jobs=chosen.jobs)
            np.save(chosen.out / f"{monitor}-{stream}.npy", alarms)
            tell("done", row, f"{time.perf_counter() - started:.1f}")
        except Exception as error:  # one that fails is listed as such, and the others go on
            traceback.print_exc()
            tell("failed", row, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
