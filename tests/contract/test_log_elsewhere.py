"""A log that lies elsewhere answers every question as the twin in memory does, wherever it lies."""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from test_log_nights import LOG, NAMES, NEXT
from test_log_truth import Truth, grouped_truth

from battery import DAY, END, SECRET, START, VERSION, prediction, record, with_labels
from leeway.domain.identity import DIGEST, STREAMS
from leeway.domain.records import WATCHED, ModelVersion, Pick, Prediction
from leeway.domain.stores import PredictionLog
from leeway.errors import LogError, StoreError
from leeway.stores.external.address import parse_address
from leeway.stores.external.log import ExternalLog
from leeway.stores.external.opening import open_log
from leeway.stores.external.source import LogSource
from leeway.stores.external.table import Table
from leeway.stores.external.warehouses import WAREHOUSES
from logs_elsewhere import COLUMNS, InBucket, InDuckDb, InFolder, InPostgres, LogElsewhere, as_table, s3_server
from memory_ledger import MemoryLedger
from memory_stores import MemoryLog

KINDS = ["folder", "bucket", "duckdb", "postgresql"]
ONE, TWO = (replace(one, bundle_digest=f"{WATCHED}{name}") for one, name in ((VERSION, "one"), (NEXT, "two")))


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=KINDS)
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> LogElsewhere:
    return made_elsewhere(request, request.param, tmp_path)


def made_elsewhere(request: pytest.FixtureRequest, kind: str, folder: Path) -> LogElsewhere:
    if kind == "bucket":
        request.getfixturevalue("bucket_server")
        return InBucket(f"b{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}")
    if kind == "postgresql":
        return InPostgres(request.getfixturevalue("postgres_server"))
    return InFolder(folder) if kind == "folder" else InDuckDb(folder)


def opened(elsewhere: LogElsewhere, folder: Path, *versions: ModelVersion) -> ExternalLog:
    ledger = MemoryLedger()
    for one in versions or (ONE, TWO):
        ledger.record_model(one)
    assert ledger.secret == SECRET
    return open_log("pets", LogSource(address=elsewhere.address, columns=COLUMNS), ledger, folder=folder, writing=True)


def plain(rows: Sequence[Prediction]) -> list[Prediction]:
    """As a log elsewhere knows them: without what was measured, and without paths of images."""
    return [
        replace(
            one,
            probabilities=(),
            energy=None,
            latency_ms=None,
            review=None,
            image=one.image if DIGEST.fullmatch(one.image) else "",
        )
        for one in rows
    ]


