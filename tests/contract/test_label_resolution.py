"""Whose answer it is: each row of a file is about one prediction of one model, and what is recorded says so."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leeway.checks.policy import Policy
from leeway.data.classes import ClassParams
from leeway.domain.columns import PredictionColumns
from leeway.domain.records import (
    DRAWN,
    MEASURE,
    VOLUNTEERED,
    Draw,
    LabelPlan,
    ModelVersion,
    PlanDesign,
    RecordedLabels,
    ReferenceCounts,
)
from leeway.epoch import Epoch
from leeway.errors import RefusedError
from leeway.labels.exchange import export_labels, import_labels, import_text
from leeway.labels.judge import AnswerFile
from leeway.labels.resolution import Models
from leeway.stores.images import FolderImageStore
from leeway.stores.opening import Stores, open_stores
from tiny_bundle import square

NIGHT, NOW = date(2026, 3, 1), datetime(2026, 3, 2, 10, tzinfo=UTC)
CLASSES = {"pets": ("cat", "dog"), "shoes": ("boot", "sandal")}
Import = Callable[..., tuple[RecordedLabels, AnswerFile]]


def version(model: str) -> ModelVersion:
    reference = ReferenceCounts(CLASSES[model], (0.6, 0.9), ((1, 1, 1), (1, 1, 1)), correct=5, total=6)
    return ModelVersion(model, 1, f"bundle-{model}", "data-1", reference)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """Two models, `pets` and `shoes`, of which nothing is recorded yet."""
    made = open_stores(f"sqlite:///{tmp_path / 'leeway.db'}", secret="s")
    for model in CLASSES:
        made.ledger.record_model(version(model))
    yield made
    made.close()


def sent(stores: Stores, model: str, ids: Sequence[str], *, images: Sequence[str] = ()) -> None:
    """Production says something about these."""
    times = ["2026-03-01 08:00:00.000000"] * len(ids)
    columns = PredictionColumns(ids, times, [CLASSES[model][0]] * len(ids), images=images)
    stores.log.record(model, [(1, columns)], received_at=NOW)


def asked(
    stores: Stores, model: str, ids: Sequence[str], *, images: Sequence[str] = (), second_opinion: str = "none"
) -> None:
    """People are asked to label these."""
    sent(stores, model, ids, images=images)
    plan = LabelPlan(f"plan-{model}", model, 1, NIGHT, NOW, asked=len(ids), second_opinion=second_opinion)
    draws = [Draw(f"{plan.id}-{at}", plan.id, model, one, MEASURE, "0", 0.1, 0.1) for at, one in enumerate(ids)]
    claim = stores.ledger.claim_night(version(model), NIGHT, holder="me", now=NOW, until=NOW + timedelta(hours=1))
    design = PlanDesign(predictions=len(ids), mean_guess=0.1)
    assert stores.ledger.record_plan(plan, design, draws, stores.log.by_ids(model, ids), claim=claim)


def epoch(stores: Any, model: str, images: Path = Path("images")) -> Epoch:
    return Epoch(version(model), Policy(), stores.log, stores.ledger, FolderImageStore(images), NOW)


def models_of(stores: Any, **more: str | None) -> Models:
    return Models(stores.ledger, lambda name: epoch(stores, name), **more)


def import_with(stores: Stores, rule: ClassParams, path: Path) -> tuple[RecordedLabels, AnswerFile]:
    """Imports a file into a workspace whose params.yaml has this rule."""
    models = Models(stores.ledger, lambda name: replace(epoch(stores, name), class_rule=rule))
    return import_labels(path, models, labeler="ann", now=NOW)


@pytest.fixture
def imported(stores: Stores, tmp_path: Path) -> Import:
    """Imports a file of these rows, each with the columns of the first one."""

    def take(*rows: Mapping[str, str], now: datetime = NOW, **more: str | None) -> tuple[RecordedLabels, AnswerFile]:
        return import_labels(written(tmp_path / "a.csv", rows), models_of(stores, **more), labeler="ann", now=now)

    return take


def written(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(prediction_id: str, label: str, model: str | None = None, **more: str) -> dict[str, str]:
    return {**({} if model is None else {"model": model}), "prediction_id": prediction_id, "label": label, **more}


def labels_of(stores: Stores, model: str) -> dict[str, tuple[str, str]]:
    return {prediction.id: (label.label, label.kind) for label, prediction in stores.ledger.labels(model)}


def problems(read: AnswerFile) -> dict[str, str]:
    return {one.place: one.problem for one in read.findings}


# Which model


def test_one_file_may_hold_several_models_each_row_judged_by_the_classes_of_its_own(
    stores: Stores, imported: Import
) -> None:
    for model in CLASSES:
        asked(stores, model, ["p1", "p2"])
    rows = [row("p1", "cat", "pets"), row("p1", "boot", "shoes"), row("p2", "boots", "shoes"), row("p2", "", "pets")]
    recorded, read = imported(*rows)
    assert recorded == RecordedLabels(new=2)
    assert (labels_of(stores, "pets"), labels_of(stores, "shoes")) == ({"p1": ("cat", DRAWN)}, {"p1": ("boot", DRAWN)})
    assert problems(read) == {"line 4": "'boots' is not a class; did you mean 'boot'?"}
    assert read.unanswered == 1


def test_a_row_that_names_another_model_than_the_command_line_is_refused(stores: Stores, imported: Import) -> None:
    for model in CLASSES:
        asked(stores, model, ["p1", "p2", "p3"])
    rows = [row("p1", "cat", "shoes"), row("p2", "cat", "pets"), row("p3", "dog", "")]
    _, read = imported(*rows, named="pets")
    assert labels_of(stores, "pets") == {"p2": ("cat", DRAWN), "p3": ("dog", DRAWN)}
    assert problems(read) == {"line 2": "it is of model 'shoes', and --model says 'pets'; import it without --model"}
    assert labels_of(stores, "shoes") == {}


def test_a_model_that_is_not_known_here_is_refused_by_row(stores: Stores, imported: Import) -> None:
    asked(stores, "pets", ["p1"])
    _, read = imported(row("p1", "cat", "hats"), row("p1", "cat", "'pets"), default="pets")
    assert labels_of(stores, "pets") == {"p1": ("cat", DRAWN)}
    assert problems(read) == {"line 2": "model 'hats' is not known here; was it exported from another workspace?"}


def test_a_file_without_models_is_of_the_one_for_which_the_prediction_is_pinned(
    stores: Stores, imported: Import
) -> None:
    asked(stores, "pets", ["p1", "both"])
    asked(stores, "shoes", ["s1", "both"])
    recorded, read = imported(row("p1", "cat"), row("s1", "boot"), row("both", "boot"), default="pets")
    assert recorded == RecordedLabels(new=2)
    assert (labels_of(stores, "pets"), labels_of(stores, "shoes")) == ({"p1": ("cat", DRAWN)}, {"s1": ("boot", DRAWN)})
    assert problems(read) == {"line 4": "prediction 'both' is one of pets and one of shoes; say whose: --model NAME"}
    assert imported(row("both", "boot"), named="shoes")[0] == RecordedLabels(new=1)


def test_an_id_that_is_pinned_for_no_model_is_of_the_default_one_and_may_be_unknown(
    stores: Stores, imported: Import
) -> None:
    sent(stores, "pets", ["p1"])
    _, read = imported(row("p1", "cat"), row("p9", "cat"), default="pets")
    assert labels_of(stores, "pets") == {"p1": ("cat", VOLUNTEERED)}
    assert problems(read) == {"line 3": "prediction 'p9' is not known here; was it exported from another workspace?"}


@pytest.mark.parametrize("default", [None, "hats"])
def test_without_a_default_such_a_row_is_refused_and_the_others_go_in(
    stores: Stores, imported: Import, default: str | None
) -> None:
    asked(stores, "pets", ["p1"])
    sent(stores, "pets", ["p2"])
    _, read = imported(row("p1", "cat"), row("p2", "cat"), default=default)
    assert labels_of(stores, "pets") == {"p1": ("cat", DRAWN)}
    assert problems(read) == {"line 3": "prediction 'p2' is not known here; say whose: --model NAME"}


def test_label_studio_hands_the_model_back_too(stores: Stores, tmp_path: Path) -> None:
    for model in CLASSES:
        asked(stores, model, ["p1"])
    flat = [{"id": 1, "model": "pets", "prediction_id": "p1", "choice": "dog", "annotator": "bob"}]
    result = [{"value": {"choices": ["sandal"]}}]
    full = [{"id": 1, "data": {"model": "shoes", "prediction_id": "p1"}, "annotations": [{"result": result}]}]
    for content in (flat, full):
        (tmp_path / "a.json").write_text(json.dumps(content))
        assert import_labels(tmp_path / "a.json", models_of(stores), labeler="ann", now=NOW)[0].new == 1
    assert labels_of(stores, "pets") == {"p1": ("dog", DRAWN)}
    assert labels_of(stores, "shoes") == {"p1": ("sandal", DRAWN)}


# Which prediction


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize(
    ("prediction_id", "cell"),
    [
        ("=1+1", "=1+1"),
        ("=1+1", "'=1+1"),
        ("=1+1", " =1+1 "),
        ("'=1+1", "''=1+1"),
        ("a;=b%3B", "'a%3B=b%253B"),
        ("007", "'007"),
        ("007", "007"),
        (" =x", "' =x"),
    ],
)
def test_an_id_is_found_in_what_a_spreadsheet_made_of_it(
    stores: Stores, imported: Import, prediction_id: str, cell: str, pinned: bool
) -> None:
    (asked if pinned else sent)(stores, "pets", [prediction_id, "p1"])
    recorded, read = imported(row(cell, "cat"), row("p1", "dog"), default="pets")
    assert (recorded.new, read.findings) == (2, ())
    assert labels_of(stores, "pets").keys() == {prediction_id, "p1"}


def test_of_two_ids_that_a_cell_may_stand_for_the_one_that_is_written_so_is_meant(
    stores: Stores, imported: Import
) -> None:
    asked(stores, "pets", ["'=1"])
    sent(stores, "pets", ["=1"])  # which is written as '=1; the other one as ''=1
    imported(row("'=1", "cat"), named="pets")
    imported(row("''=1", "dog"), default="pets")
    assert labels_of(stores, "pets") == {"=1": ("cat", VOLUNTEERED), "'=1": ("dog", DRAWN)}


def test_a_cell_that_may_stand_for_predictions_of_two_models_is_refused(stores: Stores, imported: Import) -> None:
    asked(stores, "pets", ["'=1"])
    asked(stores, "shoes", ["=1"])
    _, read = imported(row("'=1", "cat"))
    assert problems(read) == {"line 2": 'prediction "\'=1" is one of pets and one of shoes; say whose: --model NAME'}


def test_an_id_that_no_database_takes_is_not_known(stores: Stores, tmp_path: Path) -> None:
    asked(stores, "pets", ["p1"])
    odd = [{"id": n, "prediction_id": one, "choice": "cat"} for n, one in enumerate(["p\0", "\ud800", "p1"])]
    (tmp_path / "a.json").write_text(json.dumps(odd))
    recorded, read = import_labels(tmp_path / "a.json", models_of(stores, default="pets"), labeler="ann", now=NOW)
    assert (recorded.new, [one.place for one in read.findings]) == (1, ["task 0", "task 1"])


# How often the stores are asked


class Counted:
    """A store that counts how often each of its methods is called."""

    def __init__(self, store: Any, calls: Counter[str]) -> None:
        self._store, self._calls = store, calls

    def __getattr__(self, name: str) -> Any:
        self._calls[name] += 1
        return getattr(self._store, name)


@pytest.mark.parametrize("column", [True, False])
def test_two_thousand_rows_ask_each_store_once(stores: Stores, tmp_path: Path, column: bool) -> None:
    ids = [f"=p{number}" for number in range(2000)]
    asked(stores, "pets", ids[:1000])
    sent(stores, "pets", ids[1000:])
    rows = [row(f"'{one}", "cat", "pets" if column else None) for one in ids]
    calls: Counter[str] = Counter()
    counted = replace(stores, log=Counted(stores.log, calls), ledger=Counted(stores.ledger, calls))
    models = models_of(counted, default="pets")
    recorded, _ = import_labels(written(tmp_path / "a.csv", rows), models, labeler="ann", now=NOW)
    assert recorded == RecordedLabels(new=2000)
    once = {"versions": 1, "pinned": 1, "by_ids": 1, "pin": 1, "drawn": 1, "record_labels": 1}
    assert calls == (once if column else {**once, "queues": 1})


# What is recorded


def test_what_is_labelled_is_pinned_and_stays_volunteered_unless_a_plan_of_its_model_drew_it(
    stores: Stores, imported: Import
) -> None:
    sent(stores, "pets", ["p1", "p2"])
    asked(stores, "shoes", ["p1"])
    assert stores.ledger.pinned("pets", ["p1", "p2"]) == []
    imported(row("p1", "cat", "pets"), row("p2", "", "pets"))
    [pinned] = stores.ledger.pinned("pets", ["p1", "p2"])  # nobody said anything about the other
    assert (pinned.id, pinned.predicted_class, labels_of(stores, "pets")) == ("p1", "cat", {"p1": ("cat", VOLUNTEERED)})
    imported(row("p1", "dog", "pets"), now=NOW + timedelta(days=1))
    assert labels_of(stores, "pets") == {"p1": ("dog", VOLUNTEERED)}
    assert stores.ledger.drawn("pets", ["p1"]) == set()
    assert stores.ledger.drawn("shoes", ["p1", "p2"]) == {"p1"}


def test_a_name_that_data_classes_has_is_taken_however_near_it_is_to_a_class(stores: Stores, tmp_path: Path) -> None:
    asked(stores, "pets", ["p1", "p2", "p3"])
    path = written(
        tmp_path / "a.csv", [row("p1", "cats", "pets"), row("p2", "puppy", "pets"), row("p3", "Cat", "pets")]
    )
    rule = ClassParams(add=("cats",), rename={"puppy": "dog"})
    recorded, read = import_with(stores, rule, path)
    assert (recorded.new, read.outside) == (2, {})
    assert problems(read) == {"line 4": "'Cat' is not a class; did you mean 'cat'?"}
    assert labels_of(stores, "pets") == {"p1": ("cats", DRAWN), "p2": ("puppy", DRAWN)}  # as they were given


def test_a_second_import_is_known_and_a_correction_counts_and_says_so(stores: Stores, imported: Import) -> None:
    asked(stores, "pets", ["p1", "p2", "p3", "p4"])
    rows = [row("p1", "cat", "pets"), row("p2", "cat", "pets"), row("p3", "", "pets")]
    assert import_text(*imported(*rows)) == "2 new labels, 0 known, 1 unanswered, 0 refused"
    assert import_text(*imported(*rows)) == "0 new labels, 2 known, 1 unanswered, 0 refused"
    rows[0]["label"], rows[2]["label"] = "dog", "dog"
    recorded, read = imported(*rows, row("p4", "Cat", "pets"), now=NOW + timedelta(hours=1))
    assert recorded == RecordedLabels(new=2, known=1, corrected=1)
    assert import_text(recorded, read) == (
        "2 new labels, of them 1 corrected (the earlier label stays on record), 1 known, 0 unanswered, 1 refused"
    )
    assert labels_of(stores, "pets")["p1"] == ("dog", DRAWN)
    assert len(stores.ledger.conflicts("pets")) == 0  # one person changed their mind


def test_of_two_people_the_first_one_counts_and_they_disagree(stores: Stores, imported: Import) -> None:
    asked(stores, "pets", ["p1"])
    imported(row("p1", "cat", labeler="ann"))
    imported(row("p1", "dog", labeler="bob"), now=NOW + timedelta(hours=1))
    assert (labels_of(stores, "pets"), len(stores.ledger.conflicts("pets"))) == ({"p1": ("cat", DRAWN)}, 1)


# Out and back


def test_what_waits_goes_out_with_its_image_and_its_answers_come_back(stores: Stores, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(square("red"))
    digest = FolderImageStore(tmp_path / "images").put(square("blue"))
    here, gone = str((tmp_path / "red.png").resolve()), str(tmp_path / "gone.png")
    asked(stores, "pets", ["p1", "=p2", "p3"], images=[here, digest, gone])
    asked(stores, "shoes", ["p1"], images=[digest])
    for model, count, left_out in (("pets", 2, ["p3"]), ("shoes", 1, [])):
        folder, epoch_ = tmp_path / model, epoch(stores, model, tmp_path / "images")
        made = export_labels(epoch_, folder, show_answer=False)
        assert (made.tasks, [one.prediction_id for one in made.left_out]) == (count, left_out)
    with (tmp_path / "pets" / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        pets = sorted(csv.DictReader(file), key=lambda one: one["prediction_id"].lstrip("'="))
    assert [(one["model"], one["prediction_id"]) for one in pets] == [("pets", "p1"), ("pets", "'=p2")]
    images = [one["image"] and (tmp_path / "pets" / one["image"]).read_bytes() for one in pets]
    assert images == [square("red"), square("blue")]
    with (tmp_path / "shoes" / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        both = [{**one, "label": CLASSES[one["model"]][1]} for one in [*pets, *csv.DictReader(file)]]
    recorded, read = import_labels(written(tmp_path / "a.csv", both), models_of(stores), labeler="ann", now=NOW)
    assert (recorded, read.findings) == (RecordedLabels(new=3), ())
    assert labels_of(stores, "shoes") == {"p1": ("sandal", DRAWN)}
    with pytest.raises(RefusedError, match="nothing can be exported: 1 of 1 image cannot be read"):
        export_labels(epoch(stores, "pets", tmp_path / "images"), tmp_path / "more", show_answer=False)
    Path(gone).write_bytes(square("green"))
    again = export_labels(epoch(stores, "pets", tmp_path / "images"), tmp_path / "more", show_answer=False)
    assert (again.tasks, again.left_out) == (1, ())
    import_labels(written(tmp_path / "b.csv", [row("p3", "cat")]), models_of(stores), labeler="ann", now=NOW)
    with pytest.raises(RefusedError, match="nobody is asked to label anything of 'pets'"):
        export_labels(epoch(stores, "pets"), tmp_path / "most", show_answer=False)


# A second person


def exported(stores: Stores, folder: Path, labeler: str = "") -> list[dict[str, str]]:
    export_labels(epoch(stores, "pets"), folder, show_answer=False, labeler=labeler)
    with (folder / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_second_opinion_is_asked_of_another_person_and_nothing_tells_which_it_is(
    stores: Stores, tmp_path: Path
) -> None:
    asked(stores, "pets", ids := [f"p{number}" for number in range(9)], second_opinion="errors")
    first = exported(stores, tmp_path / "ann", "ann")
    assert {one["labeler"] for one in first} == {"ann"}
    answers = [one | {"label": "dog" if at in (1, 4) else "cat"} for at, one in enumerate(first[:6])]
    answered = {one["prediction_id"]: one["label"] for one in answers}
    import_labels(written(tmp_path / "ann.csv", answers), models_of(stores), labeler="somebody", now=NOW)
    contradicted = {name for name, label in answered.items() if label == "dog"}
    again = exported(stores, tmp_path / "ann again", " Ann")
    assert {one["prediction_id"] for one in again} == {*ids} - answered.keys()
    nobody = exported(stores, tmp_path / "nobody")
    assert {one["prediction_id"] for one in nobody} == {*ids} - answered.keys()
    bob = exported(stores, tmp_path / "bob", "bob")
    assert {one["prediction_id"] for one in bob} == {*ids} - answered.keys() | contradicted
    assert [one["prediction_id"] for one in bob] == [
        one["prediction_id"] for one in first if one["prediction_id"] in {*ids} - answered.keys() | contradicted
    ]  # each in its place
    assert {(*one.keys(), one["plan_id"], one["label"], one["labeler"]) for one in bob} == {
        (*first[0].keys(), "plan-pets", "", "bob")
    }
    content = b"".join(path.read_bytes() for path in (tmp_path / "bob").rglob("*") if path.is_file())
    assert b"ann" not in content.replace(b"annot", b"")
    assert b"second" not in content


def test_who_has_nothing_to_answer_is_told_that_a_second_person_is_waited_for(stores: Stores, tmp_path: Path) -> None:
    asked(stores, "pets", ["p1"], second_opinion="errors")
    import_labels(written(tmp_path / "a.csv", [row("p1", "dog")]), models_of(stores), labeler="ann", now=NOW)
    for labeler in ("", "ann", "somebody"):
        with pytest.raises(RefusedError, match="a label waits for a second person"):
            exported(stores, tmp_path / "none", labeler)
    made = export_labels(epoch(stores, "pets"), tmp_path / "bob", show_answer=False, labeler="bob")
    assert (made.tasks, made.after) == (1, ("ann",))


def test_an_import_tells_what_named_nothing(stores: Stores, imported: Import) -> None:
    asked(stores, "pets", ["p1", "p2", "p3", "p4"])
    rows = [row("p1", "unsure"), row("p2", "None of these"), row("p3", "skip"), row("p4", "")]
    assert import_text(*imported(*rows)) == (
        "2 new labels, 0 known, 2 unanswered (1 skipped), 0 refused; "
        "1 `unsure` and 1 `none of these classes` in the file"
    )
    assert labels_of(stores, "pets") == {}
    assert {one.id for _, one in stores.ledger.label_queue("pets")} == {"p3", "p4"}
