"""Watching a model from files, as people type it: from its reference to an alarm, labels and their answers."""

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from leeway.domain.records import Action
from leeway.stores.opening import Stores, open_stores
from prediction_logs import answers, reference, write_log
from tiny_bundle import square

Leeway = Callable[..., tuple[int, str, str]]
TILTED = (0.6, 0.2, 0.2)


@pytest.fixture
def pets(leeway: Leeway, tmp_path: Path) -> Path:
    """A folder that only watches, with a model `pets` and ten nights of it."""
    reference(tmp_path / "reference.csv")
    (tmp_path / "nightly.yaml").write_text("prediction_drift: {trigger: chi_square}\n")  # one night can be an alarm
    begin = ("watch", "init", "pets", "--reference", "reference.csv", "--floor", "0.85", "--policy", "nightly.yaml")
    code, _, error = leeway(tmp_path, *begin)
    assert code == 0, error
    write_log(tmp_path / "log.csv", answers(300, nights=10))
    assert leeway(tmp_path, "ingest", "log.csv", "--model", "pets")[0] == 0
    return tmp_path


def told(leeway: Leeway, folder: Path, *arguments: str) -> str:
    code, out, error = leeway(folder, *arguments)
    assert code == 0, error
    return out


def test_a_folder_that_only_watches_needs_no_workspace(pets: Path) -> None:
    assert not (pets / "params.yaml").exists()
    assert "floor: 0.85" in (pets / "monitoring" / "watched" / "pets.yaml").read_text()
    assert (pets / "monitoring" / "README.md").exists()


def test_quiet_nights_are_told_on_one_screen_and_as_json(leeway: Leeway, pets: Path) -> None:
    screen = told(leeway, pets, "monitor", "--model", "pets", "--as-of", "2026-03-11T02:00:00")
    assert "night of 2026-03-10" in screen
    assert "quiet       prediction_drift" in " ".join(screen.split("  ")) or "prediction_drift" in screen
    assert " predictions of 7 nights (4 to 10 March) wait for a label until 21 March at 02:00 UTC" in screen
    again = json.loads(told(leeway, pets, "monitor", "--model", "pets", "--as-of", "2026-03-11T02:00:00", "--json"))
    assert (again["model"], again["night"], again["decided_now"]) == ("pets", "2026-03-10", False)
    status = {one["check"]: one["status"] for one in again["checks"]}
    assert status["prediction_drift"] == "quiet"
    assert status["accuracy"] == "no verdict"
    assert again["decision"]["action"] == "nothing"
    waiting = again["labels_waiting"]
    nights = [(one["night"], one["version"], one["closes_at"]) for one in waiting["nights"]]
    assert nights == [(f"2026-03-{day:02}", 1, "2026-03-21T02:00:00+00:00") for day in range(10, 3, -1)]
    assert waiting["images"] == sum(one["images"] for one in waiting["nights"]) < 140  # draws
    assert waiting["closed_unanswered"] == []