def digest(log: PredictionLog, version: ModelVersion, upto: str | None) -> str:
    """Of the counts and draws of a night, and of what was when."""
    cells = log.cells(version, START, END, upto=upto)
    seconds = log.cells(version, START, END, upto=upto, second=["cat", "dog"])
    picks = [Pick(one.predicted_class, one.bin, one.slice, one.count // 2, one.count) for one in cells]
    among = [Pick(one.predicted_class, one.bin, one.slice, 0, one.count, one.second) for one in seconds]
    answers = [
        cells,
        seconds,
        [log.pick(version, START, END, picks, stream=stream, upto=upto) for stream in STREAMS],
        log.pick(version, START, END, among, stream="plan", upto=upto, second=["cat", "dog"]),
        [log.sample(version, START, END, 200, stream=stream, upto=upto) for stream in STREAMS],
        log.copies(version, START, END, images=NAMES[:2], groups=NAMES, upto=upto),
        [log.first_at(version), log.first_at(version, since=START), log.first_at(version, since=END + DAY)],
        [log.last_at(version), log.last_at(version, before=START), log.last_at(version, before=START - DAY)],
        [log.count(version, START, END), log.count(version, START, None)],
        log.rows_by_version("pets", [1, 2, 3], START, END),
        log.by_ids("pets", [one.id for one in LOG[::97]] + ["nobody's"]),
    ]
    return hashlib.sha256(repr(answers).encode()).hexdigest()


def test_gives_the_same_answers_as_the_twin(elsewhere: LogElsewhere, tmp_path: Path) -> None:
    twin, rows = MemoryLog(SECRET), plain([one for one in LOG if one.model == "pets"])
    record(twin, *rows)
    elsewhere.add(as_table(rows))
    log = opened(elsewhere, tmp_path)
    for version in (ONE, TWO):
        assert digest(log, version, None) == digest(twin, version, None)
    assert log.elsewhere("pets", [rows[0].id]) == {}
    log.close()


@pytest.mark.parametrize("elsewhere", ["folder", "bucket"], indirect=True)
def test_up_to_a_position_files_stay_as_they_were(elsewhere: LogElsewhere, tmp_path: Path) -> None:
    twin, rows = MemoryLog(SECRET), plain([one for one in LOG if one.model == "pets"])
    record(twin, *rows[::2])
    elsewhere.add(as_table(rows[::2]))
    own, twins = opened(elsewhere, tmp_path).position("pets"), twin.position("pets")
    assert len(own) < 60
    record(twin, *rows[1::2])
    time.sleep(1.1 if isinstance(elsewhere, InBucket) else 0)  # S3 tells times in seconds
    elsewhere.add(as_table(rows[1::2]))
    for log in (opened(elsewhere, tmp_path), without_memory(elsewhere, tmp_path)):
        for version in (ONE, TWO):
            assert digest(log, version, own) == digest(twin, version, twins)
            late = twin.count(version, START, END, after=twins)
            assert log.count(version, START, END, after=own) == late > 0
        assert log.position("pets") != own


def without_memory(elsewhere: LogElsewhere, folder: Path) -> ExternalLog:
    """As another machine opens it, which did not count that night."""
    (folder / ".leeway" / "external" / "pets.json").unlink()
    return opened(elsewhere, folder)


def give(twin: MemoryLog, elsewhere: LogElsewhere, truth: Sequence[Truth]) -> None:
    rows, labels, chances = plain([one for one, _, _ in truth]), [one for _, one, _ in truth], [p for _, _, p in truth]
    twin.record("pets", [with_labels(rows, labels, chances)], received_at=START)
    elsewhere.add(as_table(rows, labels=labels, chances=chances))


def test_truth_that_came_with_it_is_counted_and_sampled_as_the_twin_does(
    elsewhere: LogElsewhere, tmp_path: Path
) -> None:
    twin, truth = MemoryLog(SECRET), grouped_truth()
    give(twin, elsewhere, truth)
    log = opened(elsewhere, tmp_path)
    window = (ONE, START, END)
    assert log.given_tallies(*window) == twin.given_tallies(*window) != []
    assert log.given_alike(*window) == pytest.approx(twin.given_alike(*window))
    assert log.first_given(ONE, None) == twin.first_given(ONE, None)
    assert log.first_given(ONE, END + DAY) is None
    own, twins = (one.given(*window, 50, stream="page") for one in (log, twin))
    assert [(label.label, said) for label, said in own] == [(label.label, said) for label, said in twins]
    ids = [one.id for one, _, _ in truth]
    assert [(one.prediction_id, one.label) for one in log.given_by_ids("pets", ids)] == [
        (one.prediction_id, one.label) for one in twin.given_by_ids("pets", ids)
    ]
    log.close()


@pytest.mark.parametrize("elsewhere", ["folder"], indirect=True)
def test_truth_between_two_positions_is_that_of_the_files_that_came_there(
    elsewhere: LogElsewhere, tmp_path: Path
) -> None:
    twin, truth = MemoryLog(SECRET), grouped_truth()
    give(twin, elsewhere, truth[:200])
    log = opened(elsewhere, tmp_path)
    early, twins = log.position("pets"), twin.position("pets")
    give(twin, elsewhere, truth[200:])
    late, twins_late = log.position("pets"), twin.position("pets")
    window = (ONE, START, END)
    for between, twins_between in (
        ({"upto": early}, {"upto": twins}),
        ({"after": early, "upto": late}, {"after": twins, "upto": twins_late}),
        ({"upto": late, "rows_upto": early}, {"upto": twins_late, "rows_upto": twins}),
    ):
        assert log.given_tallies(*window, **between) == twin.given_tallies(*window, **twins_between) != []
        assert log.given_alike(*window, **between) == pytest.approx(twin.given_alike(*window, **twins_between))


def test_nothing_is_recorded_there(elsewhere: LogElsewhere, tmp_path: Path) -> None:
    elsewhere.add(as_table([prediction("a")]))
    log = opened(elsewhere, tmp_path)
    with pytest.raises(StoreError, match="nothing is recorded here"):
        record(log, prediction("b"))
    log.close()


def test_a_name_of_a_version_that_is_not_known_is_told(elsewhere: LogElsewhere, tmp_path: Path) -> None:
    rows = [prediction("a"), prediction("b", version=2, occurred_at=START + DAY)]
    elsewhere.add(as_table(rows))
    log = opened(elsewhere, tmp_path, ONE)
    assert log.names_of_versions(None) == ["two"]
    assert log.names_of_versions(START + 2 * DAY) == []
    assert log.count(ONE, START, None) == 1
    log.close()


# What has gone, and what is kept


@pytest.mark.parametrize("elsewhere", ["folder", "bucket"], indirect=True)
def test_a_file_that_is_gone_since_a_position_is_named(elsewhere: LogElsewhere, tmp_path: Path) -> None:
    elsewhere.add(as_table([prediction(f"a{at}") for at in range(10)]))
    elsewhere.add(as_table([prediction(f"b{at}") for at in range(5)]))
    log = opened(elsewhere, tmp_path)
    upto = log.position("pets")
    gone = elsewhere.remove("part-2")
    for again in (log, opened(elsewhere, tmp_path)):
        again.position("pets")
        for at in (upto, None):
            with pytest.raises(LogError, match=f"5 rows.*{re.escape(gone)}"):
                again.cells(ONE, START, END, upto=at)
    assert opened(elsewhere, tmp_path).cells(ONE, END, END + DAY) == []  # of other nights nothing is missing
    assert opened(elsewhere, tmp_path).first_at(ONE, since=START) is not None


def test_a_file_that_is_put_back_is_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = InFolder(tmp_path)
    elsewhere.add(as_table([prediction(f"a{at}") for at in range(10)]))
    elsewhere.add(as_table([prediction(f"b{at}") for at in range(5)]))
    upto = opened(elsewhere, tmp_path).position("pets")
    [path] = elsewhere.folder.rglob("part-2.parquet")
    away = path.rename(tmp_path / "away.parquet")
    opened(elsewhere, tmp_path).position("pets")
    away.rename(path)
    log = opened(elsewhere, tmp_path)
    assert [one.count for one in log.cells(ONE, START, END, upto=upto)] == [15]
    assert log.count(ONE, START, END, after=upto) == 0
    assert not caplog.records


@pytest.mark.parametrize("elsewhere", ["folder", "bucket"], indirect=True)
def test_a_file_that_is_rewritten_with_fewer_rows_is_named(elsewhere: LogElsewhere, tmp_path: Path) -> None:
    elsewhere.add(as_table([prediction(f"a{at}") for at in range(10)]))
    upto = opened(elsewhere, tmp_path).position("pets")
    elsewhere.written = 0
    elsewhere.add(as_table([prediction(f"a{at}") for at in range(7)]))
    with pytest.raises(LogError, match=r"3 rows.*part-1\.parquet"):
        opened(elsewhere, tmp_path).cells(ONE, START, END, upto=upto)


@pytest.mark.parametrize("is_renamed", [False, True])
def test_a_file_may_be_rewritten_again_and_again_as_it_grows(tmp_path: Path, is_renamed: bool) -> None:
    elsewhere = InFolder(tmp_path)
    for rows in (5, 3, 7, 7):  # the second time it was read half written
        if elsewhere.folder.exists():
            elsewhere.remove(f"part-{elsewhere.written}")
        elsewhere.written -= 0 if is_renamed or not elsewhere.written else 1
        elsewhere.add(as_table([prediction(f"a{at}") for at in range(rows)]))
        opened(elsewhere, tmp_path).position("pets")
    log = opened(elsewhere, tmp_path)
    upto = log.position("pets")
    assert [one.count for one in log.cells(ONE, START, END)] == [7]
    elsewhere.written = 10
    elsewhere.add(as_table([prediction(f"late{at}") for at in range(4)]))
    log = opened(elsewhere, tmp_path)
    log.position("pets")
    assert [one.count for one in log.cells(ONE, START, END, upto=upto)] == [7]
    assert log.count(ONE, START, END, after=upto) == 4
    elsewhere.remove("part-11")
    elsewhere.remove("part-4" if is_renamed else "part-1")
    elsewhere.add(as_table([prediction(f"a{at}") for at in range(6)]))
    with pytest.raises(LogError, match="5 rows"):
        opened(elsewhere, tmp_path).cells(ONE, START, END)


@pytest.mark.parametrize("elsewhere", ["postgresql"], indirect=True)
def test_a_night_in_postgresql_is_counted_and_drawn_from_in_one_transaction(
    elsewhere: LogElsewhere, tmp_path: Path
) -> None:
    elsewhere.add(as_table([prediction(f"a{at}") for at in range(10)]))
    log = opened(elsewhere, tmp_path)
    upto = log.position("pets")
    elsewhere.add(as_table([prediction(f"b{at}") for at in range(5)]))
    assert [one.count for one in log.cells(ONE, START, END, upto=upto)] == [10]
    assert {one.id[0] for one in log.sample(ONE, START, END, 15, stream="page", upto=upto)} == {"a"}
    assert log.count(ONE, START, END, after=upto) == 5
    other = opened(elsewhere, tmp_path)
    assert other.count(ONE, START, END, after=upto) == 0  # another process cannot know
    log.close()
    other.close()


class Snapshots:
    """A connection to a table with 5 rows at snapshot 17, and 8 now; it may keep no snapshots at all."""

    def __init__(self, *, kept: bool = True) -> None:
        self.kept, self.rows = kept, list[tuple[object, ...]]()

    def cursor(self) -> "Snapshots":
        return self

    def execute(self, text: str) -> None:
        if not self.kept and ("HISTORY" in text or "AS OF" in text):
            raise ValueError("no such thing")
        columns = [(name, "timestamp" if name == "ts" else "string") for name in ("uuid", "ts", "answer")]
        counted = [(5 if "VERSION AS OF 17" in text else 8,)]
        answers = {"HISTORY": [(17, "WRITE")], "information_schema": columns, "LIMIT 0": []}
        self.rows = next((rows for word, rows in answers.items() if word in text), counted)

    def fetchall(self) -> list[tuple[object, ...]]:
        return self.rows

    def close(self) -> None: ...


@pytest.mark.parametrize(("kept", "position", "late"), [(True, "as of:17", 3), (False, "moment:not kept", 0)])
def test_what_came_late_is_counted_where_a_table_can_be_read_as_it_was(
    tmp_path: Path, *, kept: bool, position: str, late: int
) -> None:
    address = parse_address("databricks://host/shop.serving.log", tmp_path)
    table = Table(address, replace(WAREHOUSES["databricks"], connect=lambda _: Snapshots(kept=kept)))
    names = {name: COLUMNS[name] for name in ("prediction_id", "occurred_at", "predicted_class")}
    source = LogSource(address=address.text, columns=names)
    log = ExternalLog("pets", source, table, secret=SECRET, versions=lambda: [ONE])
    assert log.position("pets") == position
    assert log.count(ONE, START, END) == 8
    assert log.count(ONE, START, END, after=position) == late


@pytest.mark.parametrize("elsewhere", ["duckdb"], indirect=True)
def test_of_a_table_the_first_moment_is_remembered_and_the_last_is_looked_for_from_there(
    elsewhere: LogElsewhere, tmp_path: Path
) -> None:
    elsewhere.add(as_table([prediction("a", occurred_at=START), prediction("b", occurred_at=END)]))
    log = opened(elsewhere, tmp_path)
    assert (log.first_at(ONE), log.last_at(ONE)) == (START, END)
    elsewhere.add(as_table([prediction("c", occurred_at=START - DAY), prediction("d", occurred_at=END + DAY)]))
    again = opened(elsewhere, tmp_path)
    assert (again.first_at(ONE), again.last_at(ONE)) == (START, END + DAY)
    assert again.first_at(ONE, since=START - 2 * DAY) == START - DAY
    assert again.last_at(ONE, before=START) == START - DAY
    (tmp_path / ".leeway" / "external" / "pets.json").write_text("{")
    assert opened(elsewhere, tmp_path).first_at(ONE) == START - DAY
