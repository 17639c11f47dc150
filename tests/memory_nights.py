"""Nights kept in memory: models, windows, results, decisions, releases and alerts of the twin's ledger."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from leeway.domain.records import (
    Action,
    Alert,
    CheckResult,
    Claim,
    Decision,
    DecisionState,
    Delivery,
    Mark,
    ModelVersion,
    Release,
    ServingPeriod,
    Status,
    WindowCounts,
)
from leeway.domain.reopening import Reopening
from leeway.errors import ConflictError, HeldError, RefusedError, StoreError

Night = tuple[str, int, date]  # model, version, night


@dataclass
class MemoryNights:
    """What nights conclude, and which model serves: one half of the ledger."""

    id: str = "a ledger in memory"
    secret: str = "s"
    reconciled: bool = True
    _models: dict[tuple[str, int], ModelVersion] = field(default_factory=dict)
    _periods: list[ServingPeriod] = field(default_factory=list)
    _claims: dict[Night, Claim] = field(default_factory=dict)
    _windows: dict[Night, WindowCounts] = field(default_factory=dict)
    _cut: dict[Night, tuple[datetime, datetime]] = field(default_factory=dict)  # start and end of a window
    _results: dict[Night, list[CheckResult]] = field(default_factory=dict)
    _decisions: dict[str, Decision] = field(default_factory=dict)
    _claimed: dict[str, datetime] = field(default_factory=dict)  # when a decision was
    _reopenings: list[Reopening] = field(default_factory=list)
    _releases: list[Release] = field(default_factory=list)
    _alerts: dict[str, Alert] = field(default_factory=dict)
    _deliveries: dict[tuple[str, str], Delivery] = field(default_factory=dict)  # by alert and channel
    _until: dict[tuple[str, str], datetime] = field(default_factory=dict)  # when a held one is free

    # Models, and which of them serves

    def record_model(self, version: ModelVersion) -> None:
        known = self._models.setdefault((version.model, version.version), version)
        if known.bundle_digest != version.bundle_digest:
            raise ConflictError(f"{known.bundle_digest} is recorded, got {version.bundle_digest}")

    def versions(self, model: str) -> list[ModelVersion]:
        return [self._models[key] for key in sorted(self._models) if key[0] == model]

    def begin_epoch(self, period: ServingPeriod) -> None:
        for at, one in enumerate(self._periods):
            if one.model == period.model and one.ended_at is None:
                self._periods[at] = replace(one, ended_at=period.began_at)
        self._periods.append(period)

    def serving_periods(self, model: str) -> list[ServingPeriod]:
        return [one for one in self._periods if one.model == model]

    def is_reconciled(self) -> bool:
        return self.reconciled

    def mark_reconciled(self, at: datetime) -> None:
        self.reconciled = True

    # Nights

    def claim_night(
        self, version: ModelVersion, night: date, *, holder: str, now: datetime, until: datetime, instead_of: str = ""
    ) -> Claim:
        key = (version.model, version.version, night)
        known = self._claims.get(key, Claim(*key, "", now, 0))
        if known.until > now and known.holder not in ("", holder, instead_of):
            raise HeldError(f"{night} is held by {known.holder}", holder=known.holder)
        self._claims[key] = Claim(*key, holder, until, known.token + 1)
        return self._claims[key]

    def give_back(self, claim: Claim) -> None:
        key = (claim.model, claim.version, claim.night)
        if self._claims[key].token == claim.token:
            self._claims[key] = replace(claim, holder="")

    def held_nights(self, model: str, *, now: datetime) -> list[Claim]:
        held = (one for one in self._claims.values() if one.model == model and one.until > now and one.holder)
        return sorted(held, key=lambda one: (one.version, one.night))

    def refuse_stale(self, claim: Claim) -> None:
        known = self._claims.get((claim.model, claim.version, claim.night))
        if known is None or known.token != claim.token:
            holder = (known and known.holder) or "nobody"
            raise HeldError(f"{claim.night} was taken over by {holder}", holder=holder)

    def record_window(
        self, window: WindowCounts, *, start: datetime, end: datetime, closed_at: datetime, claim: Claim
    ) -> bool:
        self.refuse_stale(claim)
        key = (window.model, window.version, window.night)
        if key in self._windows:
            return False
        self._windows[key] = replace(window, late=0)
        self._cut[key] = (start, end)
        return True

    def window_bounds(self, model: str, version: int) -> dict[date, tuple[datetime, datetime]]:
        return {key[2]: cut for key, cut in self._cut.items() if key[:2] == (model, version)}

    def windows(self, model: str, version: int) -> list[WindowCounts]:
        return [self._windows[key] for key in sorted(self._windows) if key[:2] == (model, version)]

    def record_night(
        self,
        window: WindowCounts,
        results: Sequence[CheckResult],
        decision: Decision,
        alerts: Sequence[Alert],
        *,
        claim: Claim,
        applied: Sequence[str] = (),
    ) -> bool:
        self.refuse_stale(claim)
        kept = [replace(one, details=as_json(one.details), state=as_json(one.state)) for one in results]
        if not self.record_decision(decision):
            return False
        self._results[window.model, window.version, window.night] = kept
        for alert in alerts:
            self.queue_alert(alert)
        return True

    def results(
        self, model: str, version: int, *, nights: Sequence[date] | None = None, check: str | None = None
    ) -> list[tuple[date, CheckResult]]:
        keys = [key for key in sorted(self._results) if key[:2] == (model, version)]
        pairs = [(key[2], one) for key in keys if nights is None or key[2] in nights for one in self._results[key]]
        return [(night, one) for night, one in pairs if check in (None, one.check)]

    def marks(self, model: str, version: int, *, since: date, only: Status | None = None) -> list[Mark]:
        return [
            Mark(night, one.check, one.status, one.statistic, one.threshold)
            for night, one in self.results(model, version)
            if night >= since and only in (None, one.status)
        ]

    # Decisions

    def record_decision(self, decision: Decision) -> bool:
        return insert(self._decisions, decision.key, replace(decision, class_weights=as_json(decision.class_weights)))

    def decisions(self, model: str) -> list[Decision]:
        own = [one for one in self._decisions.values() if one.model == model]
        return sorted(own, key=lambda one: (one.made_at, one.key))

    def claim_decision(self, key: str, *, now: datetime, lease_hours: float = 24.0) -> bool:
        one = self._decisions.get(key)
        if one is None or one.state not in (DecisionState.OPEN, DecisionState.RUNNING):
            return False
        running = [other for other in self.decisions(one.model) if other.state is DecisionState.RUNNING]
        if any(self._claimed[other.key] > now - timedelta(hours=lease_hours) for other in running):
            return False
        self._decisions[key] = replace(one, state=DecisionState.RUNNING)
        self._claimed[key] = now
        return True

    def give_up_lapsed(self, model: str, *, now: datetime, lease_hours: float = 24.0) -> list[str]:
        running = [one.key for one in self.decisions(model) if one.state is DecisionState.RUNNING]
        lapsed = sorted(key for key in running if self._claimed[key] <= now - timedelta(hours=lease_hours))
        for key in lapsed:
            outcome = f"gave no sign for {lease_hours:g} hours: its process is taken for dead"
            self.finish_decision(key, failed=True, outcome=outcome)
        return lapsed

    def finish_decision(self, key: str, *, failed: bool, outcome: str) -> None:
        state = DecisionState.FAILED if failed else DecisionState.DONE
        self._decisions[key] = replace(known_in(self._decisions, key, "decisions"), state=state, outcome=outcome)

    def withdraw_requests(self, model: str, *, besides: int, outcome: str) -> list[str]:
        others = [one for one in self.decisions(model) if one.version != besides and one.action is Action.RETRAIN]
        withdrawn = sorted(one.key for one in others if one.state is DecisionState.OPEN)
        for key in withdrawn:
            self._decisions[key] = replace(self._decisions[key], state=DecisionState.WITHDRAWN, outcome=outcome)
        return withdrawn

    # Reopening

    def removable(self, model: str, night: date) -> dict[str, list[Any]]:
        """But for label plans."""
        since = [one for one in self.decisions(model) if one.night >= night]
        found = [one for one in since if one.nightly]
        keys, others = [one.key for one in found], [one.key for one in since if not one.nightly]
        told = [one for one in sorted(self._alerts) if any(one.startswith(f"{key}/") for key in keys)]
        told = [one for one in told if not any(one.startswith(f"{key}/") for key in others)]
        for kind in ("late", "silent"):
            own = [one for one in self._alerts if one.startswith(f"{kind}/{model}/")]
            told += [one for one in own if date.fromisoformat(one.rpartition("/")[2]) >= night]
        nights = [key for key in sorted(self._windows) if key[0] == model and key[2] >= night]
        return {
            "windows": [{"version": key[1], "night": key[2].isoformat()} for key in nights],
            "decisions": [
                {"key": one.key, "action": one.action, "state": one.state, "version": one.version} for one in found
            ],
            "alerts": [{"key": one} for one in sorted(told)],
            "deliveries": [{"key": key, "channel": channel} for key, channel in self._deliveries if key in told],
        }

    def reopen(self, model: str, night: date, *, at: datetime, instead_of: Collection[str] = ()) -> Reopening:
        claims = {key: one for key, one in self._claims.items() if key[0] == model and key[2] >= night}
        held = [one for one in claims.values() if one.until > at and one.holder not in ("", *instead_of)]
        if held:
            raise HeldError(f"{held[0].night} is held by {held[0].holder}", holder=held[0].holder)
        content = self.removable(model, night)
        if any(one["state"] == DecisionState.RUNNING for one in content["decisions"]):
            raise RefusedError("a retraining runs")
        for one in content["windows"]:
            key = (model, one["version"], date.fromisoformat(one["night"]))
            del self._windows[key], self._cut[key]
        for one in content["decisions"]:
            gone = self._decisions.pop(one["key"])
            self._results.pop((model, gone.version, gone.night), None)
        for one in content["deliveries"]:
            del self._deliveries[one["key"], one["channel"]]
        for one in content["alerts"]:
            del self._alerts[one["key"]]
        self._claims |= {key: replace(one, holder="", token=one.token + 1) for key, one in claims.items()}
        self._reopenings.append(Reopening(model, night, at, content))
        return self._reopenings[-1]

    def reopenings(self, model: str) -> list[Reopening]:
        return [one for one in self._reopenings if one.model == model]

    # Releases and alerts

    def record_release(self, release: Release) -> None:
        self._releases.append(release)

    def releases(self, model: str) -> list[Release]:
        return [one for one in self._releases if one.model == model]

    def queue_alert(self, alert: Alert) -> bool:
        return insert(self._alerts, alert.key, alert)

    def pending_alerts(self) -> list[Alert]:
        unsent = [one for one in self._alerts.values() if one.sent_at is None]
        return sorted(unsent, key=lambda one: (one.made_at, one.key))

    def mark_alert(self, key: str, *, sent_at: datetime | None, error: str = "") -> None:
        self._alerts[key] = replace(known_in(self._alerts, key, "alerts"), sent_at=sent_at, error=error)

    def deliveries(self) -> list[Delivery]:
        return [self._deliveries[key] for key in sorted(self._deliveries) if self._alerts[key[0]].sent_at is None]

    def claim_deliveries(
        self,
        keys: Sequence[str],
        channel: str,
        *,
        holder: str,
        now: datetime,
        until: datetime,
        instead_of: Collection[str] = (),
    ) -> list[str]:
        claimed = []
        for key in sorted(set(keys)):
            known_in(self._alerts, key, "alerts")
            this = (key, channel)
            known = self._deliveries.setdefault(this, Delivery(key, channel))
            held = known.holder not in ("", *instead_of) and self._until[this] > now
            if known.sent_at is None and not held:
                self._deliveries[this], self._until[this] = replace(known, holder=holder), until
                claimed.append(key)
        return claimed

    def conclude_deliveries(
        self, keys: Sequence[str], channel: str, *, holder: str, at: datetime, error: str = ""
    ) -> None:
        for key in keys:
            known = self._deliveries[key, channel]
            if known.sent_at is None and (not error or known.holder == holder):
                done = replace(known, error=error, tries=known.tries + 1, tried_at=at, holder="")
                self._deliveries[key, channel] = replace(done, sent_at=None if error else at)


def insert(kept: dict[str, Any], key: str, value: object) -> bool:
    if key in kept:
        return False
    kept[key] = value
    return True


def known_in(kept: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in kept:
        raise StoreError(f"'{key}' is not among the {where} of the ledger")
    return kept[key]


def as_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """As a column of JSON gives it back."""
    try:
        read: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{value!r} cannot be stored as JSON: {error}") from error
    return read
