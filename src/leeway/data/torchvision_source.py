"""Torchvision: a classification dataset of torchvision's, by name, as it lies on this disk.

The one module outside leeway.training that imports torchvision, and only when such a source is read: these datasets
are no files of images, and torchvision knows their formats.
"""

import inspect
import io
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from leeway.data.items import Item
from leeway.errors import DataError, ParamsError
from leeway.paramsfile import ParamsModel, setting

PARTS = ("train", "trainval", "val", "valid", "test")  # what torchvision's datasets call their official parts
PNG_MODES = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}  # what a PNG keeps as it is


class TorchvisionSource(ParamsModel):
    """Any classification dataset of torchvision's that lies under `root`; nothing is ever downloaded.

    Images become PNG, which loses nothing. The official test part is the test split; where there is none, the official
    validation part is. Where there is no official validation part, val is cut from the training part.
    """

    kind: Literal["torchvision"] = "torchvision"
    name: str = setting(
        "`CIFAR10`, `FashionMNIST`, `EuroSAT` or another classification dataset; its official test part is tested on",
        min_length=1,
    )
    root: str = setting(
        "the folder that holds it, relative to the workspace or absolute; nothing is downloaded", min_length=1
    )

    @property
    def place(self) -> str:
        return f"torchvision's {self.name} under '{self.root}'"

    def items(self) -> list[Item]:
        """Raises ParamsError for a name that torchvision does not know, DataError if its files are not there."""
        parts = self._parts()
        changed_ns = _changed_ns(Path(self.root).expanduser())
        found: list[Item] = []
        for part, dataset in parts.items():
            try:
                found += _part_items(dataset, f"{self.name.lower()}/{part}", _split(part, parts), changed_ns)
            except (TypeError, ValueError, NotImplementedError):  # its targets are boxes, texts, several at once
                raise ParamsError(
                    f"params.yaml: data.source.name: {self.name} does not have one class for each image"
                ) from None
        return sorted(found, key=itemgetter(0))

    def _parts(self) -> dict[str, Any]:
        """The dataset by its official parts; `all` where there are none."""
        kind = self._dataset_class()
        parameters = inspect.signature(kind).parameters
        if "train" in parameters:
            return {part: self._opened(partial(kind, train=part == "train")) for part in ("train", "test")}
        if "split" not in parameters:
            return {"all": self._opened(kind)}
        found = {part: dataset for part in PARTS if (dataset := self._opened_part(kind, part)) is not None}
        if "train" in found:
            found.pop("trainval", None)
        if not found:
            raise ParamsError(
                f"params.yaml: data.source.name: the parts of torchvision's {self.name} are called neither "
                f"{' nor '.join(PARTS)}; write its images into folders, one per class, and use {{kind: folder}}"
            )
        return found

    def _dataset_class(self) -> Any:
        try:
            from torchvision import datasets  # in the extra `train`, and slow to import
        except ImportError:
            raise ParamsError("data.source kind torchvision needs torchvision: pip install 'leeway[train]'") from None
        kind = getattr(datasets, self.name, None)
        if not inspect.isclass(kind) or "root" not in inspect.signature(kind).parameters:
            raise ParamsError(
                f"params.yaml: data.source.name: torchvision has no dataset '{self.name}'; it has "
                "CIFAR10, FashionMNIST, EuroSAT and others: https://pytorch.org/vision/stable/datasets.html"
            )
        return kind

    def _opened_part(self, kind: Any, part: str) -> Any:
        """None if this dataset has no such part."""
        try:
            return self._opened(partial(kind, split=part))
        except ValueError:  # torchvision lists what it takes
            return None

    def _opened(self, make: Callable[..., Any]) -> Any:
        try:
            return make(root=str(Path(self.root).expanduser()))
        except (RuntimeError, OSError) as error:
            reason = " ".join(str(error).split()).replace(str(Path(self.root).expanduser()), self.root)
            raise DataError(
                f'{self.place}: {reason} Get it once: python -c "from torchvision.datasets import {self.name}; '
                f"{self.name}(root='{self.root}', download=True)\" (leeway itself never downloads)"
            ) from error
        except TypeError as error:
            raise ParamsError(
                f"params.yaml: data.source.name: {self.name} is no labelled image set: {error}"
            ) from error


def _split(part: str, parts: dict[str, Any]) -> str | None:
    """What the images of an official part are for; None: the hash decides."""
    tested = "test" in parts
    validated = tested and ("val" in parts or "valid" in parts)
    if part == "all" or len(parts) == 1:
        return None
    if part in ("val", "valid"):
        return "val" if tested else "test"
    if part == "test":
        return "test"
    return "train" if validated else "trainval"


def _part_items(dataset: Any, prefix: str, split: str | None, changed_ns: int) -> Iterator[Item]:
    classes = getattr(dataset, "classes", None)
    targets = _targets(dataset)
    for number, target in enumerate(targets):
        label = str(classes[target]) if classes is not None else str(target)
        read = partial(_png, dataset, number)
        yield Item(f"{prefix}/{number:05d}.png", label, 0, changed_ns, read, split=split)


def _targets(dataset: Any) -> list[int]:
    """(N,) class indices, without decoding the images where the dataset lists them."""
    for name in ("targets", "labels", "_labels", "y"):
        listed = getattr(dataset, name, None)
        if listed is not None and len(listed) == len(dataset):
            return [int(target) for target in listed]
    return [int(dataset[number][1]) for number in range(len(dataset))]


def _png(dataset: Any, number: int) -> bytes:
    """Stored with the least deflation: 32 x 32 pixels gain little from more."""
    image = dataset[number][0]
    kept: Image.Image = image if image.mode in PNG_MODES else image.convert("RGB")
    content = io.BytesIO()
    kept.save(content, format="PNG", compress_level=1)
    return content.getvalue()


def _changed_ns(root: Path) -> int:
    """When the copy on this disk changed last: another copy is inspected again."""
    return max((path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()), default=0)
