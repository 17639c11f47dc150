"""The list of likely label errors as a CSV to fill in, and what people wrote into it."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leeway.curation.label_errors import LabelError
from leeway.data.spreadsheet import write_file
from leeway.domain.class_names import ClassNames, label_in
from leeway.domain.text import counted
from leeway.errors import DataError
from leeway.labels.files import from_cell

COLUMNS = ("asset", "origin", "split", "label", "suggested", "confidence", "likely", "new_label")
LEAVE_OUT = "-"
SHOWN = 12  # problems in an error


@dataclass(frozen=True, slots=True)
class NewLabels:
    """A filled-in list, read."""

    labels: Mapping[str, str | None]  # asset: what a person says it is; None: it is to be left out
    empty: int  # rows whose new_label is


def write_label_errors(path: Path, errors: Sequence[LabelError]) -> None:
    """COLUMNS, most suspicious first, new_label empty. No cell is run or rewritten by a spreadsheet."""
    write_file(path, COLUMNS, map(_row, errors), ids=("asset", "origin"), mark=True)


def _row(error: LabelError) -> list[str]:
    names = [error.asset, error.origin, error.split, error.label, error.suggested]
    return [*names, f"{error.confidence:.3f}", "yes" if error.likely else "no", ""]


def read_new_labels(path: Path, *, classes: Sequence[str], origins: Mapping[str, str]) -> NewLabels:
    """`origins`: of every image that may be relabelled, with its asset. Rows whose new_label is empty are passed over.

    Raises DataError, with nothing taken, that lists what cannot be: names that are no class, images that are not known,
    two answers about one image.
    """
    by_name = {**origins, **{asset: asset for asset in origins.values()}}
    found: dict[str, str | None] = {}
    problems, empty, known = [], 0, ClassNames(classes)
    for line, cells in _rows(path):
        said = label_in(cells["new_label"], known)
        if said is None:
            empty += 1
            continue
        name = next((cells[one] for one in ("asset", "origin") if cells.get(one, "").strip()), "")
        asset = by_name.get(from_cell(name, by_name))
        label = None if said == LEAVE_OUT else known.known(from_cell(said, classes))
        if asset is None:
            problems.append(f"line {line}: image {name!r} is not in the dataset; give its asset or origin")
        elif label is None and said != LEAVE_OUT:
            problems.append(f"line {line}: {known.unknown(said)}")
        elif found.setdefault(asset, label) != label:
            problems.append(f"line {line}: another line gives this image another label; leave one")
    if problems:
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        listed = "".join(f"\n  {one}" for one in problems[:SHOWN])
        raise DataError(f"{path}: nothing is taken, since {counted(len(problems), 'line')} cannot be:{listed}{more}")
    return NewLabels(found, empty)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells by column). Raises DataError for what is no such CSV."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); `leeway data label-errors` makes one") from error
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: not UTF-8 text; save it as "CSV UTF-8"') from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""),
        delimiter=";" if head.count(";") > head.count(",") else ",",
        restval="",
        strict=True,
    )
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        if "new_label" not in names or not {"asset", "origin"} & set(names):
            raise DataError(f"{path}: columns {', '.join(names) or 'none'}; needed: new_label, and asset or origin")
        reader.fieldnames = names
        for cells in reader:
            if None in cells:
                raise DataError(f"{path}: line {reader.line_num}: more cells than columns; is a comma unquoted?")
            yield reader.line_num, {name: cell for name, cell in cells.items() if isinstance(name, str)}
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}; is a quote missing? Save it as CSV again") from error
