"""What an ingest reports: of each file in some lines for people, and all of it as facts."""

from collections.abc import Sequence

from leeway.cli import schemas
from leeway.cli.files import SHOWN, some
from leeway.domain.text import counted
from leeway.predictions.ingest import Ingested
from leeway.predictions.summary import Summary


def file_lines(done: Ingested) -> list[str]:
    """Return what became of a file, and which of its rows were refused."""
    rows = done.recorded
    return [
        f"{done.path}: {rows.new:,} new, {rows.known:,} known, {len(done.bad) + len(rows.changed):,} refused; "
        f"{counted(rows.labels, 'new label')}" + (" (every row is labelled: a census)" if done.census else ""),
        *_label_lines(done),
        *some([f"line {row.line}: {row.problem}" for row in done.bad]),
        *some(
            [
                f"{name}: is recorded with other content, which stays; give a new prediction a new id"
                for name in rows.changed
            ]
        ),
        *some([f"{name}: has another label from a file, which stays" for name in rows.labels_changed]),
        *_strange_lines(done),
    ]


def ingest_facts(model: str, files: Sequence[Ingested], summary: Summary, *, answered: int) -> schemas.IngestFacts:
    """Return what became of all files; `answered`: labels that answer what people were asked."""
    nights = [
        schemas.IngestedNightFacts(
            night=arrived.night,
            version=arrived.version,
            rows=arrived.rows,
            new=arrived.new,
            decided_on=arrived.decided_on,
        )
        for arrived in summary.nights
    ]
    return schemas.IngestFacts(
        model=model,
        files=[_file(done) for done in files],
        nights=nights,
        new_versions=[schemas.NewVersionFacts(name=name, version=version) for name, version in summary.begun],
        requests_answered=answered,
    )


def _file(done: Ingested) -> schemas.IngestedFileFacts:
    return schemas.IngestedFileFacts(
        file=done.path,
        new=done.recorded.new,
        known=done.recorded.known,
        refused=[schemas.BadRowFacts(line=row.line, problem=row.problem) for row in done.bad],
        changed=list(done.recorded.changed),
        labels=done.recorded.labels,
        labels_changed=list(done.recorded.labels_changed),
        census=done.census,
        outside_answers=dict(done.foreign),
        outside_labels=dict(done.outside),
        mostly_of=done.elsewhere or None,
    )


def _strange_lines(done: Ingested) -> list[str]:
    lines = []
    if done.foreign:
        named = ", ".join(f"{name} ({count:,})" for name, count in done.foreign.most_common(SHOWN))
        total = done.foreign.total()
        answers = "1 answer names a class" if total == 1 else f"{total:,} answers name classes"
        lines.append(f"  {answers} that the model does not have: stored, reported, left out of the checks: {named}")
    if done.elsewhere:
        lines.append(
            f"  most of its ids are known of '{done.elsewhere}': is it the log of that model? Both keep theirs"
        )
    return lines


def _label_lines(done: Ingested) -> list[str]:
    """Return what the file's labels measure, and what is no class of the model."""
    lines = []
    if done.spoiled:
        lines = [
            "  no census, though every other row is labelled: those refused may be those that are wrong, so that the",
            "  labels of this file train and do not measure; mend the refused rows and ingest the file again",
        ]
    if done.outside:
        named = ", ".join(f"{name!r} ({count:,})" for name, count in done.outside.most_common(SHOWN))
        total = counted(done.outside.total(), "label")
        lines.append(f"  {total} outside the model's class list, counting as its errors: {named}")
    return lines
