"""Registry of checks: what a check is given, what it must offer, and where it is found by name."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Protocol, TypeVar

from numpy.random import Generator

from leeway.domain.records import CheckResult, NightLabels, ReferenceCounts, Status, WindowCounts
from leeway.errors import ParamsError

Then = Literal["alert", "labels", "retrain"]  # what an alarm may lead to, each with what stands before it


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one model version on the morning after a night."""

    window: WindowCounts  # the night
    model_reference: ReferenceCounts  # what the version answered where the truth was known
    earlier: Sequence[WindowCounts] = ()  # closed windows of this epoch before the night, in order
    fired: AbstractSet[date] = frozenset()  # nights of this epoch on which some check fired
    closed: Sequence[NightLabels] = ()  # label plans that closed since the last run: each is handed over once
    recent: Sequence[NightLabels] = ()  # labels of the last nights, those of `closed` included: for the estimates shown
    months: Sequence[NightLabels] = ()  # closed labels of the last 56 nights
    ahead: int = 0  # predictions whose time has not come yet


class Check(Protocol):
    """Numbers in, one of three answers out. Its fields are its settings."""

    @property
    def budget_share(self) -> float:
        """Its share of the yearly false-alarm probability; 0: nothing it says is a statistical alarm."""

    @property
    def then(self) -> Then:
        """What may come of it when it fires."""

    def run(self, evidence: Evidence, previous: CheckResult | None, *, alpha: float, rng: Generator) -> CheckResult:
        """`previous` is its last result for this version; `alpha` its false-alarm probability in a year."""


C = TypeVar("C", bound=type[Any])


@dataclass(frozen=True, slots=True)
class Checks:
    """Check classes by name."""

    _classes: dict[str, Callable[..., Check]] = field(default_factory=dict)

    def add(self, name: str) -> Callable[[C], C]:
        """Class decorator. The name is that of the check's results, of its policy section and its runbook paragraph."""

        def register(kind: C) -> C:
            self._classes[name] = kind
            return kind

        return register

    def names(self) -> tuple[str, ...]:
        return tuple(self._classes)

    def build(self, name: str, **settings: Any) -> Check:
        """The check with these settings, else its defaults. Raises ParamsError for an unknown name."""
        if name not in self._classes:
            raise ParamsError(
                f"no check is called '{name}'; known: {', '.join(self._classes)} (monitoring/policy.yaml)"
            )
        return self._classes[name](**settings)


CHECKS = Checks()


def no_verdict(
    check: str, reason: str, *, n: int, details: Mapping[str, Any] | None = None, state: Mapping[str, Any] | None = None
) -> CheckResult:
    return CheckResult(check, Status.NO_VERDICT, reason, n=n, details=details or {}, state=state or {})