def test_a_drift_becomes_an_alarm_its_labels_are_answered_and_the_answers_count(leeway: Leeway, pets: Path) -> None:
    rows = answers(300, nights=3, first=10, mix=TILTED, accuracy=0.7)
    write_log(pets / "tilted.csv", rows)
    told(leeway, pets, "ingest", "tilted.csv", "--model", "pets")
    alarm = json.loads(told(leeway, pets, "monitor", "--model", "pets", "--as-of", "2026-03-12T02:00:00", "--json"))
    assert alarm["decision"]["action"] == "more labels"
    tasks = told(leeway, pets, "labels", "export", "tasks", "--model", "pets")
    assert "tasks in tasks" in tasks
    with (pets / "tasks" / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        asked = list(csv.DictReader(file))
    assert "predicted_class" not in asked[0]
    for row in asked:
        row["label"] = "cat"
    second = asked[1]["prediction_id"]
    asked[0]["label"], asked[1]["prediction_id"] = "Cat", "nobody"
    write_log(pets / "answers.csv", asked, columns=list(asked[0]))
    imported = told(leeway, pets, "labels", "import", "answers.csv", "--model", "pets", "--labeler", "ada")
    assert f"{len(asked) - 2} new labels, 0 known, 0 unanswered, 2 refused" in imported
    assert "Cat" in imported
    assert "nobody" in imported
    again = told(leeway, pets, "labels", "import", "answers.csv", "--model", "pets", "--labeler", "ada")
    assert f"0 new labels, {len(asked) - 2} known" in again
    asked[0]["label"], asked[1]["prediction_id"] = "cat", second
    write_log(pets / "rest.csv", asked[:2], columns=list(asked[0]))
    assert "2 new labels" in told(leeway, pets, "labels", "import", "rest.csv", "--model", "pets", "--labeler", "ada")
    later = json.loads(told(leeway, pets, "monitor", "--model", "pets", "--as-of", "2026-03-13T02:00:00", "--json"))
    accuracy = next(one for one in later["checks"] if one["check"] == "accuracy")
    assert accuracy["n"] > 20
    status = told(leeway, pets, "status")
    assert status.startswith("! pets version 1: ")


def test_no_file_from_outside_and_no_secret_gets_among_the_label_tasks(
    leeway: Leeway, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret, home, logs = b"-----BEGIN PRIVATE KEY-----", tmp_path / "home", tmp_path / "logs"
    for folder in (home, logs, logs / "shots"):
        folder.mkdir()
    (home / "id_rsa").write_bytes(secret)
    (home / "private.png").write_bytes(square("blue"))
    (logs / "shots" / "leak.png").symlink_to(home / "id_rsa")
    (logs / "shots" / "home").symlink_to(home)
    for name in ("good.png", "swapped.png", "below/moved.png"):
        (logs / "shots" / name).parent.mkdir(exist_ok=True)
        (logs / "shots" / name).write_bytes(square("red"))
    (logs / "shots" / "notes.png").write_bytes(secret)
    (logs / "shots" / "cut.png").write_bytes(square("red")[:45])
    refused = [
        "../home/id_rsa",
        str(home / "private.png"),
        "shots/leak.png",
        "shots/home/private.png",
        "shots/notes.png",
        "no.png",
    ]
    taken = ["shots/good.png", "shots/swapped.png", "shots/below/moved.png", "shots/cut.png"]
    rows = [{**row, "image": image} for row, image in zip(answers(10), [*refused, *taken], strict=True)]
    write_log(logs / "log.csv", rows, columns=list(rows[0]))
    reference(tmp_path / "reference.csv")
    told(leeway, tmp_path, "watch", "init", "pets", "--reference", "reference.csv")

    ingested = told(leeway, tmp_path, "ingest", "logs/log.csv", "--model", "pets")
    assert "4 new, 0 known, 6 refused" in ingested
    assert [f"line {line}: image" in ingested for line in range(2, 12)] == [True] * 6 + [False] * 4
    (logs / "shots" / "swapped.png").unlink()
    (logs / "shots" / "swapped.png").symlink_to(home / "private.png")
    (logs / "shots" / "below").rename(logs / "shots" / "above")
    (logs / "shots" / "below").symlink_to(home)
    (home / "moved.png").write_bytes(square("blue"))

    told(leeway, tmp_path, "monitor", "--model", "pets", "--as-of", "2026-03-02T02:00:00")
    reported = told(leeway, tmp_path, "labels", "export", "tasks", "--model", "pets")
    assert reported.startswith("1 task in ")
    exported = {path: path.read_bytes() for path in (tmp_path / "tasks").rglob("*") if path.is_file()}
    assert [content for path, content in exported.items() if path.parent.name == "images"] == [square("red")]
    pages = [path.read_bytes() for path in (tmp_path / "reports").rglob("*.html")]
    assert [content for content in (*exported.values(), *pages) if secret in content] == []
    names = ("swapped.png", "below/moved.png", "cut.png", "good.png")
    assert [name in reported for name in names] == [True, True, True, False]


def test_the_worst_model_stands_first_and_all_share_one_budget(leeway: Leeway, pets: Path) -> None:
    told(leeway, pets, "watch", "init", "birds", "--reference", "reference.csv")
    write_log(pets / "birds.csv", answers(300, nights=10, mix=TILTED, name="b"))
    told(leeway, pets, "ingest", "birds.csv", "--model", "birds")
    found = json.loads(told(leeway, pets, "monitor", "--as-of", "2026-03-11T02:00:00", "--json"))["models"]
    assert [one["model"] for one in found] == ["birds", "pets"]
    drift = [next(one for one in model["checks"] if one["check"] == "prediction_drift") for model in found]
    assert drift[0]["threshold"] == pytest.approx(365 / (0.05 / 2 * 0.4))
    lines = told(leeway, pets, "status").splitlines()
    assert lines[-1] == "2 models known from files; false alarms: 2.50% a year each"
    assert [line.split()[1] for line in lines if not line.startswith("  ")][:2] == ["birds", "pets"]


def test_a_policy_of_its_own_does_not_give_a_model_more_than_its_part_of_the_budget(leeway: Leeway, pets: Path) -> None:
    (pets / "loose.yaml").write_text("false_alarm_probability_per_year: 0.5\n")
    told(leeway, pets, "watch", "init", "birds", "--reference", "reference.csv", "--policy", "loose.yaml")
    told(leeway, pets, "ingest", "log.csv", "--model", "pets")
    write_log(pets / "birds.csv", answers(300, nights=8, name="b"))
    told(leeway, pets, "ingest", "birds.csv", "--model", "birds")
    found = told(leeway, pets, "monitor", "--model", "birds", "--as-of", "2026-03-09T02:00:00", "--json")
    drift = next(one for one in json.loads(found)["checks"] if one["check"] == "prediction_drift")
    assert drift["threshold"] == pytest.approx(365 / (0.05 / 2 * 0.4))


def test_a_test_set_says_nothing_about_the_class_mix_of_production(leeway: Leeway, tmp_path: Path) -> None:
    """A balanced reference, and a production that never was: with --test-set the first nights are the yardstick."""
    reference(tmp_path / "reference.csv")
    write_log(tmp_path / "log.csv", answers(300, nights=9, mix=TILTED))
    found = {}
    for name, *more in (("mix",), ("set", "--test-set")):
        told(leeway, tmp_path, "watch", "init", name, "--reference", "reference.csv", *more)
        write_log(tmp_path / "log.csv", answers(300, nights=9, mix=TILTED, name=name))
        told(leeway, tmp_path, "ingest", "log.csv", "--model", name)
        last = told(leeway, tmp_path, "monitor", "--model", name, "--as-of", "2026-03-10T02:00:00", "--json")
        found[name] = {one["check"]: one["status"] for one in json.loads(last)["checks"]}["prediction_drift"]
    assert found == {"mix": "fired", "set": "quiet"}


def opened(folder: Path) -> Stores:
    return open_stores(f"sqlite:///{folder / '.leeway' / 'leeway.db'}")


def concluded(folder: Path, model: str) -> tuple[list[Action], int]:
    """The actions on the model's decided nights, and how many labels are asked for."""
    stores = opened(folder)
    found = [one.action for one in stores.ledger.decisions(model)], len(stores.ledger.label_queue(model))
    stores.close()
    return found


def alarm_night(leeway: Leeway, folder: Path, *, confidence: str | None = None, name: str = "p") -> None:
    """Sends an eleventh night of another class mix to `pets`."""
    rows = answers(300, first=10, mix=TILTED, accuracy=0.7, name=name)
    write_log(
        folder / "tilted.csv", rows if confidence is None else [{**one, "confidence": confidence} for one in rows]
    )
    told(leeway, folder, "ingest", "tilted.csv", "--model", "pets")


MORNING = ("monitor", "--as-of", "2026-03-12T02:00:00")


@pytest.fixture
def unsure(leeway: Leeway, tmp_path: Path) -> Path:
    """As `pets`, of a model that gives no confidences; its eleventh night will alarm."""
    rows = [{**one, "confidence": ""} for one in answers(3000, first=-1, accuracy=0.95, labelled=True, name="ref")]
    write_log(tmp_path / "reference.csv", rows)
    (tmp_path / "nightly.yaml").write_text("prediction_drift: {trigger: chi_square}\n")  # one night can be an alarm
    begin = ("watch", "init", "pets", "--reference", "reference.csv", "--floor", "0.85", "--policy", "nightly.yaml")
    told(leeway, tmp_path, *begin)
    write_log(tmp_path / "log.csv", [{**one, "confidence": ""} for one in answers(300, nights=10)])
    told(leeway, tmp_path, "ingest", "log.csv", "--model", "pets")
    alarm_night(leeway, tmp_path, confidence="")
    return tmp_path


@pytest.mark.filterwarnings("ignore")  # Evidently's own
def test_the_alarm_night_of_a_model_without_confidences_ends_with_alert_labels_and_pages(
    leeway: Leeway, unsure: Path
) -> None:
    screen = told(leeway, unsure, *MORNING)
    actions, asked = concluded(unsure, "pets")
    assert actions[-1] is Action.MORE_LABELS
    assert asked > 100
    assert "leeway: pets version 1, alarm" in screen
    assert (unsure / "reports" / "nights" / "pets-1-2026-03-11.html").exists()
    assert (unsure / "reports" / "nights" / "pets-1-2026-03-11-evidently.html").exists()


def test_a_folder_of_pages_that_cannot_be_made_stops_no_decision_and_the_next_run_draws_them(
    leeway: Leeway, pets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alarm_night(leeway, pets)
    (pets / "reports").mkdir(exist_ok=True)
    (pets / "reports" / "nights").write_text("no folder")
    assert "leeway: pets version 1, alarm" in told(leeway, pets, *MORNING)
    before = concluded(pets, "pets")
    assert before[0][-1] is Action.MORE_LABELS
    lines = [one.getMessage() for one in caplog.records if one.name == "leeway.page"]
    assert len(lines) == 8  # seven nights, and Evidently's
    assert lines[0].startswith("pets version 1, night of 2026-03-05: no page: ")
    (pets / "reports" / "nights").unlink()
    found = json.loads(told(leeway, pets, *MORNING, "--model", "pets", "--json"))
    assert len(found["pages"]) == 8
    assert all(Path(one).exists() for one in found["pages"])
    assert concluded(pets, "pets") == before
    assert json.loads(told(leeway, pets, *MORNING, "--model", "pets", "--json"))["pages"] == []


def test_an_address_that_no_channel_knows_keeps_the_alert_and_stops_nothing(leeway: Leeway, pets: Path) -> None:
    alarm_night(leeway, pets)
    code, _, error = leeway(pets, *MORNING, LEEWAY_ALERT_URLS="pigeon://s3cret/loft")
    assert (code, "s3cret" in error) == (0, False)
    assert concluded(pets, "pets")[0][-1] is Action.MORE_LABELS
    assert concluded(pets, "pets")[1] > 100
    stores = opened(pets)
    assert ["LEEWAY_ALERT_URLS: address 1 of 1" in one.error for one in stores.ledger.pending_alerts()] == [True]
    stores.close()
    shown = told(leeway, pets, "status")
    assert "1 alert not delivered since" in shown
    assert "LEEWAY_ALERT_URLS: address 1 of 1" in shown


def two_models(leeway: Leeway, folder: Path) -> None:
    """`birds` beside `pets`, which will alarm: models are looked at in the order of their names."""
    told(leeway, folder, "watch", "init", "birds", "--reference", "reference.csv")
    write_log(folder / "birds.csv", answers(300, nights=2, first=9, name="b"))
    told(leeway, folder, "ingest", "birds.csv", "--model", "birds")
    alarm_night(leeway, folder)


def test_a_model_whose_policy_is_broken_skips_no_other_one_and_the_command_ends_with_its_error(
    leeway: Leeway, pets: Path
) -> None:
    two_models(leeway, pets)
    (pets / "monitoring" / "watched" / "birds.yaml").write_text("acuracy: {}\n")
    code, screen, error = leeway(pets, *MORNING)
    assert code == 2
    assert [line for line in error.splitlines() if line.startswith("leeway: ")] == [error.splitlines()[-1]]
    assert "acuracy" in error.splitlines()[-1]
    assert "leeway: pets version 1, alarm" in screen
    assert concluded(pets, "pets")[0][-1] is Action.MORE_LABELS
    assert concluded(pets, "pets")[1] > 100
    code, out, _ = leeway(pets, *MORNING, "--json")
    assert (code, [one["model"] for one in json.loads(out)["models"]]) == (2, ["pets"])
    code, out, _ = leeway(pets, *MORNING, "--json", "--model", "birds")
    content = json.loads(out)
    assert (code, content.keys(), "acuracy" in content["error"]) == (2, {"error", "exit_code"}, True)


def test_an_unexpected_error_of_one_model_lets_the_others_finish_and_is_raised_then(leeway: Leeway, pets: Path) -> None:
    two_models(leeway, pets)
    told(leeway, pets, "monitor", "--model", "birds", "--as-of", "2026-03-11T02:00:00")
    with sqlite3.connect(pets / ".leeway" / "leeway.db") as database:
        changed = database.execute("UPDATE check_results SET state = '[7]' WHERE model = 'birds'").rowcount
    assert changed
    code, out, err = leeway(pets, *MORNING)
    assert code == 70
    assert "Traceback" in err
    assert "leeway: pets version 1, alarm" in out
    assert concluded(pets, "pets")[0][-1] is Action.MORE_LABELS
    assert concluded(pets, "pets")[1] > 100


def test_the_only_model_need_not_be_named_and_of_several_one_must(leeway: Leeway, pets: Path) -> None:
    told(leeway, pets, "monitor", "--as-of", "2026-03-11T02:00:00")
    told(leeway, pets, "labels", "export", "tasks")
    assert (pets / "tasks" / "labels.csv").read_text(encoding="utf-8-sig").splitlines()[1].split(",")[1] == "pets"
    told(leeway, pets, "watch", "init", "birds", "--reference", "reference.csv")
    code, _, error = leeway(pets, "labels", "export", "more")
    assert code == 2
    assert "birds, pets; say --model NAME" in error


def test_backtest_shows_both_calendars(leeway: Leeway, pets: Path) -> None:
    write_log(pets / "tilted.csv", answers(300, nights=3, first=10, mix=TILTED))
    told(leeway, pets, "ingest", "tilted.csv", "--model", "pets")
    told(leeway, pets, "monitor", "--model", "pets", "--as-of", "2026-03-14T02:00:00")
    (pets / "other.yaml").write_text("prediction_drift: {tolerance: 0.5}\n")
    out = told(leeway, pets, "backtest", "--policy", "other.yaml", "--model", "pets", "--since", "2026-03-05")
    assert "9 nights replayed" in out
    assert "only now" in out
    assert "prediction_drift" in out


def test_power_starts_from_what_is_known_of_the_model(leeway: Leeway, pets: Path) -> None:
    told(leeway, pets, "monitor", "--model", "pets", "--as-of", "2026-03-11T02:00:00")
    found = json.loads(told(leeway, pets, "power", "--json"))
    asked = found["asked"]
    assert (asked["model"], asked["predictions"], asked["classes"], asked["watched_only"]) == ("pets", 300, 3, True)
    assert asked["accuracy"] == pytest.approx(0.95, abs=0.01)
    assert asked["drift_reference"] == 0, "the chi-square trigger judges against its file from the first night"
    keys = {one["key"] for one in found["shortfalls"] if one["about"] == "retrains"}
    assert keys == {f"{name}.then" for name in ("prediction_drift", "accuracy", "class_accuracy")}
    assert {one["check"] for one in found["loops"] if "retraining" in one["ends_in"]} == set()


def test_a_model_begins_to_be_watched_with_what_its_policy_will_see(leeway: Leeway, tmp_path: Path) -> None:
    reference(tmp_path / "reference.csv")
    policy = "prediction_drift: {min_predictions: 5000}"
    (tmp_path / "own.yaml").write_text(policy)
    arguments = ("watch", "init", "pets", "--reference", "reference.csv", "--policy", "own.yaml")
    lines = told(leeway, tmp_path, *arguments).splitlines()
    [start] = [number for number, line in enumerate(lines) if line.startswith("What this policy will see")]
    assert "taken for granted: 100 predictions a night" in lines[start]
    assert "accuracy 95% to 85%: an alarm in about" in lines[start + 1]
    assert "prediction_drift.min_predictions: 80" in lines[start + 2]
    assert "accuracy.then: labels" in lines[start + 3]


def test_power_says_what_a_policy_will_see(leeway: Leeway, tmp_path: Path) -> None:
    found = json.loads(
        told(
            leeway,
            tmp_path,
            "power",
            "--predictions-per-night",
            "300",
            "--labels-per-night",
            "20",
            "--classes",
            "3",
            "--json",
        )
    )
    assert found["years_with_false_alarm"] <= 8  # of 60: more would be the sign of a broken budget
    assert found["drops"][0]["note"].startswith("stays over the floor")
    assert found["drops"][2]["median"] < 30
    assert found["drops_with_twice_the_labels"][2]["median"] <= found["drops"][2]["median"]
    assert found["drifts"][2]["median"] <= found["drifts"][1]["median"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ingest", "none.csv", "--model", "pets"), "none.csv: there is no such file"),
        (("ingest", "log.csv", "--model", "pats"), "no model 'pats' is watched"),
        (("ingest", "log.csv", "--model", "pets", "--columns", "label"), "--columns: got 'label'; write our_name"),
        (("ingest", "log.csv", "--model", "pets", "--columns", "label=truth"), "has no column 'truth'"),
        (("monitor", "--model", "pats"), "no model 'pats' is watched here; known: pets"),
        (("labels", "import", "log.png", "--model", "pets"), "log.png"),
        (("watch", "init", "../x", "--reference", "reference.csv"), "'../x' is no name of a model"),
        (("watch", "init", "x", "--reference", "log.csv"), "none of 3,000 rows has a label"),
        (("watch", "init", "x", "--reference", "reference.csv", "--floor", "0.99"), "floor 0.99 would alarm every"),
        (("watch", "init", "x", "--reference", "reference.csv", "--floor", "7"), "accuracy.floor: "),
        (("backtest", "--policy", "other.yaml", "--model", "pets"), "other.yaml: no such file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(leeway: Leeway, pets: Path, arguments: tuple[str, ...], says: str) -> None:
    code, _, error = leeway(pets, *arguments)
    assert code == 2
    assert says in error
    assert error.strip().startswith("leeway: ")
    assert not (pets / "monitoring" / "watched" / "x.yaml").exists()
