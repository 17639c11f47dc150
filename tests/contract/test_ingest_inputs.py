"""Inputs of an ingest: files, folders, globs and S3, of which what is being written is left out."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from leeway.errors import DataError
from leeway.predictions import s3
from leeway.predictions.inputs import fetched, find_inputs

LOGS = ["a.csv", "b.csv.gz", "dt=1/part-0.parquet", "dt=2/hour=3/part-1.JSONL.zst", "dt=2/old.ndjson"]
OTHERS = [
    "_SUCCESS",
    "README.md",
    "1.png",
    ".hidden.csv",
    "_metadata.parquet",
    "part-2.csv.tmp",
    "dt=1/.part-0.parquet.crc",
    "_temporary/0/part-0.csv",
    ".git/x.csv",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*LOGS, *OTHERS):
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_of_a_folder_every_log_is_taken_and_nothing_else(folder: Path) -> None:
    assert find_inputs("logs") == find_inputs("logs/") == [f"logs/{name}" for name in LOGS]
    assert find_inputs(str(folder / "logs" / "dt=2")) == [f"{folder}/logs/{name}" for name in LOGS[3:]]


def test_a_folder_of_parts_may_lie_in_a_hidden_one(folder: Path) -> None:
    hidden = (folder / "logs").rename(folder / "_logs")
    assert find_inputs("_logs") == [f"_logs/{name}" for name in LOGS]
    assert find_inputs(str(hidden / "_temporary")) == [f"{hidden}/_temporary/0/part-0.csv"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("logs/*.csv*", ["a.csv", "b.csv.gz"]),
        ("logs/dt=*", LOGS[2:]),
        ("logs/dt=*/*.parquet", LOGS[2:3]),
        ("logs/**/*.ndjson", LOGS[4:]),
        ("logs/[ab].*", LOGS[:2]),
        ("logs/part-2.csv.tmp", ["part-2.csv.tmp"]),
    ],
)
def test_a_glob_names_what_it_matches_and_a_path_itself(folder: Path, named: str, expected: list[str]) -> None:
    assert find_inputs(named) == [f"logs/{name}" for name in expected]


def test_a_file_whose_name_looks_like_a_glob_is_itself(folder: Path) -> None:
    (folder / "a[1].csv").touch()
    assert find_inputs("a[1].csv") == ["a[1].csv"]


def test_a_file_that_is_not_there_is_found_missing_when_it_is_read(folder: Path) -> None:
    assert find_inputs("none.csv") == ["none.csv"]


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("empty", "the folder is empty"),
        ("pictures", "1 other file"),
        ("logs/*.avro", "nothing matches it"),
        ("logs/*.tmp", "1 match"),
        ("gs://bucket/a.csv", "give a path, a folder, a glob or an address s3://"),
        ("s3://", "names no bucket"),
        ("s3://*/a.csv", "names no bucket"),
    ],
)
def test_nothing_to_take_is_an_error_that_says_what_is_there(folder: Path, named: str, says: str) -> None:
    (folder / "empty").mkdir()
    (folder / "pictures").mkdir()
    (folder / "pictures" / "1.png").touch()
    with pytest.raises(DataError) as error:
        find_inputs(named)
    assert str(error.value).startswith(f"{named}: ")
    assert says in str(error.value)


def test_a_file_on_the_disk_is_read_where_it_lies(folder: Path) -> None:
    with fetched("logs/a.csv") as path:
        assert path == Path("logs/a.csv")


# S3


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> fs.S3FileSystem:
    """A bucket `logs` in which the files lie, some also below `night/`; the environment names the server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    given = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "ENDPOINT_URL": server, "REGION": "eu-west-1"}
    for name, value in {**given, "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    made = fs.S3FileSystem(endpoint_override=server, region="eu-west-1", allow_bucket_creation=True)
    made.create_dir("logs")
    for name in (*LOGS, *OTHERS):
        put(made, f"logs/night/{name}", name.encode())
    put(made, "logs/top.csv", b"top")
    return made


def put(store: fs.S3FileSystem, place: str, content: bytes) -> None:
    with store.open_output_stream(place, compression=None) as file:
        file.write(content)


def test_objects_below_a_prefix_are_found_as_files_of_a_folder_are(bucket: fs.S3FileSystem) -> None:
    assert find_inputs("s3://logs/night") == find_inputs("s3://logs/night/") == [f"s3://logs/night/{n}" for n in LOGS]
    assert find_inputs("s3://logs") == [*(f"s3://logs/night/{name}" for name in LOGS), "s3://logs/top.csv"]
    assert find_inputs("s3://logs/night/a.csv") == ["s3://logs/night/a.csv"]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("s3://logs/night/dt=*/*.parquet", LOGS[2:3]),
        ("s3://logs/night/*.csv*", LOGS[:2]),
        ("s3://logs/night/**/*.ndjson", LOGS[4:]),
        ("s3://logs/*/a.csv", LOGS[:1]),
        ("s3://logs/**/[ab].csv", LOGS[:1]),
    ],
)
def test_a_glob_over_a_bucket_matches_part_by_part(bucket: fs.S3FileSystem, named: str, expected: list[str]) -> None:
    assert find_inputs(named) == [f"s3://logs/night/{name}" for name in expected]


def test_an_object_is_fetched_as_it_is_under_its_name_and_removed_afterwards(bucket: fs.S3FileSystem) -> None:
    content = gzip.compress(b"abc" * 9)
    bucket.create_dir("packed")  # of its own: another test lists all of `logs`
    put(bucket, "packed/x.csv.gz", content)
    with fetched("s3://packed/x.csv.gz") as path:
        assert (path.name, path.read_bytes()) == ("x.csv.gz", content)
    assert not path.exists()


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("s3://logs/none.csv", "nothing in the bucket under this name"),
        ("s3://logs/none/*.csv", "nothing in the bucket under this name"),
        ("s3://logs/night/*.avro", "no prediction log there"),
        ("s3://nowhere/*.csv", "NO_SUCH_BUCKET"),
        ("s3://nowhere/a.csv", "S3 refused"),
        ("s3://nowhere/", "NO_SUCH_BUCKET"),
    ],
)
def test_what_is_not_in_s3_is_said_in_one_line(bucket: fs.S3FileSystem, named: str, says: str) -> None:
    with pytest.raises(DataError) as error:
        find_inputs(named)
    assert str(error.value).startswith(f"{named}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_without_credentials_the_settings_are_named(bucket: fs.S3FileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(DataError, match="AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"):
        find_inputs("s3://logs/a.csv")


@pytest.mark.parametrize(
    ("key", "pattern", "same"),
    [
        ("a/b.csv", "a/*.csv", True),
        ("a/b/c.csv", "a/*.csv", False),
        ("a/b/c.csv", "a/**/*.csv", True),
        ("a/c.csv", "a/**/*.csv", True),
        ("a/b/c", "**", True),
        ("a", "a/b", False),
        ("a/b", "a", False),
    ],
)
def test_a_star_stays_within_a_part_of_a_key(key: str, pattern: str, same: bool) -> None:
    assert s3.matches(key.split("/"), pattern.split("/")) is same
