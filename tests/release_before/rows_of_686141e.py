"""What is sent and answered in the days of made_by_686141e.py: ran once, with the code of commit 686141e."""

import csv
import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from leeway.stores.sql import SqlStore

from leeway.domain.records import Label, ModelVersion, Prediction, ReferenceCounts

FIRST, NIGHTS = date(2026, 3, 1), 12
PETS, BIRDS, FISH = ("cat", "dog", "hare"), ("crow", "finch", "owl", "wren"), ("carp", "eel", "tench")
SHIFTED = {6, 7, 8, 11, 12}  # nights in which nearly all pets are cats, and every second answer is wrong
PROMOTED, WITHDRAWN = datetime(2026, 3, 5, 12, tzinfo=UTC), datetime(2026, 3, 9, 12, tzinfo=UTC)
ODD_IDS = (
    "=1+2",
    "'apostrophe",
    'say "cheese"',
    "O'Brien; DROP TABLE",
    "a,b\tc",
    "naïve 日本語 🐟 ʻokina",
    "007",
    "50%",
    "x" * 200,
)
Row = dict[str, Any]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def fate(text: str) -> float:
    """From 0 to 1, decided by this text alone."""
    return int(sha256(text)[:8], 16) / 2**32


def odd_id(place: int) -> str:
    return ODD_IDS[place % len(ODD_IDS)] + (f" {place}" if place >= len(ODD_IDS) else "")


