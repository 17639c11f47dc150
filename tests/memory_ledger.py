"""The ledger kept in memory: the twin of the SQL, in plain dictionaries and lists."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from leeway.domain.answers import may_second, outcome, people, waits_for_second
from leeway.domain.counting import conflicting, counting_labels, person
from leeway.domain.queue import in_queue_order
from leeway.domain.records import (
    ERRORS,
    FILE,
    MEASURE,
    Alert,
    CheckResult,
    Claim,
    Decision,
    Draw,
    Label,
    LabelledDraw,
    LabelPlan,
    PlanDesign,
    Prediction,
    RecordedLabels,
    UnansweredDraw,
    WindowCounts,
)
from leeway.domain.reopening import Reopening
from leeway.errors import StoreError
from memory_nights import MemoryNights, as_json, known_in


@dataclass
class MemoryLedger(MemoryNights):
    """`leeway.domain.stores.Ledger`; for one thread."""

    _plans: dict[str, tuple[LabelPlan, PlanDesign, list[Draw]]] = field(default_factory=dict)
    _pins: dict[tuple[str, str], Prediction] = field(default_factory=dict)
    _labels: dict[tuple[str, str], list[Label]] = field(default_factory=dict)
    _order: list[Label] = field(default_factory=list)  # all labels as they came
    _upto: dict[str, int] = field(default_factory=dict)  # how many of them were in when a plan closed

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
        if not super().record_night(window, results, decision, alerts, claim=claim):
            return False
        for one in set(applied) & set(self._plans):
            plan, design, draws = self._plans[one]
            self._plans[one] = (replace(plan, applied_by=decision.key), design, draws)
        return True

    def record_plan(
        self, plan: LabelPlan, design: PlanDesign, draws: Sequence[Draw], pins: Sequence[Prediction], *, claim: Claim
    ) -> bool:
        self.refuse_stale(claim)
        if plan.id in self._plans:
            return False
        unknown = {(one.model, one.prediction_id) for one in draws} - {(one.model, one.id) for one in pins}
        if unknown - set(self._pins):
            raise StoreError(f"refused: drawn and not pinned: {unknown}")
        self.pin(pins)
        short = replace(plan, asked=len(draws), given=len(design.given))
        parts = {name: tuple(part) for name, part in design.parts.items()}
        kept = replace(design, stratum_shares=as_json(design.stratum_shares), parts=parts)
        self._plans[plan.id] = (short, kept, list(draws))
        if plan.closed_at is not None:
            self._upto[plan.id] = len(self._order)
        return True

    def removable(self, model: str, night: date) -> dict[str, list[Any]]:
        content = super().removable(model, night)
        keys = {one["key"] for one in content["decisions"]}
        own = [(plan, draws) for plan, _, draws in self._plans.values() if plan.model == model]
        gone = {plan.id for plan, draws in own if plan.night >= night and not draws}
        again = {plan.id for plan, _ in own if plan.applied_by in keys}
        plans = [{"id": one} for one in sorted(gone)]
        return content | {"label_plans": plans, "applied_again": sorted(again - gone)}

    def reopen(self, model: str, night: date, *, at: datetime, instead_of: Collection[str] = ()) -> Reopening:
        made = super().reopen(model, night, at=at, instead_of=instead_of)
        for one in made.content["label_plans"]:
            del self._plans[one["id"]]
        for one in made.content["applied_again"]:
            plan, design, draws = self._plans[one]
            self._plans[one] = (replace(plan, applied_by=None), design, draws)
        return made

    def plans(self, model: str, version: int) -> list[LabelPlan]:
        own = [plan for plan, _, _ in self._plans.values() if (plan.model, plan.version) == (model, version)]
        return sorted(own, key=lambda one: (one.night, one.made_at, one.id))

    def draws(self, plan_id: str) -> list[Draw]:
        """For tests: no protocol has it."""
        return self._plans[plan_id][2]

    def design(self, plan_id: str) -> PlanDesign:
        return self._plans[plan_id][1]

    def close_plan(self, plan_id: str, *, closed_at: datetime) -> None:
        plan, design, draws = known_in(self._plans, plan_id, "label plans")
        self._upto.setdefault(plan_id, len(self._order))
        self._plans[plan_id] = (replace(plan, closed_at=plan.closed_at or closed_at), design, draws)

    def groups_drawn(self, model: str, version: int, *, purpose: str) -> set[str]:
        drawn = [one for plan in self.plans(model, version) for one in self._plans[plan.id][2]]
        return {self._pins[one.model, one.prediction_id].group for one in drawn if one.purpose == purpose}

    def label_queue(self, model: str, *, labeler: str = "") -> list[tuple[str, Prediction]]:
        first = {one.id: label for _, one, label in self.second_opinions(model)} if labeler else {}
        wanted = {one for one, label in first.items() if may_second(label, labeler)}
        return in_queue_order(
            (plan.night, plan.id, self._pins[key])
            for plan, one in self._open_draws(model)
            if (key := (one.model, one.prediction_id)) not in self._labels
            or (one.prediction_id in wanted and plan.second_opinion == ERRORS and one.purpose == MEASURE)
        )

    def second_opinions(self, model: str) -> list[tuple[str, Prediction, Label]]:
        said, waiting, first = people(self._order), [], {}
        for plan, one in self._open_draws(model):
            pin, own = self._pins[model, one.prediction_id], said.get((model, one.prediction_id), [])
            asked = {"purpose": one.purpose, "second_opinion": plan.second_opinion}
            if own and (label := waits_for_second(own, pin.predicted_class, **asked)):
                waiting.append((plan.night, plan.id, pin))
                first[pin.id] = label
        return [(plan_id, one, first[one.id]) for plan_id, one in in_queue_order(waiting)]

    def _open_draws(self, model: str) -> list[tuple[LabelPlan, Draw]]:
        own = [plan for plan, _, _ in self._plans.values() if plan.model == model and plan.closed_at is None]
        own.sort(key=lambda one: (one.night, one.made_at, one.id))
        return [(plan, one) for plan in own for one in self._plans[plan.id][2]]

    def unanswered(self, model: str, *, since: datetime) -> list[tuple[LabelPlan, int]]:
        own = [
            (plan, {one.prediction_id for one in draws if (model, one.prediction_id) not in self._labels})
            for plan, _, draws in self._plans.values()
            if plan.model == model and plan.late_of is None and (plan.closed_at is None or plan.closed_at >= since)
        ]
        own.sort(key=lambda pair: (pair[0].night, pair[0].made_at, pair[0].id))
        return [(plan, len(missing)) for plan, missing in own]

    def missed(self, model: str) -> set[str]:
        drawn = [one for plan in self._upto for one in self._plans[plan][2]]
        return {
            one.prediction_id for one in drawn if one.model == model and (model, one.prediction_id) not in self._labels
        }

    def late_draws(self, model: str, version: int, *, since: date) -> list[Draw]:
        plans, found = self.plans(model, version), []
        for plan in sorted((one for one in plans if one.night >= since), key=lambda one: (one.night, one.id)):
            if plan.id in self._upto and plan.late_of is None:
                within = [plan.id, *(one.id for one in plans if one.late_of == plan.id)]
                held = {one.draw.prediction_id for name in within for one in self.labelled_draws(name, as_closed=True)}
                answered = [one.draw for one in self.labelled_draws(plan.id)]
                found += [one for one in answered if one.prediction_id not in held]
        return found

    def plans_with(self, model: str, ids: Iterable[str]) -> list[LabelPlan]:
        wanted = {(model, one) for one in ids}
        own = [
            plan
            for plan, _, draws in self._plans.values()
            if plan.late_of is None and wanted & {(one.model, one.prediction_id) for one in draws}
        ]
        return sorted(own, key=lambda one: (one.version, one.night, one.made_at, one.id))

    def queues(self, ids: Iterable[str]) -> dict[str, list[str]]:
        asked = set(ids)
        found: dict[str, list[str]] = {}
        for model, one in sorted(self._pins, key=lambda key: (key[1], key[0])):
            if one in asked:
                found.setdefault(one, []).append(model)
        return found

    def pin(self, predictions: Sequence[Prediction]) -> None:
        for one in predictions:
            known = self._pins.get((one.model, one.id), replace(one, probabilities=(), latency_ms=None))
            self._pins[one.model, one.id] = replace(known, image=one.image)

    def pinned(self, model: str, ids: Iterable[str]) -> list[Prediction]:
        return [self._pins[model, one] for one in sorted(set(ids)) if (model, one) in self._pins]

    def drawn(self, model: str, ids: Iterable[str]) -> set[str]:
        drawn = {one.prediction_id for _, _, draws in self._plans.values() for one in draws if one.model == model}
        return drawn & set(ids)

    def record_labels(self, labels: Sequence[Label]) -> RecordedLabels:
        new = known = corrected = measured = 0
        for one in labels:
            said = self._labels.setdefault((one.model, one.prediction_id), [])
            last = own_last(said, one.labeler)
            if one in said or (last and last.said == one.said):
                known += 1
                continue
            said.append(one)
            self._order.append(one)
            new += 1
            corrected += last is not None
            measured += last is not None and self._is_measured(one)
        return RecordedLabels(new, known, corrected, measured)

    def _is_measured(self, label: Label) -> bool:
        answered = [one for name in self._upto for one in self.labelled_draws(name, as_closed=True)]
        of_measure = [one.draw for one in answered if one.draw.purpose == MEASURE]
        return (label.model, label.prediction_id) in {(one.model, one.prediction_id) for one in of_measure}

    def labelled_draws(self, plan_id: str, *, as_closed: bool = False) -> list[LabelledDraw]:
        plan, _, draws = self._plans.get(plan_id, (None, None, []))
        upto = self._upto.get(plan_id) if as_closed else None
        wanted, answered = {(one.model, one.prediction_id) for one in draws}, []
        by_prediction = people(one for one in self._order[:upto] if (one.model, one.prediction_id) in wanted)
        for one in draws:
            said, own = self._pins[one.model, one.prediction_id], by_prediction.get((one.model, one.prediction_id))
            if own and plan:
                come = outcome(own, said.predicted_class, purpose=one.purpose, second_opinion=plan.second_opinion)
                beside = (said.predicted_class, come.label, said.group, said.image, said.slice)
                flags = {"seconded": come.seconded, "same_truth": come.same_truth}
                answered.append(LabelledDraw(one, plan.night, *beside, **flags))
        return answered

    def unanswered_draws(self, plan_id: str) -> list[UnansweredDraw]:
        draws = self._plans[plan_id][2] if plan_id in self._plans else []
        answered = {one.draw.id for one in self.labelled_draws(plan_id, as_closed=True)}
        pairs = [(one, self._pins[one.model, one.prediction_id]) for one in draws if one.id not in answered]
        return [UnansweredDraw(one, said.predicted_class, said.group, said.slice) for one, said in pairs]

    def labels(self, model: str) -> list[tuple[Label, Prediction]]:
        counting = counting_labels(self._said(model))
        pairs = [(one, self._pins[key]) for key, one in counting.items() if key in self._pins]
        return sorted(pairs, key=lambda pair: (pair[0].labelled_at, pair[1].id))

    def label_counts(self) -> dict[str, int]:
        models = [
            key[0] for key, said in self._labels.items() if any(one.labeler != FILE and one.label for one in said)
        ]
        return {model: models.count(model) for model in sorted(set(models))}

    def conflicts(self, model: str) -> list[tuple[Label, ...]]:
        return conflicting(self._said(model))

    def _said(self, model: str | None = None) -> Iterator[Label]:
        return (one for key, said in self._labels.items() if model in (None, key[0]) for one in said)


def own_last(said: Sequence[Label], labeler: str) -> Label | None:
    """What this person said last about a prediction; of two labels at one time the one recorded last."""
    last = None
    for one in said:
        if person(one.labeler) == person(labeler) and (last is None or one.labelled_at >= last.labelled_at):
            last = one
    return last
