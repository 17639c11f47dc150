"""The evaluate stage: a workspace with data and a bundle gets its reports, or one line that says why not."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leeway.adapters.mlflow.tracking import open_tracker
from leeway.bundle.contents import bundle_digest
from leeway.data.manifest import build_manifest, write_manifest
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.evaluation.checklist import read_checklist
from leeway.stages.evaluate import main
from tiny_bundle import CLASSES, square, write_tiny_bundle

PARAMS = "evaluate: {bins: 5, bootstrap_draws: 100, robustness_images: 5, intended_use: Sorting coloured squares.}\n"
CAMERAS = {"blue": "left", "green": "right", "red": "right"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `fill` puts there; it is the current folder."""
    fill(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of such a workspace."""
    folder = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as monkeypatch:
        fill(folder, monkeypatch)
        assert main() == 0
    return folder / "reports"


def fill(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty coloured squares, prepared, and the bundle that tells them apart; some red ones are filed under blue."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEEWAY_MLFLOW_URI", "none")
    Path("params.yaml").write_text(PARAMS)
    for number in range(40):
        name = CLASSES[number % 3]
        photos = Path("photos") / ("blue" if number % 12 == 2 else name)
        photos.mkdir(parents=True, exist_ok=True)
        (photos / f"{number}.png").write_bytes(square(name, shade=number // 3))
    prepare({"source": {"kind": "folder", "path": "photos"}, "split": {"val": 0.2, "test": 0.4}})
    write_tiny_bundle(Path("models/bundle"))


def prepare(data: dict[str, Any]) -> None:
    """data/dataset, from these params."""
    params = DataParams.model_validate(data)
    gather_images(params.source, Path("data/shards"))
    write_manifest(build_manifest(Path("data/shards"), Path("data/feedback"), params), Path("data/dataset"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_writes_the_numbers_of_the_test_split(evaluated: Path) -> None:
    told = json.loads((evaluated / "metrics.json").read_text())
    pairs = rows_of(evaluated / "confusion.csv")
    tested = json.loads((evaluated.parent / "data/dataset/dataset.json").read_text())["original"]["test"]
    assert told["test_images"] == len(pairs) == sum(tested.values())
    assert 0 < told["accuracy"] < 1, "the squares filed wrongly are counted as mistakes"
    assert told["accuracy"] == np.mean([pair["actual"] == pair["predicted"] for pair in pairs])
    assert {(pair["actual"], pair["predicted"]) for pair in pairs if pair["actual"] != pair["predicted"]} == {
        ("blue", "red")
    }
    assert [scores["name"] for scores in told["per_class"]] == list(CLASSES)
    assert sum(int(one["images"]) for one in rows_of(evaluated / "reliability.csv")) == len(pairs)
    assert told["latency_p50_ms"] > 0
    assert told["test_reads"] == 1


def test_draws_and_writes_everything_for_people(evaluated: Path) -> None:
    pictures = {path.stem for path in (evaluated / "pictures").iterdir()}
    assert pictures == {
        "confusion", "classes", "reliability", "confidence", "risk_coverage", "mistakes", "robustness"
    }  # fmt: skip
    page, card = ((evaluated / name).read_text() for name in ("evaluation.html", "model_card.md"))
    accuracy = json.loads((evaluated / "metrics.json").read_text())["accuracy"]
    assert f"{accuracy:.1%}" in page
    assert f"{accuracy:.1%}" in card
    wrong = sum(pair["actual"] != pair["predicted"] for pair in rows_of(evaluated / "confusion.csv"))
    assert page.count("data:image/png") == len(pictures) - 2 + wrong, "classes are a table, mistakes single images"
    assert "Sorting coloured squares." in card


def test_the_checklist_is_about_this_bundle(evaluated: Path) -> None:
    checklist = read_checklist(evaluated / "checklist.json")
    assert checklist.bundle_digest == bundle_digest(evaluated.parent / "models/bundle")
    outcomes = {item.name: item.outcome for item in checklist.items}
    assert outcomes["head matches the classes"] == outcomes["latency of one image"] == "pass"
    assert outcomes["bundle agrees with the trained model"] == "unknown", "a graph made by hand has no network"


def test_without_mlflow_no_trace_of_it_is_left(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(evaluated.parent)
    monkeypatch.setenv("LEEWAY_MLFLOW_URI", "none")
    with open_tracker().run("train", tags={}) as run:
        run.log_metrics({"accuracy": 1.0})
    assert {path.name for path in Path(".leeway").iterdir()} == {".gitignore", "test_reads.jsonl"}


def test_a_must_pass_image_that_is_called_something_else_fails_the_checklist(workspace: Path) -> None:
    Path("must_pass").mkdir()
    Path("must_pass/must_pass.csv").write_text("path,label\na.png,red\nb.png,blue\n")
    Path("must_pass/a.png").write_bytes(square("red", shade=20))
    Path("must_pass/b.png").write_bytes(square("green", shade=20))
    assert main() == 0
    (failed,) = read_checklist(Path("reports/checklist.json")).failed
    assert "b.png is blue, called green" in failed.reason
    assert "b.png" in Path("reports/evaluation.html").read_text()
    assert "Must-pass image b.png, blue, is called green." in Path("reports/model_card.md").read_text()


def test_slices_are_judged_apart_and_images_of_one_group_together(workspace: Path) -> None:
    """The squares that are filed wrongly all come from one camera; each object was photographed twice."""
    files = sorted(Path("photos").rglob("*.png"), key=lambda path: int(path.stem))
    lines = [f"{file},{file.parent.name},object {n // 2},{CAMERAS[file.parent.name]}" for n, file in enumerate(files)]
    Path("photos.csv").write_text("\n".join(["path,label,group,slice", *lines]) + "\n")
    prepare({"source": {"kind": "csv", "path": "photos.csv"}, "split": {"val": 0.2, "test": 0.4}})
    assert main() == 0
    told = json.loads(Path("reports/metrics.json").read_text())
    assert {one["name"]: one["accuracy"]["value"] < 1 for one in told["slices"]} == {"left": True, "right": False}
    assert told["worst_slice_accuracy"] < told["accuracy"] < 1
    assert "images of one group are alike" in Path("reports/evaluation.html").read_text()
    assert "| left |" in Path("reports/model_card.md").read_text()


def test_test_time_augmentation_is_compared_where_it_is_asked_for(workspace: Path) -> None:
    Path("params.yaml").write_text(PARAMS.replace("bins: 5", "bins: 5, tta: shifts"))
    assert main() == 0
    assert json.loads(Path("reports/metrics.json").read_text())["tta_gain"] == 0, "a square is one colour everywhere"
    assert "0 images become right" in Path("reports/evaluation.html").read_text()


def test_a_second_run_finds_the_same_and_is_counted(workspace: Path) -> None:
    main()
    first = written()
    main()
    again = written()
    assert again.pop("reports/metrics.json") == {**first.pop("reports/metrics.json"), "test_reads": 2}
    assert first == again
    assert "read 2 times (evaluate 2)" in Path("reports/evaluation.html").read_text()


def written() -> dict[str, Any]:
    """What depends on the bundle alone: not the latency, and not the pages that show it."""
    files = {str(path): path for path in Path("reports").rglob("*.*") if path.suffix in (".png", ".csv", ".json")}
    told = json.loads(files.pop("reports/metrics.json").read_text())
    kept = {name: value for name, value in told.items() if not name.startswith("latency")}
    items = json.loads(files.pop("reports/checklist.json").read_text())["items"]
    outcomes = {item["name"]: item["outcome"] for item in items}
    return {
        "reports/metrics.json": kept, "outcomes": outcomes, **{name: path.read_bytes() for name, path in files.items()}
    }  # fmt: skip


def told_by_failing(capsys: pytest.CaptureFixture[str]) -> str:
    assert main() == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evaluate: ")][-1:]
    assert not Path("reports/metrics.json").exists()
    return line


def test_a_bundle_of_other_classes_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny_bundle(Path("models/bundle"), classes=("red", "green", "blue"))
    assert "classes are red, green, blue; the dataset's are blue, green, red" in told_by_failing(capsys)


def test_a_missing_bundle_is_told_in_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/bundle").rename("models/elsewhere")
    assert "models/bundle" in told_by_failing(capsys)


def test_an_unknown_key_is_told_with_the_known_ones(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text(PARAMS.replace("bins", "bin"))
    assert "evaluate.bin: unknown key. Did you mean bins? Known here: attack_step, bins" in told_by_failing(capsys)


def test_a_changed_bundle_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = Path("models/bundle/graph.onnx")
    graph.write_bytes(graph.read_bytes() + b"x")
    assert "was changed" in told_by_failing(capsys)