def night(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def morning(number: int, hours: float = 2) -> datetime:
    """So many hours after the end of night `number` (from 1)."""
    return datetime.combine(FIRST + timedelta(days=number), time(), tzinfo=UTC) + timedelta(hours=hours)


def moments(number: int, count: int) -> list[datetime]:
    start = datetime.combine(night(number), time(), tzinfo=UTC)
    return [start + timedelta(seconds=86_400 / count * place, microseconds=37 * place) for place in range(count)]


# The model that Leeway trained


def begin_pets(store: SqlStore) -> None:
    counts = ((10, 20, 270), (12, 18, 270), (9, 21, 270))
    for number, correct in ((1, 880), (2, 885)):
        reference = ReferenceCounts(PETS, (0.5, 0.9), counts, correct, 900, guesses=(0.5, 0.25, 0.02), production=True)
        digests = sha256(f"pets bundle {number}"), sha256(f"pets data {number}")
        store.record_model(ModelVersion("pets", number, *digests, reference))


def pet(number: int, place: int, moment: datetime, rng: np.random.Generator) -> Prediction:
    mix = (0.86, 0.08, 0.06) if number in SHIFTED else (1 / 3, 1 / 3, 1 / 3)
    said = int(rng.choice(3, p=mix))
    confidence = round(float(rng.uniform(0.4, 0.89) if place % 7 == 0 else rng.uniform(0.9, 0.999)), 4)
    name = f"pet-{number:02d}-{place:03d}"
    if number == 11:  # people are asked about some of them
        name = odd_id(place)
    group = f"Tür {rng.integers(40)}" if place % 5 == 0 else f"animal-{rng.integers(150)}"
    return Prediction(
        id=name,
        model="pets",
        version=2 if PROMOTED <= moment < WITHDRAWN else 1,
        occurred_at=moment,
        image=sha256(f"picture {number} {place // 2 if place % 20 == 1 else place}"),
        predicted_class=PETS[said],
        confidence=float("nan") if (number, place) == (2, 5) else confidence,
        probabilities=tuple(confidence if at == said else (1 - confidence) / 2 for at in range(3)),
        energy=None if place % 11 == 0 else round(float(rng.normal(-6, 1)), 3),
        latency_ms=None if place % 13 == 0 else round(float(rng.gamma(4, 2)), 2),
        group=group,
        slice=(None, "front door", "garden")[place % 3],
    )


def send_pets(store: SqlStore, number: int) -> None:
    rng = np.random.default_rng([1, number])
    made = [pet(number, place, moment, rng) for place, moment in enumerate(moments(number, 60 + 7 * number % 41))]
    for hour in sorted({one.occurred_at.hour for one in made}):
        some = [one for one in made if one.occurred_at.hour == hour]
        store.record_predictions(some, received_at=some[-1].occurred_at + timedelta(seconds=1))


def answer_pets(store: SqlStore, number: int) -> None:
    """Two people go through the queue, but for its end; of the last queue they answer twelve, and disagree on two."""
    queue, labels = store.label_queue("pets"), list[Label]()
    answered = queue[:12] if number == NIGHTS else queue[: len(queue) - number % 3]
    for place, (_, one) in enumerate(answered):
        at = PETS.index(one.predicted_class)
        right = fate(f"right {one.id}") > (0.5 if number in SHIFTED else 0.08)
        truth, other = PETS[at] if right else PETS[(at + 1) % 3], PETS[(at + 2) % 3]
        noon = morning(number, 10) + timedelta(minutes=place)
        labels.append(Label(one.id, truth, "bob" if place % 3 == 2 else "ada", noon))
        if place in (0, 1, 3) and number in (3, NIGHTS):
            labels.append(Label(one.id, truth if place == 3 else other, "bob", noon + timedelta(hours=1)))
    store.record_labels(labels)


# The model whose files are a census


def birds(number: int, count: int, *, name: str = "bird") -> list[Row]:
    rng, rows = np.random.default_rng([2, number, count]), []
    for place, moment in enumerate(moments(number, count)):
        said, right = int(rng.integers(4)), rng.random() < 0.95
        odd = number == 3 and name == "bird" and place < len(ODD_IDS)
        rows.append(
            {
                "prediction_id": f"bird {ODD_IDS[place]}" if odd else f"{name}-{number:02d}-{place:03d}",
                "occurred_at": moment.isoformat(),
                "predicted_class": "penguin" if (number, place) in {(3, 40), (3, 41)} else BIRDS[said],
                "confidence": f"{rng.uniform(0.9, 1) if right else rng.uniform(0.3, 0.95):.4f}",
                "label": BIRDS[said] if right else BIRDS[(said + 1) % 4],
                "slice": "" if place % 9 == 0 else f"nest {place % 3}",
            }
        )
    return rows


def write_csv(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


# The model whose files label some rows, and say nothing of confidence


def fish(number: int) -> list[Row]:
    """Until night 5 a tenth is labelled by chance, in nights 6 and 7 by choice, then nothing; night 8 has version 2."""
    rng, rows = np.random.default_rng([3, number + 1]), []
    for place, moment in enumerate(moments(number, 85)):
        said = FISH[int(rng.integers(3))]
        picture = 85 * (number - 1) + place + 1
        row: Row = {
            "prediction_id": f"{odd_id(place)} fish" if number == 11 else f"fish-{number:02d}-{place:03d}",
            "occurred_at": moment.isoformat(),
            "predicted_class": said,
            "image": f"{picture:04d}.jpg" if place % 10 else None,
            "slice": "pond" if place % 2 else None,
            "group": f"net {place // 4}" if place % 3 else None,
            "model_version": "2026.1" if number < 8 else "2026.2",
        }
        if (number < 6 and rng.random() < 0.1) or (number in (6, 7) and place % 6 == 0):
            row |= {"label": said if rng.random() < 0.9 else FISH[place % 3]}
            row |= {"draw_probability": 0.1} if number < 6 else {}
        rows.append(row)
    return rows


def known_fish() -> list[Row]:
    """The reference: answers with their truth, nine of ten right."""
    said = [(one["prediction_id"], one["occurred_at"], one["predicted_class"]) for one in fish(0) + fish(-1)]
    keys = ("prediction_id", "occurred_at", "predicted_class", "label")
    return [dict(zip(keys, (*one, one[2] if fate(one[0]) < 0.9 else "eel"), strict=True)) for one in said]


def write_jsonl(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(exist_ok=True)
    for row in rows:
        if row["image"]:
            (path.parent / row["image"]).touch()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answer_fish(store: SqlStore, number: int) -> None:
    answered = [one for _, one in store.label_queue("fish")][:5]
    at = morning(number, 11)
    store.record_labels([Label(one.id, one.predicted_class, "ada", at) for one in answered])


def late_fish(store: SqlStore) -> list[Row]:
    """Labels of night 12 that came when it was over: of a row that people are asked about, and of two by chance."""
    asked = {one.id for _, one in store.label_queue("fish")}
    drawn = {one.prediction_id for plan in store.plans("fish", 2) for one in store.draws(plan.id)}
    rows = fish(12)
    in_queue = [row for row in rows if row["prediction_id"] in asked][:2]
    undrawn = [row for row in rows if row["prediction_id"] not in drawn][:2]
    chances = [None, 0.1, 0.1, 0.1]
    pairs = zip(in_queue + undrawn, chances, strict=True)
    return [row | {"label": "eel"} | ({"draw_probability": chance} if chance else {}) for row, chance in pairs]
