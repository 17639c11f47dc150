"""What commands about the prediction log print with `--json`."""

from datetime import datetime
from typing import TypedDict


class LogProblemFacts(TypedDict):
    file: str
    problem: str
    model: str | None  # whose rows stand in it; null for several models, or nobody's
    rows: int | None
    first_at: datetime | None  # when these predictions occurred
    last_at: datetime | None
    lost: bool  # whether rows are missing; a file that nothing names only takes room


class LogCheckFacts(TypedDict):
    problems: list[LogProblemFacts]
    lost: int  # files that are missing or damaged
