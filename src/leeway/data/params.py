"""The `data` section of params.yaml: where images come from, how they are split, what classes there are."""

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import BeforeValidator, Field

from leeway.data.classes import ClassParams
from leeway.data.near_duplicates import NearDuplicateParams
from leeway.data.sources import SOURCES, ImageSource
from leeway.data.split import SplitShares
from leeway.paramsfile import ParamsModel


def _of_known_kind(given: Any) -> Any:
    """Pydantic's own message for an unknown kind is longer, and for a missing one does not list the known."""
    if isinstance(given, ParamsModel):
        return given
    if not isinstance(given, dict) or given.get("kind") not in list(SOURCES):
        raise ValueError(f"got {given!r}; `kind` must be one of {', '.join(SOURCES)}, as in {{kind: digits}}")
    return given


if TYPE_CHECKING:
    AnySource = ImageSource
else:  # the registered classes, told apart by `kind`
    AnySource = Annotated[Union[tuple(SOURCES.values())], Field(discriminator="kind"), BeforeValidator(_of_known_kind)]  # noqa: UP007


class DataParams(ParamsModel):
    """What makes a dataset version."""

    source: AnySource
    split: SplitShares
    near_duplicates: NearDuplicateParams = NearDuplicateParams()
    classes: ClassParams = ClassParams()
