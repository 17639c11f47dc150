"""The ledger kept in memory: the twin of the SQL, in plain dictionaries and lists."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from leeway.domain.counting import counting_labels, disagreeing
from leeway.domain.records import (
    FILE,
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
    WindowCounts,
)
from leeway.errors import StoreError
from memory_nights import MemoryNights, as_json, known_in


@dataclass
class MemoryLedger(MemoryNights):
    """`leeway.domain.stores.Ledger`; for one thread."""

    _plans: dict[str, tuple[LabelPlan, PlanDesign, list[Draw]]] = field(default_factory=dict)
    _pins: dict[tuple[str, str], Prediction] = field(default_factory=dict)
    _labels: dict[tuple[str, str], list[Label]] = field(default_factory=dict)

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
        return True

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
        self._plans[plan_id] = (replace(plan, closed_at=plan.closed_at or closed_at), design, draws)

    def groups_drawn(self, model: str, version: int, *, purpose: str) -> set[str]:
        drawn = [one for plan in self.plans(model, version) for one in self._plans[plan.id][2]]
        return {self._pins[one.model, one.prediction_id].group for one in drawn if one.purpose == purpose}

    def label_queue(self, model: str) -> list[tuple[str, Prediction]]:
        own = [plan for plan, _, _ in self._plans.values() if plan.model == model and plan.closed_at is None]
        queue: dict[str, tuple[str, Prediction]] = {}
        for plan in sorted(own, key=lambda one: (one.night, one.made_at, one.id)):
            for one in self._plans[plan.id][2]:
                key = (one.model, one.prediction_id)
                if key not in self._labels:
                    queue.setdefault(one.prediction_id, (plan.id, self._pins[key]))
        return list(queue.values())

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

    def record_labels(self, labels: Sequence[Label]) -> RecordedLabels:
        new = known = corrected = 0
        for one in labels:
            said = self._labels.setdefault((one.model, one.prediction_id), [])
            last = own_last(said, one.labeler)
            if one in said or (last and last.label == one.label):
                known += 1
                continue
            said.append(one)
            new += 1
            corrected += last is not None
        return RecordedLabels(new, known, corrected)

    def labelled_draws(self, plan_id: str) -> list[LabelledDraw]:
        plan, _, draws = self._plans.get(plan_id, (None, None, []))
        counting, answered = counting_labels(self._said()), []
        for one in draws:
            said, label = self._pins[one.model, one.prediction_id], counting.get((one.model, one.prediction_id))
            if label and plan:
                beside = (said.predicted_class, label.label, said.group, said.image, said.slice)
                answered.append(LabelledDraw(one, plan.night, *beside))
        return answered

    def labels(self, model: str) -> list[tuple[Label, Prediction]]:
        counting = counting_labels(self._said(model))
        pairs = [(one, self._pins[key]) for key, one in counting.items() if key in self._pins]
        return sorted(pairs, key=lambda pair: (pair[0].labelled_at, pair[1].id))

    def label_counts(self) -> dict[str, int]:
        models = [key[0] for key, said in self._labels.items() if any(one.labeler != FILE for one in said)]
        return {model: models.count(model) for model in sorted(set(models))}

    def disagreements(self, model: str) -> int:
        return len(disagreeing(self._said(model)))

    def _said(self, model: str | None = None) -> Iterator[Label]:
        return (one for key, said in self._labels.items() if model in (None, key[0]) for one in said)


def own_last(said: Sequence[Label], labeler: str) -> Label | None:
    """What this person said last about a prediction; of two labels at one time the one recorded last."""
    last = None
    for one in said:
        if one.labeler == labeler and (last is None or one.labelled_at >= last.labelled_at):
            last = one
    return last
