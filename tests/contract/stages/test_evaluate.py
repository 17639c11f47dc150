"""The evaluate stage: a workspace with data and a bundle gets its reports, or one line that says why not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from leeway.adapters.mlflow_registry import open_tracker
from leeway.data.manifest import build_manifest, write_manifest
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.paramsfile import load_section
from leeway.stages.evaluate import main
from tiny_bundle import CLASSES, square, write_tiny_bundle

PARAMS = """
data: {source: {kind: folder, path: photos}, split: {val: 0.2, test: 0.4}}
evaluate: {bins: 5}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty coloured squares, prepared, and the bundle that tells them apart; some red ones are filed under blue."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEEWAY_MLFLOW_URI", "none")
    Path("params.yaml").write_text(PARAMS)
    for number in range(40):
        name = CLASSES[number % 3]
        folder = Path("photos") / ("blue" if number % 12 == 2 else name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(square(name, shade=number // 3))
    params = load_section(Path("params.yaml"), "data", DataParams)
    gather_images(params.source, Path("data/shards"))
    write_manifest(build_manifest(Path("data/shards"), Path("data/feedback"), params), Path("data/dataset"))
    write_tiny_bundle(Path("models/bundle"))
    return tmp_path


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_writes_the_numbers_of_the_test_split(workspace: Path) -> None:
    assert main() == 0
    told = json.loads(Path("reports/metrics.json").read_text())
    pairs = rows_of("reports/confusion.csv")
    tested = json.loads(Path("data/dataset/dataset.json").read_text())["original"]["test"]
    assert told["test_images"] == len(pairs) == sum(tested.values())
    assert 0 < told["accuracy"] < 1, "the squares filed wrongly are counted as mistakes"
    assert told["accuracy"] == np.mean([pair["actual"] == pair["predicted"] for pair in pairs])
    assert {(pair["actual"], pair["predicted"]) for pair in pairs if pair["actual"] != pair["predicted"]} == {
        ("blue", "red")
    }
    assert [scores["name"] for scores in told["per_class"]] == list(CLASSES)
    assert sum(int(one["images"]) for one in rows_of("reports/reliability.csv")) == len(pairs)
    pictures = {path.name for path in Path("reports/pictures").iterdir()}
    assert pictures == {"confusion.png", "classes.png", "reliability.png"}


def test_without_mlflow_no_trace_of_it_is_left(workspace: Path) -> None:
    assert main() == 0
    assert not Path(".leeway").exists()
    with open_tracker().run("train", tags={}) as run:
        run.log_metrics({"accuracy": 1.0})
    assert not Path(".leeway").exists()


def test_a_second_run_writes_the_same(workspace: Path) -> None:
    main()
    first = {path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}
    main()
    assert first == {path: path.read_bytes() for path in Path("reports").rglob("*") if path.is_file()}


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
    assert "evaluate.bin: unknown key. Did you mean bins? Known here: bins" in told_by_failing(capsys)


def test_a_changed_bundle_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = Path("models/bundle/graph.onnx")
    graph.write_bytes(graph.read_bytes() + b"x")
    assert "was changed" in told_by_failing(capsys)
