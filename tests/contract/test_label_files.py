"""Label tasks as files: what goes out comes back, tied to its prediction, and nothing runs or leaks on the way."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from leeway.errors import DataError, WorkspaceError
from leeway.labels.files import Task, export_tasks, from_cell, read_statements
from leeway.labels.judge import AnswerFile, LabelProblem, Subject, judge
from leeway.labels.label_studio import Statement

CLASSES = ("cat", "Bär, braun", 'a "quoted" <one> & more', "two\nlines", "=cmd()", "'quote", "7", "$5")
IDS = ("=1+1", "+x", "-x", "@x", "'x", "'=1+1", " =x", "007", "1e5", "2026-03-01", "12345678901234567890", "a;=b%3B",
       "a,\t=b", 'a\n"=b', "ünï", "a b", 'q"uote', "x,y;z", "＝x", "50%")  # fmt: skip
WHEN = datetime(2026, 3, 2, 10, 30, 0, 500000, tzinfo=UTC)


def encoded(format_name: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(stream, format_name)
    return stream.getvalue()


PNG = encoded("PNG")


def task(prediction_id: str, image: bytes | None = PNG) -> Task:
    return Task("plan-1", "pets", prediction_id, image, "cat", 0.75, "north")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill_in(path: Path, labels: Sequence[str], labeler: str = "") -> None:
    """What a person does in a spreadsheet."""
    rows = rows_of(path)
    for row, label in zip(rows, labels, strict=True):
        row["label"], row["labeler"] = label, labeler
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def annotation(*labels: str, by: object = 7, **more: object) -> dict[str, Any]:
    chosen = {"value": {"choices": list(labels)}, "from_name": "choice", "to_name": "image", "type": "choices"}
    result = [chosen] if labels else []
    return {
        "id": 1,
        "completed_by": by,
        "created_at": WHEN.isoformat(),
        "was_cancelled": False,
        "result": result,
        **more,
    }


def studio_task(prediction_id: str, *annotations: object, number: int = 1) -> dict[str, Any]:
    return {"id": number, "data": {"prediction_id": prediction_id}, "annotations": list(annotations)}


def read(path: Path, known: Iterable[str] = ("p1", "p2", "p3"), classes: Sequence[str] = CLASSES) -> AnswerFile:
    statements, ids = read_statements(path), set(known)
    return judge(statements, [about(one, ids, classes) for one in statements], labeler="ann")


def about(one: Statement, known: set[str], classes: Sequence[str]) -> Subject:
    """What `leeway.labels.resolution` finds where these predictions of one model are known."""
    meant = from_cell(one.prediction_id, known) if one.from_spreadsheet else one.prediction_id
    return Subject("pets", meant, classes) if meant in known else Subject("pets", meant, problem="not known here")


@pytest.fixture
def read_csv(tmp_path: Path) -> Callable[[str], AnswerFile]:
    def given(text: str) -> AnswerFile:
        (tmp_path / "labels.csv").write_bytes(text.encode())
        return read(tmp_path / "labels.csv")

    return given


@pytest.fixture
def read_json(tmp_path: Path) -> Callable[[object], AnswerFile]:
    def given(content: object) -> AnswerFile:
        (tmp_path / "export.json").write_text(json.dumps(content))
        return read(tmp_path / "export.json")

    return given


def said(answers: AnswerFile) -> list[tuple[str, str, str]]:
    return [(one.prediction_id, one.label, one.labeler) for one in answers.answers]


# Round trips


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("export") / "tonight"
    ids = [
        *IDS,
        *(f"{hashlib.sha256(bytes([n % 256, n // 256])).hexdigest()[:20]}-{n}" for n in range(1000 - len(IDS))),
    ]
    export_tasks(folder, [task(one, None if n % 10 == 0 else PNG) for n, one in enumerate(ids)], classes=CLASSES)
    return folder, ids


def test_a_thousand_tasks_come_back_through_the_csv(thousand: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder, ids = thousand
    labels = [CLASSES[number % len(CLASSES)] for number in range(len(ids))]
    path = tmp_path / "filled.csv"
    path.write_bytes((folder / "labels.csv").read_bytes())
    fill_in(path, labels)
    assert said(read(path, ids)) == [(one, label, "ann") for one, label in zip(ids, labels, strict=True)]
    assert (read(path, ids).findings, read(path, ids).unanswered) == ((), 0)


def test_a_thousand_tasks_come_back_through_label_studio(thousand: tuple[Path, list[str]], tmp_path: Path) -> None:
    (folder, ids), user = thousand, {"id": 7, "email": "b@x"}
    choices = [
        choice.get("alias", choice.get("value"))
        for choice in ElementTree.parse(folder / "label_studio.xml").iter("Choice")
    ][: len(CLASSES)]
    imported = json.loads((folder / "label_studio.json").read_text(encoding="utf-8"))
    exported = [
        {"id": 500 + number, **one, "annotations": [annotation(choices[number % len(choices)], by=user)], "drafts": []}
        for number, one in enumerate(imported)
    ]
    (tmp_path / "export.json").write_text(json.dumps(exported))
    answers = read(tmp_path / "export.json", ids)
    assert said(answers) == [(one, CLASSES[number % len(CLASSES)], "b@x") for number, one in enumerate(ids)]
    assert (answers.findings, answers.unanswered) == ((), 0)
    assert {one.labelled_at for one in answers.answers} == {WHEN}
    assert answers.answers[0].place == "task 500"


def test_an_untouched_export_is_unanswered(thousand: tuple[Path, list[str]]) -> None:
    folder, ids = thousand
    for name in ("labels.csv", "label_studio.json"):
        assert read(folder / name, ids) == AnswerFile((), (), 1000)


def test_the_model_of_each_task_goes_out_and_comes_back(tmp_path: Path) -> None:
    models = ["pets", "=pets", "007", "ünï"]
    tasks = [replace(task(f"p{number}"), model=name) for number, name in enumerate(models)]
    export_tasks(tmp_path / "out", tasks, classes=CLASSES)
    assert [row["model"] for row in rows_of(tmp_path / "out" / "labels.csv")] == ["pets", "'=pets", "'007", "ünï"]
    csv_said = read_statements(tmp_path / "out" / "labels.csv")
    assert [from_cell(one.model, models) for one in csv_said] == models
    assert [one.model for one in read_statements(tmp_path / "out" / "label_studio.json")] == models


def test_a_file_of_a_release_before_names_no_model(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("plan_id,prediction_id,image,label,labeler\nplan-1,p1,,cat,ann\n")
    (tmp_path / "a.json").write_text(json.dumps([studio_task("p1"), {"id": 2, "prediction_id": "p2", "choice": "7"}]))
    assert [one.model for name in ("a.csv", "a.json") for one in read_statements(tmp_path / name)] == ["", "", ""]


def test_an_image_that_answers_name_is_never_opened(tmp_path: Path) -> None:
    """Both kinds carry the image's name back; only the prediction's id counts."""
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    (tmp_path / "a.csv").write_text(f"prediction_id,label,image\np1,cat,{tmp_path / 'pipe'}\n")
    data = {"image": str(tmp_path / "pipe"), "prediction_id": "p1"}
    (tmp_path / "a.json").write_text(json.dumps([{"data": data, "annotations": [annotation("cat", by="ann")]}]))
    for name in ("a.csv", "a.json"):
        assert said(read(tmp_path / name, ["p1"])) == [("p1", "cat", "ann")]


# What is written


def test_no_cell_starts_a_formula_or_is_rewritten_whatever_separates_the_cells(
    thousand: tuple[Path, list[str]],
) -> None:
    text = (thousand[0] / "labels.csv").read_bytes().decode("utf-8-sig")
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            assert [
                cell for cell in row if cell.lstrip(" \"'").startswith(tuple("=+-@")) and not cell.startswith("'")
            ] == []
    written = {row["prediction_id"] for row in rows_of(thousand[0] / "labels.csv")}
    assert {"'007", "'1e5", "'2026-03-01", "'12345678901234567890", "'=1+1", "''=1+1", "50%"} <= written


@pytest.mark.parametrize("cell", ["=1+1", "'=1+1", " =1+1 "])
def test_an_id_is_found_with_and_without_its_apostrophe(cell: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"prediction_id,label\n{cell},'=cmd()\n")
    assert said(read(tmp_path / "a.csv", ["=1+1"])) == [("=1+1", "=cmd()", "ann")]


def test_images_have_safe_names_and_the_extension_of_their_bytes(tmp_path: Path) -> None:
    contents = [encoded(name) for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")] + [b"?"]
    export_tasks(tmp_path / "out", [task(f"../{n}", one) for n, one in enumerate(contents)], classes=CLASSES)
    digest = hashlib.sha256(b"../0").hexdigest()[:12]
    rows = rows_of(tmp_path / "out" / "labels.csv")
    assert rows[0]["image"] == f"images/0001-{digest}.jpg"
    assert [Path(row["image"]).suffix for row in rows] == [".jpg", ".png", ".webp", ".gif", ".tif", ".bmp", ".img"]
    assert [(tmp_path / "out" / row["image"]).read_bytes() for row in rows] == contents
    studio = json.loads((tmp_path / "out" / "label_studio.json").read_text())
    assert studio[0] == {
        "data": {"image": rows[0]["image"], "model": "pets", "prediction_id": "../0", "plan_id": "plan-1"}
    }


def test_a_task_without_an_image_and_one_that_stands_twice(tmp_path: Path) -> None:
    export_tasks(tmp_path / "out", [task("p1", None), task("p2"), task("p1", None)], classes=CLASSES)
    rows = rows_of(tmp_path / "out" / "labels.csv")
    assert [(row["prediction_id"], bool(row["image"])) for row in rows] == [("p1", False), ("p2", True)]
    assert len(list((tmp_path / "out" / "images").iterdir())) == 1


def test_the_interface_offers_every_class_and_shows_local_files(thousand: tuple[Path, list[str]]) -> None:
    view = ElementTree.parse(thousand[0] / "label_studio.xml").getroot()
    choices = [one.get("alias", one.get("value")) for one in view.iter("Choice")]
    assert choices == [*CLASSES, "unsure", "none of these classes"]
    assert {one.get("value", "").count("$") for one in view.iter("Choice")} == {0}  # $5 is a variable
    assert [one.get("value") for one in view.iter("Image")] == ["/data/local-files/?d=$image"]


def test_the_readme_says_how_and_names_the_classes(thousand: tuple[Path, list[str]]) -> None:
    text = (thousand[0] / "README.txt").read_text(encoding="utf-8")
    assert "1,000 images" in text
    assert "leeway labels import FILE" in text
    for line in ("cat", "Bär, braun", "two lines", "'=cmd()", "7"):
        assert f"\n  {line}\n" in text


def contents_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_models_answer_is_nowhere_unless_asked_for(tmp_path: Path) -> None:
    sure = [task("p1"), task("p2")]
    unsure = [replace(one, predicted_class="7", confidence=0.123456, slice="south") for one in sure]
    for name, tasks in (("a", sure), ("b", unsure)):
        export_tasks(tmp_path / name, tasks, classes=CLASSES)
    assert contents_of(tmp_path / "a") == contents_of(tmp_path / "b")
    assert b"predict" not in b"".join(contents_of(tmp_path / "a").values()).replace(b"prediction_id", b"")


def test_the_models_answer_where_asked_for_and_never_read_as_a_label(tmp_path: Path) -> None:
    tasks = [replace(task("p1"), predicted_class="=cmd()"), replace(task("p2"), confidence=None)]
    export_tasks(tmp_path / "out", tasks, classes=CLASSES, show_answer=True)
    rows = rows_of(tmp_path / "out" / "labels.csv")
    assert [(row["predicted_class"], row["confidence"]) for row in rows] == [("'=cmd()", "0.7500"), ("cat", "")]
    first, second = (one["predictions"][0] for one in json.loads((tmp_path / "out" / "label_studio.json").read_text()))
    assert (first["score"], first["result"][0]["value"]) == (0.75, {"choices": ["=cmd()"]})
    assert "score" not in second
    for name in ("labels.csv", "label_studio.json"):
        assert read(tmp_path / "out" / name) == AnswerFile((), (), 2)


def test_nothing_to_label_is_an_export_too(tmp_path: Path) -> None:
    export_tasks(tmp_path / "deep" / "out", [], classes=CLASSES)
    assert read(tmp_path / "deep" / "out" / "labels.csv") == AnswerFile((), (), 0)
    assert read(tmp_path / "deep" / "out" / "label_studio.json") == AnswerFile((), (), 0)


# A folder that is complete or not there


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    export_tasks(folder, [task("p1")], classes=CLASSES)
    before = contents_of(folder)
    with pytest.raises(WorkspaceError, match=r"is not an empty folder; name a new one: leeway labels export DIR"):
        export_tasks(folder, [task("p2")], classes=CLASSES)
    assert contents_of(folder) == before
    with pytest.raises(WorkspaceError, match="is not an empty folder"):
        export_tasks(folder / "labels.csv", [task("p2")], classes=CLASSES)


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"class 'bell\\x07' holds the character '\\x07'"):
        export_tasks(tmp_path / "out", [task("p1")], classes=["bell\a"])
    with pytest.raises(WorkspaceError, match="out: the label tasks cannot be written"):
        export_tasks(tmp_path / "out", [task("\ud800")], classes=CLASSES)

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WorkspaceError, match="No space left on device"):
        export_tasks(tmp_path / "out", [task("p1")], classes=CLASSES)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_has_its_name_only_when_all_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed: list[set[str]] = []
    rename = Path.rename

    def watched(path: Path, target: Path) -> Path:
        renamed.append({one.name for one in path.iterdir()})
        assert not target.exists()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", watched)
    export_tasks(tmp_path / "out", [task("p1")], classes=CLASSES)
    assert renamed == [{".gitignore", "images", "labels.csv", "label_studio.json", "label_studio.xml", "README.txt"}]


# Reading a CSV


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_reads_what_spreadsheets_write(
    read_csv: Callable[[str], AnswerFile], mark: str, end: str, separator: str
) -> None:
    lines = (("Label", " prediction_id ", "note"), ('"Bär, braun"', "p1", '"a;b"'), ("", "p2", ""), ("", "", ""))
    answers = read_csv(mark + end.join(separator.join(line) for line in lines) + end)
    assert said(answers) == [("p1", "Bär, braun", "ann")]
    assert (answers.findings, answers.unanswered) == ((), 1)
    assert (answers.answers[0].place, answers.answers[0].labelled_at) == ("line 2", None)


@pytest.mark.parametrize("typed", ["Ba\u0308r, braun", " Bär,  braun ", "B\u00e4r, braun"])
def test_the_same_name_written_otherwise_is_the_class(read_csv: Callable[[str], AnswerFile], typed: str) -> None:
    assert said(read_csv(f'prediction_id,label\np1,"{typed}"\np2,"two\r\nlines"\n')) == [
        ("p1", "Bär, braun", "ann"), ("p2", "two\nlines", "ann")
    ]  # fmt: skip


FINDINGS = {
    "p1,cta,": "'cta' is not a class; did you mean 'cat'?",
    "p1,CAT,": "'CAT' is not a class; did you mean 'cat'?",
    "p1,?,": f"'?' is not a class; allowed: {', '.join(map(repr, CLASSES))}",
    "p9,cat,": "not known here",
    ",cat,": "no prediction_id; copy it from the exported labels.csv",
    "p1,cat": "2 fields, 3 in the first line; quote a field that holds ','",
    "p1,a,b,": "4 fields, 3 in the first line; quote a field that holds ','",
}


@pytest.mark.parametrize("line", FINDINGS)
def test_a_bad_line_is_a_finding_and_the_rest_goes_in(read_csv: Callable[[str], AnswerFile], line: str) -> None:
    answers = read_csv(f'prediction_id,label,labeler\np2,"two\nlines",bob\n{line}\np3,cat,\n')
    assert said(answers) == [("p2", "two\nlines", "bob"), ("p3", "cat", "ann")]
    assert answers.findings == (LabelProblem("line 4", FINDINGS[line]),)


def test_a_class_that_the_model_does_not_have_is_taken_and_told(read_csv: Callable[[str], AnswerFile]) -> None:
    answers = read_csv("prediction_id,label\np1,wasp\np2, wasp \np3,cat\n")
    assert said(answers) == [("p1", "wasp", "ann"), ("p2", "wasp", "ann"), ("p3", "cat", "ann")]
    assert (answers.findings, answers.outside) == ((), {("pets", "wasp"): 2})


@pytest.mark.parametrize("typed", ["nan", "NaN", "None", "N/A", " null "])
def test_a_word_for_nothing_is_no_answer(read_csv: Callable[[str], AnswerFile], typed: str) -> None:
    answers = read_csv(f"prediction_id,label\np1,{typed}\np2,cat\n")
    assert (said(answers), answers.findings, answers.unanswered) == ([("p2", "cat", "ann")], (), 1)


def test_of_two_answers_of_one_person_none_is_taken(read_csv: Callable[[str], AnswerFile]) -> None:
    answers = read_csv("prediction_id,label,labeler\np1,cat,ann\np2,cat,\np1,7,\np1,cat,bob\n")
    assert said(answers) == [("p2", "cat", "ann"), ("p1", "cat", "bob")]
    problem = "prediction 'p1': ann says '7' here and 'cat' at line 2; none is taken: leave one"
    assert answers.findings == (LabelProblem("line 4", problem),)


def test_the_same_answer_twice_is_one_and_two_people_are_two(read_csv: Callable[[str], AnswerFile]) -> None:
    answers = read_csv("prediction_id,label,labeler\np1,cat,ann\np1,cat,\np1,7,bob\np1,,eve\np3,,\n")
    assert said(answers) == [("p1", "cat", "ann"), ("p1", "7", "bob")]
    assert (answers.findings, answers.unanswered) == ((), 1)  # p1 is answered, though not by eve


# Reading a Label Studio export


def test_reads_who_and_when(read_json: Callable[[object], AnswerFile]) -> None:
    annotations = [
        annotation("cat", by=7, created_at="2026-03-02T11:30:00.500000+01:00"),
        annotation("7", by={"id": 3, "email": "bob@x"}, created_at="2026-03-02T10:30:00.500000Z"),
        annotation("7", by={"id": 3}, created_at="2026-03-02T10:30:00.500000"),
        annotation("7", by=None, created_at="yesterday"),
    ]
    answers = read_json([studio_task("p1", *annotations, number=41)])
    assert said(answers) == [("p1", "cat", "7"), ("p1", "7", "bob@x"), ("p1", "7", "3"), ("p1", "7", "ann")]
    assert [one.labelled_at for one in answers.answers] == [WHEN, WHEN, WHEN, None]
    assert all(one.labelled_at is None or one.labelled_at.tzinfo is UTC for one in answers.answers)
    assert {one.place for one in answers.answers} == {"task 41"}


def test_cancelled_and_empty_annotations_are_unanswered(read_json: Callable[[object], AnswerFile]) -> None:
    cancelled, empty = annotation("cat", was_cancelled=True), annotation()
    assert read_json([studio_task("p1", cancelled), studio_task("p2", empty), studio_task("p3")]) == AnswerFile(
        (), (), 3, skipped=1
    )
    assert said(read_json([studio_task("p1", cancelled, annotation("cat"))])) == [("p1", "cat", "7")]


def test_what_no_database_takes_is_left_out_of_a_name(read_json: Callable[[object], AnswerFile]) -> None:
    answers = read_json([studio_task("p1", annotation("cat", by="a\0nn\ud800"))])
    assert said(answers) == [("p1", "cat", "ann")]


BAD_TASKS: list[tuple[dict[str, Any], str]] = [
    (studio_task("p1", annotation("cat", "7"), number=5), "2 classes chosen ('cat', '7'); choose one"),
    (studio_task("p1", annotation("Cat"), number=5), "'Cat' is not a class; did you mean 'cat'?"),
    (studio_task("p1", annotation("dog\0"), number=5), "'dog\\x00' is not a class; allowed: "),
    (studio_task("p9", annotation("cat"), number=5), "not known here"),
    ({"id": 5, "data": {}, "annotations": [annotation("cat")]}, "no prediction_id"),
    (studio_task("p1", annotation(result=[{"value": {"rectanglelabels": ["cat"]}}]), number=5), "holds no choice"),
    (studio_task("p1", annotation(result=[{"value": {"choices": [3]}}]), number=5), "holds no choice"),
    (studio_task("p1", annotation(result=3), number=5), "holds no choice"),
    (studio_task("p1", "?", number=5), "an annotation is '?', not an object"),
    (studio_task("p1", annotation("cat"), annotation("7"), number=5), "7 says '7' here and 'cat' at task 5; none is"),
    ({"id": 5, "prediction_id": "p1", "choice": {"x": 1}}, "{'x': 1} is not one choice"),
]


@pytest.mark.parametrize("number", range(len(BAD_TASKS)))
def test_a_bad_task_is_a_finding_and_the_rest_goes_in(read_json: Callable[[object], AnswerFile], number: int) -> None:
    content, problem = BAD_TASKS[number]
    answers = read_json([content, studio_task("p2", annotation("cat", by="bob"), number=6)])
    assert said(answers) == [("p2", "cat", "bob")]
    assert [one.place for one in answers.findings] == ["task 5"]
    assert problem in answers.findings[0].problem


def test_of_one_answer_given_twice_the_earlier_counts(read_json: Callable[[object], AnswerFile]) -> None:
    later = annotation("cat", created_at="2026-03-05T00:00:00Z")
    answers = read_json([studio_task("p1", later, annotation("cat"), annotation("cat", created_at=None))])
    assert [one.labelled_at for one in answers.answers] == [WHEN]


def test_reads_json_min(read_json: Callable[[object], AnswerFile]) -> None:
    one = {"id": 1, "image": "images/1.png", "plan_id": "a", "prediction_id": "p1", "created_at": WHEN.isoformat()}
    answers = read_json(
        [
            {**one, "choice": "cat", "annotator": 7},
            {**one, "id": 2, "label": "7", "annotator": "bob@x"},
            {**one, "id": 3, "prediction_id": "p2", "choice": {"choices": ["cat", "7"]}},
            {**one, "id": 4, "prediction_id": "p3"},
        ]
    )
    assert said(answers) == [("p1", "cat", "7"), ("p1", "7", "bob@x")]
    assert answers.answers[0].labelled_at == WHEN
    assert answers.findings == (LabelProblem("task 3", "2 classes chosen ('cat', '7'); choose one"),)
    assert answers.unanswered == 1


# A file that cannot be read at all

NO_FILES = {
    "": "empty; give labels.csv",
    " \n": "empty; give labels.csv",
    "PK\x03\x04\0\0": "not a text file; save it",
    "id,label\np1,cat\n": "columns found: id, label; prediction_id and label are needed",
    "prediction_id;class\np1;cat\n": "columns found: prediction_id, class; prediction_id and label are needed",
    "prediction_id,label,label\np1,cat,7\n": "a column stands twice",
    'prediction_id,label\np1,"cat\np2,7\n': "line 3: unexpected end of data; is a quote missing",
    '[{"id": 1, "data": {"predic': "not complete JSON",
    "[" * 100_000: "not complete JSON",
    '{"id": 1}': "not a list of tasks",
    "[1, 2]": "not a list of tasks",
    '[{"id": 1, "data": {"image": "a"}, "annotations": []}]': r"no task has a prediction_id \(fields found: image\)",
    '[{"id": 1, "image": "a"}]': r"no task has a prediction_id \(fields found: id, image\)",
    '[{"prediction_id": "p1", "sort": "cat"}]': r"under choice or label \(fields found: prediction_id, sort\)",
}


@pytest.mark.parametrize("number", range(len(NO_FILES)))
def test_a_file_that_is_none_is_an_error_that_says_why(read_csv: Callable[[str], AnswerFile], number: int) -> None:
    text, reason = list(NO_FILES.items())[number]
    with pytest.raises(DataError, match=f"labels.csv: .*{reason}"):
        read_csv(text)


def test_a_missing_file_a_folder_and_another_encoding_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.csv: cannot be read \(No such file or directory\)"):
        read(tmp_path / "no.csv")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\); give labels.csv"):
        read(tmp_path)
    (tmp_path / "a.csv").write_bytes("prediction_id;label\np1;Bär\n".encode("cp1252"))
    with pytest.raises(DataError, match='line 2 is not UTF-8 text; save it as "CSV UTF-8"'):
        read(tmp_path / "a.csv")
    (tmp_path / "a.json").write_text("prediction_id,label\n")
    with pytest.raises(DataError, match="not complete JSON"):
        read(tmp_path / "a.json")


# Answers that name nothing, and who answers


def answered(answers: AnswerFile) -> list[tuple[str, str, str]]:
    return [(one.prediction_id, one.label, one.answer) for one in answers.answers]


def test_words_for_none_are_answers_in_any_case_and_a_skip_is_none(read_csv: Callable[[str], AnswerFile]) -> None:
    known = "p1,Unsure\np2, NONE of  these classes \np3,SKIP\n"
    answers = read_csv(f"prediction_id,label\n{known}")
    assert answered(answers) == [("p1", "", "unsure"), ("p2", "", "none of these classes")]
    assert (answers.findings, answers.unanswered, answers.skipped, answers.outside) == ((), 1, 1, {})


@pytest.mark.parametrize(("class_", "written", "label"), [("unsure", "unsure", "unsure"), ("Skip", "Skip", "Skip")])
def test_a_word_that_a_class_is_called_by_is_the_class(tmp_path: Path, class_: str, written: str, label: str) -> None:
    (tmp_path / "labels.csv").write_text(f"prediction_id,label\np1,{written}\n", encoding="utf-8")
    assert answered(read(tmp_path / "labels.csv", classes=("cat", class_))) == [("p1", label, "label")]


def test_a_word_that_a_class_is_nearly_called_by_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("prediction_id,label\np1,unsure\n", encoding="utf-8")
    [finding] = read(tmp_path / "labels.csv", classes=("cat", "Unsure")).findings
    assert "did you mean 'Unsure'?" in finding.problem
    export_tasks(tmp_path / "out", [task("p1")], classes=("cat", "Unsure"))
    choices = [one.get("value") for one in ElementTree.parse(tmp_path / "out" / "label_studio.xml").iter("Choice")]
    assert choices == ["cat", "Unsure", "none of these classes"]


def test_a_person_who_says_two_things_of_one_prediction_is_refused(read_csv: Callable[[str], AnswerFile]) -> None:
    answers = read_csv("prediction_id,label\np1,cat\np1,unsure\n")
    assert answers.answers == ()
    assert "ann says 'unsure' here and 'cat' at line 2" in answers.findings[0].problem


def test_label_studio_offers_the_words_and_brings_them_back(read_json: Callable[[object], AnswerFile]) -> None:
    answers = read_json([studio_task("p1", annotation("unsure")), studio_task("p2", annotation(was_cancelled=True))])
    assert answered(answers) == [("p1", "", "unsure")]
    assert (answers.unanswered, answers.skipped) == (1, 1)


@pytest.mark.parametrize("labeler", ["bob", "=bob", "007", "Zoë, at home"])
def test_what_was_exported_for_a_person_comes_back_in_that_name(tmp_path: Path, labeler: str) -> None:
    export_tasks(tmp_path / "out", [replace(task("p1"), labeler=labeler)], classes=CLASSES)
    path = tmp_path / "out" / "labels.csv"
    [row] = rows_of(path)
    fill_in(path, ["cat"], row["labeler"])
    assert said(read(path)) == [("p1", "cat", labeler)]
    [imported] = json.loads((tmp_path / "out" / "label_studio.json").read_text(encoding="utf-8"))
    for name, exported in (
        ("full.json", {"id": 1, **imported, "annotations": [annotation("cat", by=7)]}),
        ("min.json", {"id": 1, **imported["data"], "choice": "cat", "annotator": 7}),
    ):
        (tmp_path / name).write_text(json.dumps([exported]))
        assert said(read(tmp_path / name)) == [("p1", "cat", labeler)]


def test_the_readme_says_where_to_look_where_no_image_came_with_the_predictions(tmp_path: Path) -> None:
    export_tasks(tmp_path / "without", [task("a", None)], classes=CLASSES)
    export_tasks(tmp_path / "with", [task("a", PNG)], classes=CLASSES)
    without, with_images = ((tmp_path / name / "README.txt").read_text() for name in ("without", "with"))
    assert "prediction_id" in without
    assert "names the picture" not in without
    assert "names the picture" in with_images
