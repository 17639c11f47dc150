"""Classes change: the names that `data.classes` renames, merges, retires or adds; what was labelled keeps its name."""

from collections.abc import Collection, Iterable, Mapping

from pydantic import field_validator, model_validator

from leeway.domain.class_names import class_name
from leeway.errors import DataError
from leeway.paramsfile import ParamsModel, setting

PLACE = "params.yaml, data.classes"


class ClassParams(ParamsModel):
    """How the names that images were labelled with become the classes of a dataset version."""

    rename: Mapping[str, str] = setting(
        "`{old: new}`; two old names for one new name merge. Images and labels keep the names they were given",
        "a class gets another name, or two classes become one",
        default_factory=dict,
    )
    retire: tuple[str, ...] = setting("classes whose images are held out", "a class is given up", default=())
    add: tuple[str, ...] = setting(
        "new classes, which only labelers have used so far: their images train, and may be tested on",
        "production shows a class that the model does not know",
        default=(),
    )

    @field_validator("rename", mode="after")
    @classmethod
    def _renamed_cleanly(cls, given: Mapping[str, str]) -> Mapping[str, str]:
        return {class_name(old): class_name(new) for old, new in given.items()}

    @field_validator("retire", "add", mode="after")
    @classmethod
    def _named_cleanly(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(class_name, given))

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

    @property
    def names(self) -> tuple[str, ...]:
        """Names that labelers may use, though the model may not have them."""
        return tuple(dict.fromkeys((*self.rename, *self.rename.values(), *self.add)))

    def name_now(self, label: str) -> str:
        """Return the class that something labelled so is of now."""
        name = class_name(label)
        return self.rename.get(name, name)

    def trains(self, label: str, classes: Collection[str]) -> bool:
        """Whether such a label may train what comes after a model with these classes."""
        now = self.name_now(label)
        return now not in self.retire and (now in self.add or now in {self.name_now(one) for one in classes})

    def label_of_model(self, label: str, predicted: str, classes: Collection[str]) -> str:
        """Return the label as a model with these classes would call it, whichever of both is the older.

        Where two of its classes are one by now, the answered one: it is right. What the model does not have stays.
        """
        if label in classes:
            return label
        now = self.name_now(label)
        if self.name_now(predicted) == now:
            return predicted
        return next((one for one in classes if self.name_now(one) == now), class_name(label))


def classes_of(originals: Iterable[str], labels: Iterable[str], params: ClassParams) -> tuple[str, ...]:
    """(K,) sorted: the classes that the source names, and those added, as far as some image carries them.

    `originals` are the labels that the source gave, `labels` those that hold, of all images; neither renamed yet.
    Raises DataError for a name in `params` that nothing was labelled with, or if fewer than two classes are left.
    """
    named, carried = set(map(class_name, originals)), set(map(class_name, labels))
    if "" in named:
        raise DataError("an image's label is white space; name its class (data.source in params.yaml)")
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
