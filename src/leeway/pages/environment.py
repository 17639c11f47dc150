"""Layout: what every page has alike, its frame and palette, how it is drawn from a template, and how it is written."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leeway import durable
from leeway.errors import WorkspaceError

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST = 600  # characters of a text that came from outside
Filters = Mapping[str, Callable[..., str]]


def templates_of(package: str, *, filters: Filters, escaped: bool = True) -> "Environment":
    """The templates of a package, which may extend `layout.html`. With `escaped` all that comes from data is.

    Raises WorkspaceError where Jinja2 is missing.
    """
    try:
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise WorkspaceError(f"pages need Jinja2 ({error}): pip install 'leeway[report]'") from None
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("leeway.pages")]),
        autoescape=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": lambda share: f"{share:.1%}",
        "whole": lambda share: f"{share:.0%}",
        "count": lambda number: f"{number:,}",
        "short": short_text,
        **filters,
    }
    return made


def write_html(path: Path, environment: "Environment", template: str, content: Mapping[str, Any]) -> None:
    """Write one self-contained file; makes the folder. What is no UTF-8 in a name becomes a question mark."""
    html = environment.get_template(template).render(content)
    durable.write_bytes(path, html.encode("utf-8", "replace"))


def short_text(text: str, length: int = LONGEST) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
