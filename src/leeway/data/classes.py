"""Classes change: the names that `data.classes` renames, merges, retires or adds; what was labelled keeps its name."""

from collections.abc import Iterable, Mapping

from pydantic import Field, model_validator

from leeway.errors import DataError
from leeway.paramsfile import ParamsModel

PLACE = "params.yaml, data.classes"


class ClassParams(ParamsModel):
    """How the names that images were labelled with become the classes of a dataset version."""

    rename: Mapping[str, str] = Field(default_factory=dict)  # two old names for one new merge
    retire: tuple[str, ...] = ()  # its images are held out
    add: tuple[str, ...] = ()  # used by labelers only so far, whose images may be tested on

    @model_validator(mode="after")
    def _says_one_thing_of_each_name(self) -> "ClassParams":
        both = sorted(set(self.rename) & set(self.rename.values()))
        if both:
            raise ValueError(
                f"rename: '{both[0]}' is an old and a new name, so that labels made before and after would be "
                "confused; rename each class straight to its last name"
            )
        lost = [name for name in self.retire if name in self.rename]
        if lost:
            raise ValueError(f"retire: '{lost[0]}' is renamed to '{self.rename[lost[0]]}'; retire that, or do not")
        torn = [name for name in self.add if name in self.retire or name in self.rename]
        if torn:
            raise ValueError(f"add: '{torn[0]}' is {'retired' if torn[0] in self.retire else 'renamed'}, too")
        return self

    def name_now(self, label: str) -> str:
        return self.rename.get(label, label)


def classes_of(originals: Iterable[str], labels: Iterable[str], params: ClassParams) -> tuple[str, ...]:
    """(K,) sorted: the classes that the source names, and those added, as far as some image carries them.

    `originals` are the labels that the source gave, `labels` those that hold, of all images; neither renamed yet.
    Raises DataError for a name in `params` that nothing was labelled with, or if fewer than two classes are left.
    """
    named, carried = set(originals), set(labels)
    now = {params.name_now(label) for label in named | carried}
    for key, names, known in (("rename", params.rename, named | carried), ("retire", params.retire, now)):
        foreign = sorted(set(names) - known)
        if foreign:
            raise DataError(
                f"{key}: no image is labelled '{foreign[0]}'; labels: {', '.join(sorted(known))} ({PLACE}.{key})"
            )
    possible = {params.name_now(label) for label in named} | set(params.add)
    present = possible & {params.name_now(label) for label in carried}
    classes = tuple(sorted(present - set(params.retire)))
    if len(classes) < 2:
        raise DataError(f"only {', '.join(classes) or 'no class'} is left; a classifier needs two ({PLACE})")
    return classes
