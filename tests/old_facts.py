"""What schema 0002 held, in the words of its own code: tests compare what became of it."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from leeway.domain.columns import PredictionColumns
from leeway.domain.records import Draw, LabelledDraw
from old_database import old_rows

Row = dict[str, Any]
MODELS = ("pets", "birds", "fish")
SECRET = "a secret ʻnaïveʼ 🐟"  # what the tests migrate with


@cache
def table(name: str) -> list[Row]:
    return old_rows()[name]


def moment(stored: str) -> datetime:
    return datetime.fromisoformat(stored)


@cache
def predictions_of(model: str, version: int | None = None) -> dict[str, Row]:
    rows = [row for row in table("predictions") if row["model"] == model]
    return {row["id"]: row for row in rows if version in (None, row["version"])}


@cache
def labels_by_prediction() -> Mapping[str, list[Row]]:
    """The first one of each counted."""
    found = defaultdict[str, list[Row]](list)
    for row in sorted(table("labels"), key=lambda row: (row["labelled_at"], row["labeler"])):
        found[row["prediction_id"]].append(row)
    return dict(found)


@cache
def given_of(model: str) -> dict[str, Row]:
    """Labels that came from files, by prediction."""
    known = predictions_of(model)
    found = [row for row in table("labels") if row["labeler"] == "file" and row["prediction_id"] in known]
    return {row["prediction_id"]: row for row in found}


@cache
def drawn_ids() -> set[str]:
    return {row["prediction_id"] for row in table("draws")}


def pinned_of(model: str) -> set[str]:
    """What was drawn, and what a person labelled."""
    said = {row["prediction_id"] for row in table("labels") if row["labeler"] != "file"}
    return (drawn_ids() | said) & predictions_of(model).keys()


def _draws_of(plan_id: str) -> list[Row]:
    drawn = [row for row in table("draws") if row["plan_id"] == plan_id]
    return sorted(drawn, key=lambda row: row["position"])


def queue_of(model: str) -> list[tuple[str, str]]:
    """(plan, prediction) of open plans without a label, each prediction once."""
    labelled, queue = labels_by_prediction(), dict[str, str]()
    plans = [row for row in table("label_plans") if row["model"] == model and row["closed_at"] is None]
    for plan in sorted(plans, key=lambda row: (row["night"], row["made_at"], row["id"])):
        for draw in _draws_of(plan["id"]):
            if draw["prediction_id"] not in labelled:
                queue.setdefault(draw["prediction_id"], plan["id"])
    return [(plan, one) for one, plan in queue.items()]


def labelled_draws_of(plan: Row) -> list[LabelledDraw]:
    labelled, known = labels_by_prediction(), predictions_of(plan["model"])
    made = []
    for row in _draws_of(plan["id"]):
        one, said = row["prediction_id"], known[row["prediction_id"]]
        if one in labelled:
            facts = (row["purpose"], row["stratum"], row["probability"], row["guess"])
            draw = Draw(row["id"], plan["id"], plan["model"], one, *facts)
            answer = (said["predicted_class"], labelled[one][0]["label"])
            night = moment(plan["night"]).date()
            made.append(LabelledDraw(draw, night, *answer, said["group"], said["image"], said["slice"]))
    return made


def columns_of(model: str, version: int) -> PredictionColumns:
    """All that is recorded of a version, as a file would bring it again."""
    rows, given = predictions_of(model, version), given_of(model)
    return PredictionColumns(
        ids=list(rows),
        occurred_at=[moment(row["occurred_at"]).strftime("%Y-%m-%d %H:%M:%S.%f") for row in rows.values()],
        predicted=[row["predicted_class"] for row in rows.values()],
        labels=[given[one]["label"] if one in given else None for one in rows],
        draw_probabilities=[given[one]["draw_probability"] if one in given else None for one in rows],
        confidence=[row["confidence"] for row in rows.values()],
        probabilities=[json.dumps(row["probabilities"]) for row in rows.values()],
        slices=[row["slice"] for row in rows.values()],
        groups=[row["group"] for row in rows.values()],
        images=[row["image"] for row in rows.values()],
    )
