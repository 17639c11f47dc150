"""Many prediction logs at once, as people type it: folders, globs, S3, what is known, what fails beside it."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

from json_answers import check_answer
from prediction_logs import COLUMNS, answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pets(leeway: Leeway, tmp_path: Path) -> Path:
    """A folder that watches `pets`, with logs of two nights in parts."""
    reference(tmp_path / "reference.csv")
    code, _, error = leeway(tmp_path, "watch", "init", "pets", "--reference", "reference.csv", "--floor", "0.85")
    assert code == 0, error
    for night in range(2):
        folder = tmp_path / "parts" / f"dt=2026-03-0{night + 1}"
        folder.mkdir(parents=True)
        write_log(folder / "part-0.csv", answers(20, first=night))
        packed = gzip.compress(write_log(tmp_path / "t.csv", answers(10, first=night, name="q")).read_bytes())
        (folder / "part-1.csv.gz").write_bytes(packed)
        (folder / "_SUCCESS").touch()
        (folder / "part-2.csv.tmp").write_text("not yet")
    return tmp_path


def test_a_folder_of_parts_goes_in_file_by_file_with_a_sum_at_the_end(leeway: Leeway, pets: Path) -> None:
    code, out, _ = leeway(pets, "ingest", "parts", "--model", "pets")
    lines = out.splitlines()
    assert code == 0
    assert [line.partition(": ")[0] for line in lines[:5]] == [
        *(f"parts/dt=2026-03-0{night}/part-{part}" for night in (1, 2) for part in ("0.csv", "1.csv.gz")),
        "4 files",
    ]
    assert "60 new, 0 known, 0 refused; 0 new labels; 60 rows in " in lines[4]
    assert "a second" in lines[4]
    assert "2026-03-01        1           30                0" in out


def test_the_same_again_is_known_and_said_to_be(leeway: Leeway, pets: Path) -> None:
    leeway(pets, "ingest", "parts", "--model", "pets")
    code, out, _ = leeway(pets, "ingest", "parts/*/part-0.csv", "--model", "pets", "--strict")
    assert code == 0
    assert out.count("the same file went in on ") == 2
    assert "2 files: 0 new, 40 known, 0 refused" in out
    code, out, _ = leeway(pets, "ingest", "parts/dt=2026-03-01/part-0.csv", "--model", "pets", "--json")
    check_answer("ingest", out)
    [file] = json.loads(out)["files"]
    assert (file["new"], file["known"], file["known_since"] is None) == (0, 20, False)


def test_a_file_that_fails_does_not_keep_the_others_out(leeway: Leeway, pets: Path) -> None:
    (pets / "cut.csv.gz").write_bytes((pets / "parts/dt=2026-03-01/part-1.csv.gz").read_bytes()[:-30])
    (pets / "empty").mkdir()
    inputs = ("none.csv", "cut.csv.gz", "empty", "no/*.csv", "parts", "parts/dt=2026-03-01/part-0.csv")
    code, out, err = leeway(pets, "ingest", *inputs, "--model", "pets")
    assert code == 2
    assert "4 files: 60 new" in out, "a file that is named twice is taken once"
    for name in inputs[:4]:
        assert sum(line.startswith(f"{name}: ") for line in err.splitlines()) == 1, err
    assert err.splitlines()[-1].startswith("leeway: 4 inputs could not be taken")
    assert "4 other files" in err.splitlines()[-1]


def test_what_failed_is_listed_in_json(leeway: Leeway, pets: Path) -> None:
    code, out, _ = leeway(pets, "ingest", "none.csv", "parts", "--model", "pets", "--json")
    content = json.loads(out)
    assert (code, content["exit_code"], len(content["files"])) == (2, 2, 4)
    [failed] = content["failed"]
    assert failed["file"] == "none.csv"
    assert failed["problem"].startswith("none.csv: there is no such file")


def test_a_strict_file_that_is_refused_does_not_keep_the_others_out(leeway: Leeway, pets: Path) -> None:
    rows = answers(5, name="s")
    write_log(pets / "bad.csv", [{**rows[0], "confidence": "7"}, *rows[1:]])
    code, out, err = leeway(pets, "ingest", "bad.csv", "parts", "--model", "pets", "--strict")
    assert code == 2
    assert "4 files: 60 new" in out
    assert "bad.csv: 1 row cannot be taken" in err


# S3


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


def test_logs_in_s3_go_in_as_those_of_a_folder_do(
    leeway: Leeway, pets: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    names = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server}
    for name, value in {**names, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    store = fs.S3FileSystem(endpoint_override=server, region="us-east-1", allow_bucket_creation=True)
    fs.copy_files(f"{pets}/parts", "logs/parts", destination_filesystem=store)
    for named, counts in (
        ("s3://logs/parts/dt=2026-03-01/part-0.csv", "20 new, 0 known"),
        ("s3://logs/parts/dt=*/*.csv", "20 new, 20 known"),
        ("s3://logs/parts", "20 new, 40 known"),
        ("parts", "0 new, 60 known"),
    ):
        code, out, err = leeway(pets, "ingest", named, "--model", "pets")
        assert code == 0, err
        assert counts in out
    code, _, err = leeway(pets, "ingest", "s3://nowhere/a.csv", "--model", "pets")
    assert (code, len(err.splitlines())) == (2, 1)
    rows = [{**answers(1, name="i")[0], "image": "1.png"}, {**answers(1, name="j")[0], "image": "ab" * 32}]
    path = write_log(pets / "images.csv", rows, columns=(*COLUMNS, "image"))
    fs.copy_files(str(path), "logs/images.csv", destination_filesystem=store)
    code, out, _ = leeway(pets, "ingest", "s3://logs/images.csv", "--model", "pets")
    assert "line 2: image '1.png' is looked for beside files only, not in S3" in out
    assert (code, "s3://logs/images.csv: 1 new, 0 known, 1 refused" in out) == (0, True)
