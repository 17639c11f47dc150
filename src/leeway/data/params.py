"""The `data` section of params.yaml: where images come from, how they are split, what classes there are."""

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator

from leeway.data.classes import ClassParams
from leeway.data.csv_source import CsvSource
from leeway.data.digits_source import DigitsSource
from leeway.data.folder_source import FolderSource
from leeway.data.near_duplicates import NearDuplicateParams
from leeway.data.split import SplitShares
from leeway.data.torchvision_source import TorchvisionSource
from leeway.paramsfile import ParamsModel, setting

AnySource = CsvSource | DigitsSource | FolderSource | TorchvisionSource
SOURCES: dict[str, type[AnySource]] = {kind.model_fields["kind"].default: kind for kind in get_args(AnySource)}


def _of_known_kind(given: Any) -> Any:
    """Pydantic's own message for an unknown kind is longer, and for a missing one does not list the known."""
    if isinstance(given, ParamsModel):
        return given
    if not isinstance(given, dict) or given.get("kind") not in list(SOURCES):
        raise ValueError(f"got {given!r}; `kind` must be one of {', '.join(SOURCES)}, as in {{kind: digits}}")
    return given


class DataParams(ParamsModel):
    """What makes a dataset version."""

    source: Annotated[
        AnySource,
        setting(
            "`digits` (scikit-learn's 1,797 handwritten digits, needs no network), `folder` (one folder of images per "
            "class), `csv` (a list of images) or `torchvision` (a dataset on your disk)",
            "first of all, to your own images",
            discriminator="kind",
        ),
        BeforeValidator(_of_known_kind),
    ]
    split: SplitShares
    near_duplicates: NearDuplicateParams = NearDuplicateParams()
    classes: ClassParams = ClassParams()
