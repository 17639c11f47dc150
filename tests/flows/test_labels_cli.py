"""Answers of several watched models, handed back as people type it."""

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from prediction_logs import Row, answers, reference, write_log

Leeway = Callable[..., tuple[int, str, str]]
NIGHT = (
    "  night of 2026-03-01, version 1: {0} of {0} answered: counted with the next night that `leeway monitor` decides"
)


def told(leeway: Leeway, folder: Path, *arguments: str) -> str:
    code, out, error = leeway(folder, *arguments)
    assert code == 0, error
    return out


@pytest.fixture
def zoo(leeway: Leeway, tmp_path: Path) -> Path:
    """A folder that watches `pets` and `wild`, whose logs have the same ids; a night of each is planned."""
    reference(tmp_path / "reference.csv")
    write_log(tmp_path / "log.csv", answers(300))
    for name in ("pets", "wild"):
        told(leeway, tmp_path, "watch", "init", name, "--reference", "reference.csv", "--floor", "0.85")
        told(leeway, tmp_path, "ingest", "log.csv", "--model", name)
    told(leeway, tmp_path, "monitor", "--as-of", "2026-03-02T02:00:00")
    return tmp_path


def tasks(leeway: Leeway, zoo: Path, model: str) -> list[Row]:
    told(leeway, zoo, "labels", "export", f"tasks-{model}", "--model", model)
    with (zoo / f"tasks-{model}" / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        return [{**row, "label": "cat"} for row in csv.DictReader(file)]


def save(zoo: Path, name: str, rows: Sequence[Row]) -> None:
    write_log(zoo / name, rows, columns=list(rows[0]))


def test_the_answers_of_two_models_come_back_in_one_file(leeway: Leeway, zoo: Path) -> None:
    pets, wild = tasks(leeway, zoo, "pets"), tasks(leeway, zoo, "wild")
    save(zoo, "both.csv", [*pets, *wild])
    said = told(leeway, zoo, "labels", "import", "both.csv").splitlines()
    assert said == [
        f"both.csv: {len(pets) + len(wild)} new labels, 0 known, 0 unanswered, 0 refused",
        "pets:",
        NIGHT.format(len(pets)),
        "wild:",
        NIGHT.format(len(wild)),
    ]
    code, said, _ = leeway(zoo, "labels", "import", "both.csv", "--model", "pets")
    assert (code, said.splitlines()[0]) == (
        0,
        f"both.csv: 0 new labels, {len(pets)} known, 0 unanswered, {len(wild)} refused",
    )
    assert "it is of model 'wild', and --model says 'pets'; import it without --model" in said


def test_a_correction_is_told_and_so_is_a_second_opinion(leeway: Leeway, zoo: Path) -> None:
    pets = tasks(leeway, zoo, "pets")
    save(zoo, "a.csv", pets)
    told(leeway, zoo, "labels", "import", "a.csv", "--labeler", "ann")
    pets[0]["label"] = "dog"
    save(zoo, "a.csv", pets)
    corrected = told(leeway, zoo, "labels", "import", "a.csv", "--labeler", "ann")
    assert corrected.splitlines()[0] == (
        "a.csv: 1 new label, of them 1 corrected (the earlier label stays on record), "
        f"{len(pets) - 1} known, 0 unanswered, 0 refused"
    )
    pets[1]["label"] = "ship"
    save(zoo, "b.csv", pets)
    other = told(leeway, zoo, "labels", "import", "b.csv", "--labeler", "bob").splitlines()
    assert other[:-1] == [
        f"b.csv: {len(pets)} new labels, 0 known, 0 unanswered, 0 refused",
        "pets:",
        NIGHT.format(len(pets)),
        "pets: people disagree about 1 of its predictions; until they agree each counts as an error (with "
        "`second_opinion: errors` as right, if one of the two agrees with the model); the first label trains",
    ]
    who = r"ann says 'cat' \(\S+ \S+ UTC\), bob says 'ship' \(\S+ \S+ UTC\)"
    assert re.fullmatch(rf"  {pets[1]['prediction_id']}: {who}", other[-1])
    listed = told(leeway, zoo, "labels", "conflicts").splitlines()
    assert listed == [*other[-2:], "wild: people agree about all that several of them labelled"]
    assert told(leeway, zoo, "labels", "conflicts", "--model", "pets").splitlines() == other[-2:]


def test_a_correction_of_what_was_measured_says_that_the_conclusion_stays(leeway: Leeway, zoo: Path) -> None:
    pets = tasks(leeway, zoo, "pets")
    save(zoo, "a.csv", pets)
    told(leeway, zoo, "labels", "import", "a.csv", "--labeler", "ann")
    write_log(zoo / "log.csv", answers(300, first=1))
    told(leeway, zoo, "ingest", "log.csv", "--model", "pets")
    told(leeway, zoo, "monitor", "--model", "pets", "--as-of", "2026-03-03T02:00:00")
    save(zoo, "a.csv", [{**row, "label": "dog"} for row in pets[:2]])
    said = told(leeway, zoo, "labels", "import", "a.csv", "--labeler", "ann").splitlines()
    assert "2 of them were measured with their earlier label: what was concluded stays" in said[0]
    assert said[2:] == [
        "  night of 2026-03-01, version 1: 17 of 17 answered, closed on 2026-03-03: counted as it was then",
        "  19 predictions of the night of 2 March wait for a label until the next `leeway monitor`, when they close "
        "unanswered: `leeway labels export DIR --model pets`.",
    ]


def test_a_third_file_that_cannot_be_read_leaves_the_first_two_in_and_says_so(leeway: Leeway, zoo: Path) -> None:
    for model in ("pets", "wild"):
        save(zoo, f"{model}.csv", tasks(leeway, zoo, model))
    code, said, error = leeway(zoo, "labels", "import", "pets.csv", "wild.csv", "none.csv")
    assert code == 2
    assert "pets.csv, wild.csv: in already" in error
    assert "none.csv: cannot be read" in error
    assert [" 0 new labels" in line for line in said.splitlines()] == [False, False]
    again = told(leeway, zoo, "labels", "import", "pets.csv", "wild.csv").splitlines()
    assert [" 0 new labels" in line for line in again if ".csv: " in line] == [True, True]


def test_a_file_of_a_release_before_takes_the_model_on_the_command_line_or_is_refused(
    leeway: Leeway, zoo: Path
) -> None:
    pets, wild = tasks(leeway, zoo, "pets"), tasks(leeway, zoo, "wild")
    ids = {model: {row["prediction_id"] for row in rows} for model, rows in (("pets", pets), ("wild", wild))}
    old = [{"prediction_id": row["prediction_id"], "label": "cat"} for row in (*pets, {"prediction_id": "nobody"})]
    save(zoo, "old.csv", old)
    shared = len(ids["pets"] & ids["wild"])
    said = leeway(zoo, "labels", "import", "old.csv")[1]
    assert f"{len(pets) - shared} new labels, 0 known, 0 unanswered, {shared + 1} refused" in said
    assert "prediction 'nobody' is not known here; say whose: --model NAME" in said
    told(leeway, zoo, "labels", "import", "old.csv", "--model", "pets")
    code, _, error = leeway(zoo, "labels", "import", "old.csv", "--model", "fish")
    assert (code, "no model 'fish' is watched here" in error) == (2, True)


def test_labels_of_a_class_that_the_model_does_not_have_are_kept_and_told(leeway: Leeway, zoo: Path) -> None:
    pets = tasks(leeway, zoo, "pets")
    save(zoo, "pets.csv", [{**row, "label": "wasp" if place < 4 else "cat"} for place, row in enumerate(pets)])
    said = told(leeway, zoo, "labels", "import", "pets.csv").splitlines()
    assert said[0].startswith(f"pets.csv: {len(pets)} new labels, 0 known, 0 unanswered, 0 refused")
    [line] = [one for one in said if "outside the model's class list" in one]
    assert line.startswith("pets: 4 labels")
    assert line.endswith("'wasp' (4)")
    assert "data.classes.add" not in "".join(said)  # nothing trains this model


def test_export_and_status_say_what_waits_and_after_the_closing_what_nobody_answered(leeway: Leeway, zoo: Path) -> None:
    waits = "17 predictions of the night of 1 March wait for a label until the next `leeway monitor`, when they close"
    assert told(leeway, zoo, "labels", "export", "tasks", "--model", "pets").splitlines() == [
        "17 tasks in tasks; README.txt says how. Hand back: leeway labels import FILE",
        f"{waits} unanswered.",
    ]
    assert f"{waits} unanswered: `leeway labels export DIR --model pets`" in told(leeway, zoo, "status")
    write_log(zoo / "log.csv", answers(300, first=12))
    told(leeway, zoo, "ingest", "log.csv", "--model", "pets")
    screen = told(leeway, zoo, "monitor", "--model", "pets", "--as-of", "2026-03-14T02:00:00")
    closed = "17 predictions of the night of 1 March closed unanswered in the last 7 days"
    assert closed in screen
    page = (zoo / "reports" / "nights" / "pets-1-2026-03-13.html").read_text()
    assert closed in page
