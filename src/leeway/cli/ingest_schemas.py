"""Schemas of what `leeway ingest` prints with `--json`; see `leeway.cli.schemas`."""

from datetime import date, datetime
from typing import TypedDict


class BadRowFacts(TypedDict):
    line: int
    problem: str


class IngestedFileFacts(TypedDict):
    file: str  # its path, or its address
    new: int  # rows
    known: int  # rows that were recorded before with the same content
    refused: list[BadRowFacts]  # rows that cannot be taken
    changed: list[str]  # ids that are recorded with other content, which stays
    too_old: int  # rows from before the moment up to which the log was forgotten
    labels: int  # new
    labels_changed: list[str]  # ids that have another label from a file, which stays
    census: bool  # every row is labelled, so that they measure
    outside_answers: dict[str, int]  # rows by answers outside the model's class list
    outside_labels: dict[str, int]  # rows by labels outside it
    mostly_of: str | None  # another model whose log holds most of its ids
    known_since: datetime | None  # not null: the same bytes went in then, so that its rows were not looked at again
    seconds: float  # that it took


class FailedFileFacts(TypedDict):
    file: str  # a file, or what was given to find some
    problem: str


class IngestedNightFacts(TypedDict):
    night: date
    version: int
    rows: int  # of the files
    new: int
    decided_on: date | None  # not null: the new rows came too late to be measured


class NewVersionFacts(TypedDict):
    name: str  # as the log has it
    version: int


class IngestFacts(TypedDict):
    model: str
    files: list[IngestedFileFacts]
    failed: list[FailedFileFacts]
    nights: list[IngestedNightFacts]
    new_versions: list[NewVersionFacts]
    requests_answered: int  # labels that answer what people were asked
