"""Environment: the one set of templates, filters and rules that every page is drawn with, and how it is written."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leeway import durable
from leeway.errors import WorkspaceError
from leeway.pages import words

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(*, escaped: bool = True) -> "Environment":
    """Return the templates, which may extend `base.html`. With `escaped` all that comes from data is.

    Raises WorkspaceError where Jinja2 is missing.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise WorkspaceError(f"pages need Jinja2 ({error}): pip install 'leeway[report]'") from None
    made = Environment(
        loader=PackageLoader("leeway.pages"),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": lambda share: f"{share:.1%}",
        "part": words.part_text,
        "whole": lambda share: f"{share:.0%}",
        "points": lambda share: f"{100 * share:+.1f}",
        "count": lambda number: f"{number:,}",
        "number": words.number_text,
        "ms": words.milliseconds,
        "mib": words.mebibytes,
        "day": words.day_text,
        "words": lambda name: name.replace("_", " "),
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}",
        "short": words.short_text,
        "cell": words.cell,
        "inline": words.inline,
    }
    return made


def write_html(path: Path, template: str, content: Mapping[str, Any]) -> None:
    """Write one self-contained file; makes the folder. What is no UTF-8 in a name becomes a question mark."""
    html = environment().get_template(template).render(content)
    durable.write_bytes(path, html.encode("utf-8", "replace"))
