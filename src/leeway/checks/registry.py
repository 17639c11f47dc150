"""Registry of checks: what a check is given, what it must offer, and where it is found by name."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast

from numpy.random import Generator
from pydantic import TypeAdapter, ValidationError

from leeway.domain.image_night import ImageNight
from leeway.domain.records import CheckResult, NightLabels, ReferenceCounts, Status, WindowCounts
from leeway.errors import ParamsError

Then = Literal["alert", "labels", "retrain"]  # what an alarm may lead to, each with what stands before it


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one model version on the morning after a night."""

    window: WindowCounts  # the night
    model_reference: ReferenceCounts  # what the version answered where the truth was known
    earlier: Sequence[WindowCounts] = ()  # closed windows of this epoch before the night, in order
    fired: AbstractSet[date] = frozenset()  # nights of this epoch on which some check fired, or that ask to be accepted
    accepted: AbstractSet[date] = frozenset()  # nights of this epoch of which a person says: production looks like this
    closed: Sequence[NightLabels] = ()  # label plans that closed since the last run: each is handed over once
    recent: Sequence[NightLabels] = ()  # labels of the last nights, those of `closed` included: for the estimates shown
    months: Sequence[NightLabels] = ()  # closed labels of the last 56 nights
    ahead: int = 0  # predictions whose time has not come yet
    beside: Mapping[int, int] = field(default_factory=dict)  # tonight's predictions of the model's other versions
    champion: int | None = None  # version that should answer, of a model that is released here
    unknown_name: str = ""  # of this version in a prediction log, where nobody had recorded it before
    hours: str = ""  # how the night was cut after a change of the time zone
    unmeasured: str = ""  # which labels measure nothing, and why
    label_error: float = 0.0  # share of the labels that are taken to be wrong, 0 to 1
    images: ImageNight = field(default_factory=ImageNight)  # a sample of tonight's, beside the reference nights'


class Place(Enum):
    """What the page of a night shows of a check, beside its row in the table of results."""

    ROW = "row"  # nothing more
    EVIDENCE = "evidence"  # its statistic against its threshold, night by night
    NEVER_FIRES = "never fires"  # nothing more, and the row says that it is shown only: its quiet clears nothing


class Check(Protocol):
    """Numbers in, one of three answers out. Its fields are its settings; its class attributes say the rest of it."""

    name: ClassVar[str]  # of its results, its policy section and its runbook paragraph
    assumes: ClassVar[str]  # its null, in one sentence: what has to hold so that what it says is true
    order: ClassVar[int]  # in the policy, the results and the page: the lowest first
    needs_labels: ClassVar[bool]  # whether it judges labels of production: its alarm needs no more of them
    on_page: ClassVar[Place]
    details: ClassVar[type[Any]]  # dataclass of what its results have in `details`, as JSON; read by `details_of`

    @property
    def budget_share(self) -> float:
        """Its share of the yearly false-alarm probability; 0: nothing it says is a statistical alarm."""

    @property
    def then(self) -> Then:
        """What may come of it when it fires."""

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:
        """`previous` is its last result for this version; `alpha` its false-alarm probability in a year."""


class Explains(Protocol):
    """A check that says in plain words what a result of its means. Without it, a result's reason stands there."""

    def meaning(self, result: CheckResult) -> str:
        """What it means for people, numbers included and statistics left out; empty where the reason says it."""


def meaning_of(check: Check | None, result: CheckResult) -> str:
    """Return what the result means for people, in the words of its check; of another check its name and its reason."""
    said = cast(Explains, check).meaning(result) if hasattr(check, "meaning") else ""
    return said or f"{result.check.replace('_', ' ')}: {result.reason}"


ATTRIBUTES = ("name", "assumes", "order", "needs_labels", "on_page", "details")
K = TypeVar("K", bound=type[Check])
D = TypeVar("D", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Checks:
    """Check classes by name."""

    _classes: dict[str, type[Check]] = field(default_factory=dict)

    def add(self, kind: K) -> K:
        """Class decorator. Raises ParamsError for a class that leaves out an attribute, or whose name is taken."""
        missing = [name for name in ATTRIBUTES if not hasattr(kind, name)]
        if missing:
            raise ParamsError(f"check {kind.__name__} ({kind.__module__}) lacks class attributes: {', '.join(missing)}")
        known = self._classes.setdefault(kind.name, kind)
        if known is not kind:
            raise ParamsError(f"two checks are called '{kind.name}', in {known.__module__} and {kind.__module__}")
        return kind

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._classes, key=lambda name: (self._classes[name].order, name)))

    def kind(self, name: str) -> type[Check]:
        """The class of this name. Raises ParamsError for an unknown one."""
        if name not in self._classes:
            raise ParamsError(f"no check is called '{name}'; known: {', '.join(self.names())} (monitoring/policy.yaml)")
        return self._classes[name]

    def build(self, name: str, **settings: Any) -> Check:
        """The check with these settings, else its defaults. Raises ParamsError for an unknown name."""
        return self.kind(name)(**settings)


CHECKS = Checks()


def no_verdict(check: str, reason: str, *, n: int, state: Mapping[str, Any] | None = None) -> CheckResult:
    return CheckResult(check, Status.NO_VERDICT, reason, n=n, state=state or {})


def details_of(result: CheckResult | None, kind: type[D]) -> D | None:
    """The result's details as a record of `kind`; None without a verdict, or where they cannot be read as such.

    Results of other versions of Leeway can be read: unknown keys are left out, missing ones take their default.
    """
    if result is None or not result.details:
        return None
    try:
        details: D = _reader(kind).validate_python(result.details)
    except ValidationError:
        return None
    return details


def details_by_night(results: Iterable[tuple[date, CheckResult]], kind: type[D]) -> dict[date, D]:
    """Return what a check found each night, of the nights on which that can be read."""
    found = [(night, details_of(one, kind)) for night, one in results]
    return {night: details for night, details in found if details}


@cache
def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
