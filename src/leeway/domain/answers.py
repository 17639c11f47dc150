"""Answers: what all that people said of a draw counts as, and which of it goes to a second person.

With second opinions a contradiction is an error if a second person contradicts the model, too; if that person names the
model's class, the answer is right, and the two are a conflict. One that no second person came for is an error, never
unanswered: that would be to leave it out because it is wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leeway.domain.counting import last_labels, person
from leeway.domain.records import ERRORS, FIRST_COUNTS, GATE, MEASURE, NAMED, UNNAMED, UNSURE, Label


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the answers to one draw come to."""

    label: str  # a name, or the words of an answer that is none
    seconded: bool = False
    same_truth: bool = True


def people(labels: Iterable[Label]) -> dict[tuple[str, str], list[Label]]:
    """Return what each person said last, in the order in which they came, by (model, prediction id)."""
    return {
        key: [last for _, last in sorted(own.values(), key=lambda pair: (pair[0].labelled_at, pair[0].labeler))]
        for key, own in last_labels(labels).items()
    }


def outcome(said: Sequence[Label], predicted: str, *, purpose: str, second_opinion: str) -> Outcome:
    """Return what the answers of `people` to a draw come to, of which at least one is needed.

    A gate's draw has the first name that was said, whatever the model answered: it compares two models. Where nobody is
    asked for a second opinion, people who differ contradict the model: nobody settled it.
    """
    if purpose == GATE or second_opinion == FIRST_COUNTS:
        named = [one for one in said if one.answer == NAMED]
        return Outcome((named or said)[0].said, same_truth=bool(named))
    seconds = second_opinion == ERRORS
    asked = _asked(said) if seconds else said
    against = [one for one in asked if one.contradicts(predicted)]
    if not against or (seconds and len(against) < len(asked)):
        return Outcome(predicted, seconded=bool(against))
    first = next((one for one in against if one.answer != UNSURE), against[0])
    alike = len({one.said for one in asked}) == 1 and first.answer != UNSURE
    return Outcome(first.said, seconded=seconds and len(asked) > 1, same_truth=alike)


def waits_for_second(
    said: Sequence[Label], predicted: str, *, purpose: str = MEASURE, second_opinion: str = ERRORS
) -> Label | None:
    """Return the contradiction that waits for a second person; None where none does."""
    asked = _asked(said)
    is_asked = purpose == MEASURE and second_opinion == ERRORS and len(asked) == 1
    return asked[0] if is_asked and asked[0].contradicts(predicted) else None


def may_second(first: Label, labeler: str) -> bool:
    """Whether this person can be the second one: both have said who they are, and they are two."""
    names = {person(first.labeler), person(labeler)}
    return len(names) == 2 and not names & {UNNAMED, ""}


def _asked(said: Sequence[Label]) -> Sequence[Label]:
    """The first two people. Who does not say their name may be any of the others, and counts where there are none."""
    return [one for one in said if person(one.labeler) != UNNAMED][:2] or said[:1]
