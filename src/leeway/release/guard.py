"""Guard: is the recall of a class shown to have fallen under the floor, and of which classes could that not be seen?"""

from collections.abc import Mapping
from dataclasses import dataclass

from leeway.domain.text import counted
from leeway.errors import first_few
from leeway.release.rules import FAILED, PASSED, GatePart

ALPHA = 0.05  # chance that a challenger all of whose classes stand at the floor is refused for any of them


@dataclass(frozen=True, slots=True)
class Recall:
    """Of a class's test images how many both models name rightly, and how many of them say as much as one."""

    champion: int
    challenger: int
    images: int
    design_effect: float = 1.0

    @property
    def effective(self) -> tuple[int, int]:
        """(right answers of the challenger, images), of different groups: rounded in the challenger's favour."""
        images = max(round(self.images / self.design_effect), min(self.images, 1))
        missed = int((self.images - self.challenger) / self.design_effect)
        return images - min(missed, images), images


def recall_guard(recalls: Mapping[str, Recall], *, floor: float) -> tuple[GatePart, list[str]]:
    """Return whether a class that the champion recognises is lost, and the classes too small to be guarded.

    Exact binomial p = P(X <= right answers | recall = floor) of each class that the champion reaches the floor in, Holm
    corrected (Holm 1979). A class with no image, or so few that a recall of 0 would not be refused, is not guarded.
    """
    from scipy.special import bdtr  # loads slowly: a command that computes nothing needs none of it

    held = {name: one for name, one in recalls.items() if one.images and one.champion >= floor * one.images}
    p = {name: float(bdtr(*one.effective, floor)) for name, one in held.items()}
    small = [name for name, one in recalls.items() if not one.images]
    small += [name for name, one in held.items() if float(bdtr(0, one.effective[1], floor)) >= ALPHA / len(held)]
    lost = _rejected(p)
    if lost:
        shown = ", ".join(f"{name} {held[name].challenger} of {held[name].images} (p {p[name]:.2g})" for name in lost)
        return GatePart(FAILED, f"recall shown to be under {floor:.0%}, which the champion reaches: {shown}"), small
    return GatePart(PASSED, f"no class is shown to have a recall under {floor:.0%}"), small


def not_guarded(name: str, images: int) -> str:
    """Say why nothing guards this class."""
    return f"{name} ({counted(images, 'test image')})"


def needs_person(unguarded: Mapping[str, str]) -> str:
    """Say which classes nothing guards, and what would: until then a person decides."""
    return (
        f"a person has to look: so few test images cannot show that a class is lost: "
        f"{first_few(list(unguarded.values()), 10)}; images of it in must_pass/must_pass.csv guard it"
    )


def _rejected(p: Mapping[str, float]) -> list[str]:
    found = []
    for rank, name in enumerate(sorted(p, key=lambda one: p[one])):
        if p[name] > ALPHA / (len(p) - rank):
            break
        found.append(name)
    return found
