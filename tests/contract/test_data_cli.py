"""`leeway data` as people type it: on a workspace of its own, with real images, git, DVC and MLflow."""

import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from leeway import cli
from leeway.adapters.dvc.git import run_git
from leeway.adapters.mlflow.registry import open_registry
from leeway.adapters.mlflow.tracking import open_tracker
from leeway.data.manifest import read_manifest
from leeway.jobs.init import init_workspace
from leeway.stages import gather, prepare
from tiny_bundle import COLOURS, write_tiny_bundle

Leeway = Callable[..., tuple[int, str, str]]
PLANTED = {"red/07.png": "green", "blue/03.png": "red"}  # what these two images show


def noisy(name: str, seed: int) -> bytes:
    """A PNG of one colour, with noise of its own."""
    noise = np.random.default_rng(seed).integers(-20, 21, (10, 12, 3))
    stored = io.BytesIO()
    Image.fromarray(np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)).save(stored, "PNG")
    return stored.getvalue()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with 90 images of three colours, two of them mislabelled, a bundle, a run and a model version."""
    folder = tmp_path_factory.mktemp("data") / "colours"
    init_workspace(folder)
    for number, name in enumerate(COLOURS):
        for place in range(30):
            origin = f"{name}/{place:02d}.png"
            (folder / "photos" / name).mkdir(parents=True, exist_ok=True)
            content = noisy(PLANTED.get(origin, name), seed=100 * number + place)
            (folder / "photos" / origin).write_bytes(content)
    (folder / "photos" / "red" / "broken.png").write_bytes(b"not an image")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["data"] |= {"source": {"kind": "folder", "path": "photos"}}
    params["data"]["split"] |= {"val": 0.15, "test": 0.15}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["gather"])
        assert (gather.main(), prepare.main()) == (0, 0)
    digest = read_manifest(folder / "data" / "dataset").digest
    bundle = write_tiny_bundle(folder / "models" / "bundle")
    address = f"sqlite:///{folder / '.leeway' / 'mlflow.db'}"
    with open_tracker(address).run("train", tags={"dataset_digest": digest, "bundle_digest": bundle}):
        pass
    open_registry(address).register(folder / "models" / "bundle", model="colours", tags={})
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "colours", symlinks=True)
    return tmp_path / "colours"


@pytest.fixture
def leeway(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Leeway:
    """Runs the command in a folder; gives exit code, stdout and stderr."""

    def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("LEEWAY_MODEL", "colours")
        monkeypatch.setattr(sys, "argv", ["leeway", "data", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        told = capfd.readouterr()
        return int(stopped.value.code or 0), told.out, told.err

    return run


def fill(path: Path, answers: dict[str, str]) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "new_label": answers.get(row["origin"], "")} for row in rows)


def test_audit_tells_numbers_and_warnings_and_draws_the_page(workspace: Path, leeway: Leeway) -> None:
    code, out, _ = leeway(workspace, "audit")
    assert code == 0
    assert re.search(r"^dataset +[0-9a-f]{12}: 90 images in 3 classes$", out, re.MULTILINE)
    assert re.search(r"^finding .*red/broken\.png", out, re.MULTILINE)
    assert re.search(r"^! under 100 test images: ", out, re.MULTILINE)
    html = (workspace / "reports" / "data_audit.html").read_text()
    assert html.count('alt="augmented"') == 8 * 9
    assert 'alt="blue, train"' in html


def test_sql_answers_as_a_table_or_as_csv(workspace: Path, leeway: Leeway) -> None:
    query = "SELECT label, count(*) AS n FROM images GROUP BY ALL ORDER BY label"
    assert leeway(workspace, "sql", query)[1].splitlines() == [
        *("label   n", "-----  --", "blue   30", "green  30", "red    30", "3 rows"),
    ]
    assert leeway(workspace, "sql", query, "--csv")[1] == "label,n\nblue,30\ngreen,30\nred,30\n"
    assert leeway(workspace, "sql", "SELECT finding FROM findings", "--csv")[1].count("\n") == 2


def test_sql_answers_as_rows_by_column(workspace: Path, leeway: Leeway) -> None:
    query = "SELECT label, count(*) AS n FROM images GROUP BY ALL ORDER BY label LIMIT 2"
    told = json.loads(leeway(workspace, "sql", query, "--json")[1])
    assert told == {"columns": ["label", "n"], "rows": [{"label": "blue", "n": 30}, {"label": "green", "n": 30}]}
    odd = "SELECT 'nan'::DOUBLE AS a, 1.50::DECIMAL(4, 2) AS b, DATE '2026-03-01' AS c, [1, NULL] AS d, 2::HUGEINT AS e"
    [row] = json.loads(leeway(workspace, "sql", odd, "--json")[1])["rows"]
    assert row == {"a": None, "b": "1.50", "c": "2026-03-01", "d": [1, None], "e": 2}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [(["SELECT 1 AS a, 2 AS a", "--json"], "'a'"), (["SELECT 1", "--json", "--csv"], "--csv")],
)
def test_sql_refuses_what_one_object_cannot_hold(
    arguments: list[str], names: str, workspace: Path, leeway: Leeway
) -> None:
    code, out, _ = leeway(workspace, "sql", *arguments)
    told = json.loads(out)
    assert (code, told["exit_code"], names in told["error"]) == (2, 2, True)


def test_sql_writes_no_text_as_csv_that_a_spreadsheet_would_run(workspace: Path, leeway: Leeway) -> None:
    query = "SELECT '=1+1' AS a, '@x' AS \"=b\", -5 AS c, -0.5 AS d, 'cat' AS e, NULL AS f"
    assert leeway(workspace, "sql", query, "--csv")[1] == "a,'=b,c,d,e,f\n'=1+1,'@x,-5,-0.5,cat,\n"
    assert leeway(workspace, "sql", query)[1].splitlines()[2].split() == ["=1+1", "@x", "-5", "-0.5", "cat"]


def test_sql_says_which_images_validated_a_run(workspace: Path, leeway: Leeway) -> None:
    unknown = leeway(workspace, "sql", "SELECT 1", "--run", "zz")
    assert unknown[0] == 2
    run = re.search(r"^  ([0-9a-f]{12})  train, dataset", unknown[2], re.MULTILINE)
    assert run is not None
    query = "SELECT count(*) AS n FROM images WHERE split = 'val'"
    validated = len(read_manifest(workspace / "data" / "dataset").rows("val"))
    assert leeway(workspace, "sql", query, "--run", run[1], "--csv")[1] == f"n\n{validated}\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["SELEC"], r"leeway: SQL: Parser Error"),
        (["SELECT 1", "--version", "zz"], r"leeway: no dataset version 'zz' is here; known:\n  [0-9a-f]{12}  now"),
        (["SELECT 1", "--model", "7"], r"leeway: 'colours' has no version 7; its versions: 1"),
        (["SELECT 1", "--model", "1"], r"leeway: no dataset version 'dddd"),
        (["SELECT 1", "--model", "1", "--run", "a"], r"leeway: --version, --run and --model .*give one"),
    ],
)
def test_sql_says_what_is_wrong_and_what_there_is(
    arguments: list[str], told: str, workspace: Path, leeway: Leeway
) -> None:
    code, out, err = leeway(workspace, "sql", *arguments)
    assert (code, out) == (2, "")
    assert re.search(told, err)


def test_label_errors_are_listed_filled_in_and_applied_once(workspace: Path, leeway: Leeway) -> None:
    code, out, _ = leeway(workspace, "label-errors")
    assert code == 0
    table = workspace / "reports" / "label_errors.csv"
    with table.open(encoding="utf-8-sig", newline="") as file:
        listed = {row["origin"]: row["suggested"] for row in csv.DictReader(file)}
    assert listed == PLANTED
    assert "red/07.png" in (workspace / "reports" / "label_errors.html").read_text()
    fill(table, {"red/07.png": "green", "blue/03.png": "-"})
    code, out, _ = leeway(workspace, "relabel", str(table), "--by", "ada")
    assert code == 0
    assert out.splitlines()[0] == "1 relabelled, 1 left out, 0 known, 0 without an answer"
    assert "  red/07.png: red -> green" in out.splitlines()
    assert out.splitlines()[-1] == "Next: dvc repro"
    assert "data/feedback/corrections-00001.parquet.dvc" in run_git(["status", "--porcelain", "-uall"], workspace)
    under_dvc = workspace / "data" / "feedback" / "corrections-00001.parquet.dvc"
    under_dvc.unlink()  # as if it had been killed in between
    again = leeway(workspace, "relabel", str(table), "--by", "ada")
    assert under_dvc.exists()
    assert again[1].splitlines() == ["0 relabelled, 0 left out, 2 known, 0 without an answer"]
    assert prepare.main() == 0
    manifest = read_manifest(workspace / "data" / "dataset")
    rows = {row["origin"]: row for row in manifest.table.to_pylist()}
    assert rows["red/07.png"]["label"] == "green"
    assert rows["blue/03.png"]["held_out"]
    assert leeway(workspace, "relabel", str(table))[1].startswith("0 relabelled, 0 left out, 2 known")


def test_a_class_that_is_none_changes_nothing(workspace: Path, leeway: Leeway) -> None:
    (workspace / "labels.csv").write_text("origin,new_label\nred/07.png,gren\n")
    code, _, err = leeway(workspace, "relabel", "labels.csv")
    assert code == 2
    assert "line 2: 'gren' is not a class; did you mean 'green'?" in err
    assert list((workspace / "data" / "feedback").glob("*.parquet")) == []


def test_label_errors_without_a_bundle_says_so(workspace: Path, leeway: Leeway) -> None:
    shutil.rmtree(workspace / "models" / "bundle")
    code, _, err = leeway(workspace, "label-errors")
    assert code == 2
    assert re.search(r"^leeway: .*models/bundle", err, re.MULTILINE)
