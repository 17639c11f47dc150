"""Groups: how much less the labels that came with the log say because some of a night are of one group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from leeway.domain.records import Tally
from leeway.epoch import Epoch


@dataclass(frozen=True, slots=True)
class GivenLabels:
    """Labels of a night that came with the log, as the database counts them."""

    tallies: Sequence[Tally] = ()  # with the chance of each, as the log has it
    alike: Mapping[str, float] = field(default_factory=dict)  # see `leeway.domain.stores.PredictionLog.given_alike`

    def squares(self, part: str) -> float:
        """Return the sum of w^2 over the labels of `all`, `class cat` or `slice door`, w = 1 / draw probability."""
        way, _, name = part.partition(" ")
        inside = [
            one
            for one in self.tallies
            if way == "all" or (one.predicted_class if way == "class" else one.slice) == name
        ]
        return sum(one.count / one.probability**2 for one in inside)

    def clustering(self, part: str) -> float:
        """Return sum_g (sum w)^2 / sum w^2 over the groups g of the part; sum_g k_g^2 / n where all weigh the same."""
        squares = self.squares(part)
        return 1 + self.alike.get(part, 0.0) / squares if squares else 1.0


NOTHING = GivenLabels()


def given_labels(epoch: Epoch, night: date, *, between: tuple[str | None, str], rows_upto: str) -> GivenLabels:
    """Count the night's labels that came between two positions of the log, of rows that were there at `rows_upto`."""
    window, (after, upto) = (epoch.version, *epoch.bounds(night)), between
    tallies = epoch.log.given_tallies(*window, after=after, upto=upto, rows_upto=rows_upto)
    if not tallies:
        return NOTHING
    return GivenLabels(tallies, epoch.log.given_alike(*window, after=after, upto=upto, rows_upto=rows_upto))


def grouped(
    parts: Mapping[str, Sequence[float]],
    given: GivenLabels,
    *,
    before: GivenLabels = NOTHING,
    whole: GivenLabels | None = None,
) -> dict[str, Sequence[float]]:
    """Return the parts of a night, those with labels of one group with three numbers more.

    They are the clustering of these labels; what they share with those `before` of the same night, sum_g (sum w before)
    (sum w now) / sum w^2 now; and the clustering of those before. whole: both together, where there were any. All of it
    is known before any answer is looked at.
    """
    found = dict(parts)
    for name, pairs in (whole or given).alike.items():
        squares = given.squares(name)
        if name in found and squares:
            across = max(pairs - given.alike.get(name, 0.0) - before.alike.get(name, 0.0), 0.0) / 2
            found[name] = (*parts[name][:4], given.clustering(name), across / squares, before.clustering(name))
    return found
