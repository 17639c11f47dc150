"""A workspace as it is after some weeks: a dataset, a champion, and a watched model whose labels are asked for."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeway.adapters.mlflow.registry import open_registry
from leeway.evaluation.checklist import Checklist, ChecklistItem, write_checklist
from leeway.jobs.init import init_workspace
from leeway.stages import gather, prepare
from prediction_logs import answers, reference, write_log
from processes import BIN, environment
from tiny_bundle import COLOURS, square, write_tiny_bundle

NOTHING_TO_RUN = "stages:\n  train:\n    cmd: 'true'\n"  # the bundle on disk is what a retraining made


def registry(folder: Path) -> Any:
    return open_registry(f"sqlite:///{folder / '.leeway' / 'mlflow.db'}")


def make_workspace(folder: Path) -> Path:
    """A workspace with a dataset, a champion, and a watched model `pets` whose labels are asked for."""
    init_workspace(folder)
    (folder / "empty").mkdir()
    for name in COLOURS:
        (folder / "photos" / name).mkdir(parents=True)
        for shade in range(20):
            (folder / "photos" / name / f"{shade:02d}.png").write_bytes(square(name, shade=shade))
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["data"]["source"] = {"kind": "folder", "path": "photos"}
    params["data"]["split"] |= {"val": 0.15, "test": 0.15}
    params["data"]["near_duplicates"]["max_distance"] = None
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["gather"])
        assert (gather.main(), prepare.main()) == (0, 0)
    (folder / "dvc.yaml").write_text(NOTHING_TO_RUN)
    digest = write_tiny_bundle(folder / "models" / "bundle")
    write_checklist(
        Checklist(digest, (ChecklistItem("weights loaded", "pass", "ok"),)), folder / "reports" / "checklist.json"
    )
    registry(folder).register(folder / "models" / "bundle", model="colours", tags={})
    registry(folder).set_alias("colours", "champion", 1)
    write_files(folder)
    for line in (
        "watch init pets --reference reference.csv",
        "ingest log.csv --model pets",
        "monitor --model pets --as-of 2026-03-10",
    ):
        run = [BIN / "leeway", *line.split()]
        subprocess.run(run, cwd=folder, env=environment(folder), check=True, capture_output=True)
    return folder


def write_files(folder: Path) -> None:
    """Logs and answers of the watched model, good and bad, and corrections of the dataset."""
    rows = answers(300, nights=9)
    reference(folder / "reference.csv")
    write_log(folder / "log.csv", [*rows, *answers(300, nights=3, first=9, mix=(0.9, 0.05, 0.05), name="q")])
    bad = [{**row, "confidence": "1.5"} for row in answers(5, name="bad", labelled=True)]
    write_log(folder / "bad.csv", bad)
    (folder / "long_cell.csv").write_text(f"{'x' * 200_000},prediction_id,occurred_at,predicted_class\n1,2,3,4\n")
    write_log(folder / "partly_bad.csv", [*bad, *answers(20, name="good", labelled=True)])
    write_log(folder / "new.csv", answers(7, name="new"))
    write_log(folder / "changed.csv", [{**row, "slice": "elsewhere"} for row in rows[:5]])
    known = rows[0]["prediction_id"]
    (folder / "answers.csv").write_text(f"prediction_id,label\n{known},cat\nnobody,cat\n")
    (folder / "unanswered.csv").write_text(f"prediction_id,label\n{known},\n")
    (folder / "refused.csv").write_text(f"prediction_id,label\n{known},Cat\nnobody,cat\n")
    (folder / "relabelled.csv").write_text("origin,new_label\nred/07.png,green\n")
    (folder / "no_class.csv").write_text("origin,new_label\nred/07.png,gren\nred/08.png,green\n")
