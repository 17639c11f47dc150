"""What an ingest reports: of each file in some lines for people, and all of it as facts."""

from collections.abc import Mapping, Sequence

from leeway.cli import ingest_schemas as schemas
from leeway.cli.files import SHOWN, some
from leeway.domain.forgetting import too_old_text
from leeway.domain.records import Recorded
from leeway.domain.text import counted
from leeway.errors import LeewayError
from leeway.predictions.ingested import Ingested
from leeway.predictions.summary import Summary


def file_lines(done: Ingested, seconds: float) -> list[str]:
    """Return what became of a file, how long it took, and which of its rows were refused."""
    rows = done.recorded
    return [
        f"{done.source}: {_counts([done])}{' (every row is labelled: a census)' if done.census else ''}; "
        f"{_pace([done], seconds)}",
        *_known_lines(done),
        *_label_lines(done),
        *some([f"line {row.line}: {row.problem}" for row in done.bad]),
        *([f"  {too_old_text(rows.too_old, done.horizon)}"] if done.horizon else []),
        *some(
            [
                f"{name}: is recorded with other content, which stays; give a new prediction a new id"
                for name in rows.changed
            ]
        ),
        *some([f"{name}: has another label from a file, which stays" for name in rows.labels_changed]),
        *_strange_lines(done),
    ]


def all_files_line(files: Sequence[tuple[Ingested, float]]) -> str:
    """Return what became of several files together, with the seconds of each."""
    done, seconds = [one for one, _ in files], sum(seconds for _, seconds in files)
    return f"{counted(len(done), 'file')}: {_counts(done)}; {_pace(done, seconds)}"


def ingest_facts(
    model: str,
    files: Sequence[tuple[Ingested, float]],
    summary: Summary,
    *,
    answered: int,
    failed: Mapping[str, LeewayError],
) -> schemas.IngestFacts:
    """Return what became of all files, with the seconds of each.

    `answered`: labels that answer what people were asked; `failed`: what is wrong with the others.
    """
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
        files=[_file(done, seconds) for done, seconds in files],
        failed=[schemas.FailedFileFacts(file=name, problem=str(error)) for name, error in failed.items()],
        nights=nights,
        new_versions=[schemas.NewVersionFacts(name=name, version=version) for name, version in summary.begun],
        requests_answered=answered,
    )


def _counts(files: Sequence[Ingested]) -> str:
    rows, refused = sum((one.recorded for one in files), Recorded()), sum(one.refused_rows for one in files)
    return f"{rows.new:,} new, {rows.known:,} known, {refused:,} refused; {counted(rows.labels, 'new label')}"


def _pace(files: Sequence[Ingested], seconds: float) -> str:
    """How long so many rows took."""
    rows = sum(one.rows for one in files)
    return f"{counted(rows, 'row')} in {seconds:.1f} s ({rows / max(seconds, 1e-3):,.0f} a second)"


def _known_lines(done: Ingested) -> list[str]:
    if done.known_since is None:
        return []
    return [f"  the same file went in on {done.known_since:%Y-%m-%d at %H:%M %Z}: its rows were not looked at again"]


def _file(done: Ingested, seconds: float) -> schemas.IngestedFileFacts:
    return schemas.IngestedFileFacts(
        file=done.source,
        new=done.recorded.new,
        known=done.recorded.known,
        refused=[schemas.BadRowFacts(line=row.line, problem=row.problem) for row in done.bad],
        changed=list(done.recorded.changed),
        too_old=done.recorded.too_old,
        labels=done.recorded.labels,
        labels_changed=list(done.recorded.labels_changed),
        census=done.census,
        outside_answers=dict(done.foreign),
        outside_labels=dict(done.outside),
        mostly_of=done.elsewhere or None,
        known_since=done.known_since,
        seconds=seconds,
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
