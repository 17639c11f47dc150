"""README: what it shows under "Your images", "Your logs", "Your schedule" and "Your labels" runs as it stands there."""

import csv
import json
import re
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from processes import BIN, environment, running

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PHOTOS = 120  # of each class
USES = ("Your images", "Your logs", "Your schedule", "Your labels")


def commands(heading: str) -> list[str]:
    """Lines of the first block of commands under the heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    block = re.search(r"(?:^    .+\n)+", section, re.MULTILINE)
    assert block, heading
    return [line[4:] for line in block[0].splitlines()]


def shell(lines: list[str], folder: Path, env: dict[str, str]) -> str:
    """Run the lines as somebody types them, and return what they print."""
    script = "\n".join(lines)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def newcomer(folder: Path, **more: str) -> dict[str, str]:
    """The environment after `. .venv/bin/activate`, with nothing of Leeway set."""
    env = environment(folder, **more)
    del env["LEEWAY_WORKSPACE"], env["LEEWAY_MODEL"]
    return env | {"PATH": f"{BIN}:{env['PATH']}", "HOME": str(folder)} | identity()


def identity() -> dict[str, str]:
    return {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def put_photos(folder: Path) -> None:
    """Two classes that a tiny network tells apart at once: dark and bright noise."""
    rng = np.random.default_rng(0)
    for name, grey in (("cat", 60), ("dog", 190)):
        (folder / name).mkdir(parents=True)
        for number in range(PHOTOS):
            pixels = rng.integers(grey - 40, grey + 40, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def put_logs(folder: Path) -> None:
    """A labelled reference, and the logs of the two days before yesterday."""
    (folder / "photos").mkdir()
    put_photos(folder / "photos" / "all")
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    write_log(folder / "reference.csv", today - timedelta(days=30), labelled=True)
    write_log(folder / "monday.csv", today - timedelta(days=3))
    write_log(folder / "tuesday.csv", today - timedelta(days=2))


def write_log(path: Path, start: datetime, *, labelled: bool = False) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["prediction_id", "occurred_at", "predicted_class", "confidence", "label", "image"])
        for number in range(300):
            said = ("cat", "dog")[number % 2]
            when = (start + timedelta(minutes=number)).isoformat()
            image = f"photos/all/{said}/{number % PHOTOS}.png"
            row = [f"{path.stem}-{number}", when, said, 0.6 + number % 40 / 100, said if labelled else "", image]
            table.writerow(row)


@pytest.mark.parametrize("use", USES)
def test_each_use_takes_fewer_than_ten_lines(use: str) -> None:
    assert len(commands(use)) < 10


def test_your_images_runs_from_a_folder_of_photos_to_a_served_answer(tmp_path: Path) -> None:
    put_photos(tmp_path / "photos")
    said = shell(commands("Your images"), tmp_path, newcomer(tmp_path))
    answers = [line.split() for line in said.splitlines() if line.endswith(".png")]
    assert len(answers) == PHOTOS
    assert {predicted for _, predicted, *_ in answers} == {"cat"}


def test_your_logs_and_your_labels_watch_a_model_from_its_files_and_take_what_people_say(tmp_path: Path) -> None:
    put_logs(tmp_path)
    env = newcomer(tmp_path)
    said = shell(commands("Your logs"), tmp_path, env)
    assert "pets" in said.splitlines()[-1] or "pets" in said
    export, *rest = commands("Your labels")
    shell([export], tmp_path, env)
    answer_all(tmp_path / "tonight" / "labels.csv")
    said = shell(rest, tmp_path, env)
    status = json.loads(shell(["leeway monitor --model pets --json"], tmp_path, env))
    assert status["model"] == "pets"


def answer_all(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows, "nobody was asked to label anything"
    for row in rows:
        row["label"] = "cat"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_your_schedule_runs_the_flows_on_a_server_of_its_own(workspace: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    env = newcomer(workspace, PREFECT_SERVER_API_PORT=port)
    script = "\n".join(commands("Your schedule")).replace("4200", port)
    deployments = f"http://127.0.0.1:{port}/api/deployments/filter"
    try:
        with running(["bash", "-ec", f"cd {workspace}\n{script}"], env, workspace / "schedule.log") as started:
            names: set[str] = set()
            for _ in range(600):
                assert started.poll() is None, (workspace / "schedule.log").read_text()
                names = deployed(deployments)
                if names == {"monitoring", "training"}:
                    break
                time.sleep(0.2)
            assert names == {"monitoring", "training"}, (workspace / "schedule.log").read_text()
    finally:
        subprocess.run([BIN / "prefect", "server", "stop"], env=env, capture_output=True, timeout=60)


def deployed(address: str) -> set[str]:
    request = urllib.request.Request(address, b"{}", {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {one["name"] for one in json.load(answer)}
    except OSError:
        return set()
