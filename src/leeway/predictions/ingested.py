"""What became of a file of predictions, and the report by which the same file is known again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from leeway.domain.records import Recorded
from leeway.predictions.formats.shapes import BadRow


@dataclass(slots=True)
class Ingested:
    """What became of one file."""

    source: str  # a path, or an address
    recorded: Recorded = field(default_factory=Recorded)
    bad: list[BadRow] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)  # answers outside the model's class list: a night's finding
    elsewhere: str = ""  # another model whose log holds most of its ids: is it the log of that one?
    outside: Counter[str] = field(default_factory=Counter)  # truths outside the class list: errors of the model
    census: bool = False  # every row is labelled: they measure with draw probability 1
    nights: Counter[tuple[int, date]] = field(default_factory=Counter)  # rows of the file by version and night
    begun: list[str] = field(default_factory=list)  # model_versions that were not known before
    spoiled: bool = False  # every row that could be taken is labelled, but some were refused: no census
    with_images: bool = False  # it names files of images, which may move
    horizon: datetime | None = None  # up to which the model's log was forgotten, where rows are from before it
    known_since: datetime | None = None  # when the same file went in; its rows were not looked at again

    @property
    def rows(self) -> int:
        """All rows of the file that were taken, known or refused."""
        return self.recorded.new + self.recorded.known + self.refused_rows

    @property
    def refused_rows(self) -> int:
        """Rows that were kept out."""
        return len(self.recorded.changed) + len(self.bad) + self.recorded.too_old

    @property
    def refused(self) -> bool:
        """Whether no row of the file could be taken, and none was known."""
        return not (self.recorded.new or self.recorded.known) and self.refused_rows > 0

    @property
    def is_whole(self) -> bool:
        """Whether the same file would add nothing: nothing was refused, and no image may have moved."""
        refused = self.refused_rows or self.recorded.labels_changed
        return not (refused or self.with_images)


def report_of(done: Ingested, now: datetime) -> dict[str, Any]:
    """Return what is kept of a file that went in as a whole, as JSON knows it."""
    return {
        "rows": done.recorded.new + done.recorded.known,
        "recorded_at": now.isoformat(),
        "nights": [[version, night.isoformat(), rows] for (version, night), rows in sorted(done.nights.items())],
        "foreign": dict(done.foreign),
        "outside": dict(done.outside),
        "elsewhere": done.elsewhere,
        "census": done.census,
    }


def recalled(source: str, report: Mapping[str, Any]) -> Ingested:
    """Return what became of a file that is known: each of its rows is."""
    nights = {(version, date.fromisoformat(night)): rows for version, night, rows in report["nights"]}
    return Ingested(
        source,
        Recorded(known=report["rows"]),
        foreign=Counter(report["foreign"]),
        outside=Counter(report["outside"]),
        elsewhere=report["elsewhere"],
        census=report["census"],
        nights=Counter(nights),
        known_since=datetime.fromisoformat(report["recorded_at"]),
    )
