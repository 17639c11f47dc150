"""Epoch: one model version, its policy and its stores, as of a moment. Every verb of the monitor takes one."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from leeway.bundle.embedder import Embedder
from leeway.checks.likeness import Likeness, left_out
from leeway.checks.policy import Policy
from leeway.checks.windows import night_bounds, night_of
from leeway.data.classes import ClassParams
from leeway.domain.records import Action, Decision, ModelVersion, ServingPeriod
from leeway.domain.stores import ImageStore, Ledger, PredictionLog
from leeway.history import History


@dataclass(frozen=True, slots=True)
class Epoch:
    """One look at one model version. Made for each command, flow run or request: its history is read once.

    It begins with the first night in which the version served: evidence and budgets begin there, too.
    """

    version: ModelVersion
    policy: Policy
    log: PredictionLog
    ledger: Ledger
    images: ImageStore
    as_of: datetime
    began_at: datetime | None = None  # since when it serves; None: nothing says so
    until: date | None = None  # first night that is no longer its own: the same version begins to serve anew
    champion: int | None = None  # version that serves, of a model that is released here; None: known from files
    class_rule: ClassParams = field(default_factory=ClassParams)  # what the workspace that trains it renames and adds
    embedder: Embedder | None = None  # of images, for the nightly job; None: no image is looked at
    history: History = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        zone, first, rule = self.policy.zone, self.first_night, self.class_rule
        history = History(
            *(self.version, self.log, self.ledger),
            first=first,
            local=lambda night: night_bounds(night, zone),
            class_rule=rule,
        )
        object.__setattr__(self, "history", history)

    @property
    def model(self) -> str:
        return self.version.model

    @property
    def first_night(self) -> date:
        """The first night in which this version served; the current one, where nothing says since when it serves."""
        return night_of(self.began_at or self.as_of, self.policy.zone)

    def bounds(self, night: date) -> tuple[datetime, datetime]:
        """Return start and end of the night, UTC: of a closed one as it was closed, whatever the time zone is now."""
        return self.history.bounds(night)

    def night_of(self, moment: datetime) -> date:
        """Return the night that has this moment: the local day, but about a change of the time zone."""
        night = night_of(moment, self.policy.zone)
        start, end = self.bounds(night)
        return night - timedelta(days=moment < start) + timedelta(days=moment >= end)

    @property
    def is_beside(self) -> bool:
        """Whether another version of a model that is released here serves: this one answers beside it."""
        return self.champion not in (None, self.version.version)

    def beside(self, night: date) -> dict[int, int]:
        """Return how many predictions the model's other versions made that night, by version."""
        others = [one.version for one in self.history.versions if one.version != self.version.version]
        return self.log.rows_by_version(self.model, others, *self.bounds(night))

    def alarmed_nights(self) -> frozenset[date]:
        """Return nights on which a check that may alarm fired: a finding about the delivery says nothing of drift."""
        return frozenset(mark.night for mark in self.history.fired if mark.check in self.policy.alarming)

    def accepted_nights(self) -> frozenset[date]:
        """Return nights of which a person says that production looks like this."""
        own = [one for one in self.history.decisions if one.version == self.version.version]
        return frozenset(one.night for one in own if one.accepts)

    def unlike_nights(self) -> frozenset[date]:
        """Return nights that looked unlike the reference, and that wait for a person to accept them, or one like them.

        From what was stored of these nights then, so that no night's result changes later.
        """
        asked = {mark.night for mark in self.history.fired if mark.check == Likeness.name}
        reference = self.version.reference
        return left_out(asked, self.accepted_nights(), self.history.windows, reference) if asked else frozenset()

    def alarm(self, night: date = date.max) -> Decision | None:
        """Return the last alarm of this epoch up to `night`; None without one."""
        return _last_alarm(self.history.decisions, self.version.version, night)

    def alarm_ever(self, night: date = date.max) -> Decision | None:
        """Return the same, also of earlier epochs of this version: a rollback ends an epoch, its labels stay true."""
        return _last_alarm(self.ledger.decisions(self.model), self.version.version, night)


def begin(epoch: Epoch, *, why: str) -> Epoch:
    """Record that the version serves from now on, and end the epoch before. The one place where epochs begin.

    Open retraining requests of other versions end with their epoch.
    """
    number = epoch.version.version
    epoch.ledger.begin_epoch(ServingPeriod(epoch.model, number, epoch.as_of, why))
    withdraw_requests(epoch.ledger, epoch.model, number)
    return replace(epoch, began_at=epoch.as_of, champion=number)


def withdraw_requests(ledger: Ledger, model: str, serving: int) -> list[str]:
    """Close the open retraining requests of versions that no longer serve: nobody needs what they ask for."""
    return ledger.withdraw_requests(model, besides=serving, outcome=f"withdrawn: version {serving} serves now")


def _last_alarm(decisions: Iterable[Decision], version: int, night: date) -> Decision | None:
    alarms = [
        one for one in decisions if one.version == version and one.action is Action.MORE_LABELS and one.night <= night
    ]
    return max(alarms, key=lambda one: one.night, default=None)
