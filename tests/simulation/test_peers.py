"""The comparison with peers: its streams, its formulae against scipy, its counts, and a run that goes on."""

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, chisquare

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(name="peers", scope="module")
def imported() -> Iterator[Any]:
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("peers")
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(name="worker", scope="module")
def imported_worker(peers: Any) -> Any:
    return importlib.import_module("peers_worker")


def stream_of(peers: Any, name: str, years: int = 1) -> Any:
    return peers.make_stream(peers.BY_NAME[name], years=years, seed=7)


def test_a_stream_that_was_saved_is_the_same_when_it_is_read(peers: Any, worker: Any, tmp_path: Path) -> None:
    drawn = stream_of(peers, "h")
    drawn.save(tmp_path / "h.npz")
    read = worker.Stream.load(tmp_path / "h.npz")
    assert (read.change, read.alike, read.seed) == (365, 1, 7)
    for name in ("counts", "reference", "kinds", "guesses", "error_rates"):
        assert np.array_equal(getattr(read, name), getattr(drawn, name)), name


def test_predictions_in_groups_share_their_class_and_their_confidence(peers: Any, worker: Any) -> None:
    year = worker.Year(stream_of(peers, "d"), 0)
    assert (year.counts % 10 == 0).all()
    assert (year.counts.sum(axis=1) == 1000).all()
    in_tens = year.guesses.reshape(372, 100, 10)
    assert (in_tens == in_tens[:, :, :1]).all()


def test_nights_that_differ_have_the_stated_accuracy_and_spread(peers: Any, worker: Any) -> None:
    stream = stream_of(peers, "h", years=20)
    nightly = stream.error_rates[stream.kinds].mean(axis=2)
    assert nightly.mean() == pytest.approx(0.08, abs=0.002)
    assert nightly.std() == pytest.approx(0.03, abs=0.002)
    assert worker.Year(stream, 0).test_split.mean() == pytest.approx(0.08, abs=0.02)


@pytest.mark.parametrize("name", ["a", "b", "e"])
def test_the_formulae_say_what_scipy_says(peers: Any, worker: Any, name: str) -> None:
    year = worker.Year(stream_of(peers, name), 0)
    before = year.reference.sum(axis=0)
    exact = before / before.sum() * 1000
    assert worker.homogeneity(year).tolist() == [chi2_contingency([one, before]).pvalue < 0.05 for one in year.counts]
    assert worker.exact_shares(year).tolist() == [chisquare(one, exact).pvalue < 0.05 for one in year.counts]
    assert worker.jensen_shannon(year).tolist() == [jensenshannon(one, before) >= 0.1 for one in year.counts]


def test_a_formula_that_says_something_else_than_the_tool_stops_the_row(peers: Any, worker: Any) -> None:
    stream = stream_of(peers, "a")
    with pytest.raises(RuntimeError, match="differs in year 0 on nights"):
        worker.checked(worker.homogeneity, worker.exact_shares, stream, range(1))
    assert worker.checked(worker.homogeneity, worker.homogeneity, stream, range(1)).shape == (1, 365)


def test_nobody_is_asked_after_the_first_alarm_after_the_change(peers: Any, worker: Any) -> None:
    year = worker.Year(stream_of(peers, "f"), 0)
    alarms = np.isin(np.arange(365), [3, 100, 185, 186, 300])
    asked = year.alarms(lambda night: bool(alarms[night]))
    assert np.flatnonzero(asked).tolist() == [3, 100, 185]
    assert year.asked(alarms).tolist() == asked.tolist()


def test_the_check_of_drift_alarms_when_its_engine_does(peers: Any, worker: Any) -> None:
    """Not in the first year, which the worker compares by itself."""
    stream = stream_of(peers, "f", years=2)
    by_engine = worker.leeway_prediction_drift(stream, range(1, 2))[0]
    by_check = worker.leeway_check_of_drift(worker.Year(stream, 1))
    assert by_check.any()
    assert by_engine.argmax() == by_check.argmax()


def test_a_false_alarm_sorts_its_year_behind_every_delay(peers: Any) -> None:
    alarms = np.zeros((3, 365), dtype=bool)
    alarms[0, 184] = alarms[1, 10] = alarms[1, 190] = True
    row = peers.count(alarms, monitor=peers.MONITORS["seven_day_mean"], world=peers.BY_NAME["j"])
    assert (row.years, row.years_with_false_alarm) == (3, 1)
    assert row.false_alarm_nights_per_year == pytest.approx(1 / 3)
    assert row.delay_of_quiet_years == (5, peers.NEVER)
    assert row.delay_of_all_years == (peers.NEVER, peers.ALREADY)


def test_rows_that_are_there_are_kept_and_those_of_other_years_are_refused(peers: Any, tmp_path: Path) -> None:
    numbers, settings = tmp_path / "peers.json", {"years": 3, "seed": 7}
    alarms = np.zeros((3, 365), dtype=bool)
    row = peers.count(alarms, monitor=peers.MONITORS["seven_day_mean"], world=peers.BY_NAME["g"])
    book = peers.Book.opened(numbers, settings)
    book.fail(["seven_day_mean/g", "nannyml_cbpe/g"], "does not install: no network")
    book.add(replace(row, version="2.0"))
    again = peers.Book.opened(numbers, settings)
    assert again.rows["seven_day_mean/g"] == replace(row, version="2.0")
    assert again.failures == {"nannyml_cbpe/g": "does not install: no network"}
    assert list(json.loads(numbers.read_text())["rows"]) == ["seven_day_mean/g"]
    with pytest.raises(SystemExit, match="'years': 4"):
        peers.Book.opened(numbers, {"years": 4, "seed": 7})
