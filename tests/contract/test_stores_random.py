"""Both stores, wherever they are kept: whatever is done in whatever order, they hold what plain dictionaries hold."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from test_log_nights import by_cell, in_order, key_of

from battery import CLOSED, DAY, NIGHT, START, VERSION, TwoStores, prediction, record, window
from leeway.domain.records import Cell, Claim, Draw, Label, LabelPlan, Pick, PlanDesign, Prediction, ServingPeriod
from leeway.errors import ConflictError, HeldError

EXAMPLES = {"sqlite": 4, "rolled": 3, "parts": 4, "tables": 3, "postgresql": 5, "memory": 60}
STEPS = 25
RUNS = count()  # each run has models of its own, in one database
MODELS, NAMES, PEOPLE, NIGHTS = (0, 1), "abcdefgh", ("ada", "bob"), (0, 1)
CONTENTS = st.fixed_dictionaries(
    {
        "predicted_class": st.sampled_from(["cat", "dog"]),
        "confidence": st.sampled_from([None, 0.6, 0.95]),
        "slice": st.sampled_from([None, "", "door"]),
        "occurred_at": st.sampled_from([START, START + DAY - timedelta(microseconds=1), START + DAY]),
    }
)
WHICH = {"model": st.sampled_from(MODELS), "night": st.sampled_from(NIGHTS)}


class Machine(RuleBasedStateMachine):
    """What is done to the stores, and the dictionaries that say what must come of it."""

    def __init__(self, stores: TwoStores) -> None:
        super().__init__()
        self.log, self.ledger = stores.log, stores.ledger

    @initialize()
    def begin(self) -> None:
        run = next(RUNS)
        self.versions = [replace(VERSION, model=f"model {number} of {run}") for number in MODELS]
        self.models = [one.model for one in self.versions]
        for version in self.versions:
            self.ledger.record_model(version)
        self.now = CLOSED
        self.rows: dict[tuple[str, str], Prediction] = {}  # in the order in which they came
        self.horizons = dict.fromkeys(self.models, START)
        self.seen: list[tuple[int, int, str, list[Prediction]]] = []  # model, night, position, what was there
        self.plans: dict[str, tuple[str, list[str], bool]] = {}  # model, drawn, open
        self.seconds: set[str] = set()  # plans whose contradictions go to a second person
        self.pins: dict[tuple[str, str], Prediction] = {}
        self.labels: list[Label] = []
        self.upto: dict[str, int] = {}  # labels that were in when a plan closed
        self.windows: dict[tuple[str, int], str] = {}  # the position of the first closing
        self.periods: dict[str, list[ServingPeriod]] = {model: [] for model in self.models}

    # The log

    @rule(model=WHICH["model"], names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=5), content=CONTENTS)
    def say(self, model: int, names: set[str], content: dict[str, Any]) -> None:
        """New ids are taken; what is known with another content is named, what is too old counted."""
        said = [prediction(name, model=self.models[model], **content) for name in sorted(names)]
        told = record(self.log, *said)
        came = [one for one in said if one.occurred_at >= self.horizons[one.model]]
        assert told.too_old == len(said) - len(came)
        known = [one for one in came if (one.model, one.id) in self.rows]
        changed = [one.id for one in known if self.rows[one.model, one.id] != one]
        assert (told.new, told.known) == (len(came) - len(known), len(known) - len(changed))
        assert sorted(told.changed) == changed
        self.rows = {(one.model, one.id): one for one in came} | self.rows

    @rule(model=WHICH["model"], content=CONTENTS)
    def say_all_or_nothing(self, model: int, content: dict[str, Any]) -> None:
        came = [prediction(name, model=self.models[model], **content) for name in NAMES]
        fits = all(self.rows.get((one.model, one.id), one) == one for one in came)
        if fits and came[0].occurred_at >= self.horizons[self.models[model]]:
            record(self.log, *came, strict=True)
            self.rows = {(one.model, one.id): one for one in came} | self.rows
        else:
            with pytest.raises(ConflictError):
                record(self.log, *came, strict=True)

    @rule(model=WHICH["model"])
    def say_again(self, model: int) -> None:
        known = [one for key, one in self.rows.items() if key[0] == self.models[model]]
        if known:
            told = record(self.log, *known, strict=True)
            assert (told.new, told.known, told.changed) == (0, len(known), ())

    @rule(model=WHICH["model"], horizon=st.sampled_from([START, START, START + timedelta(microseconds=1), START + DAY]))
    def forget(self, model: int, horizon: datetime) -> None:
        name = self.models[model]
        self.horizons[name] = limit = max(horizon, self.horizons[name])
        kept = {key: one for key, one in self.rows.items() if key[0] != name or one.occurred_at >= limit}
        told = self.log.forget(name, before=horizon)
        left = [one.occurred_at for key, one in kept.items() if key[0] == name]
        assert (told.rows, told.first_at) == (len(self.rows) - len(kept), min(left, default=None))
        self.rows = kept
        self.seen = [
            (of, night, position, [one for one in rows if of != model or one.occurred_at >= limit])
            for of, night, position, rows in self.seen
        ]

    # Nights

    def night(self, model: int, night: int) -> list[Prediction]:
        own = [one for key, one in self.rows.items() if key[0] == self.models[model]]
        return [one for one in own if one.occurred_at.date() == NIGHT + night * DAY]

    def bounds(self, night: int) -> tuple[datetime, datetime]:
        return START + night * DAY, START + (night + 1) * DAY

    def claim(self, model: int, night: int, holder: str = "here") -> Claim:
        self.now += timedelta(hours=2)
        until = self.now + timedelta(hours=1)
        return self.ledger.claim_night(
            self.versions[model], NIGHT + night * DAY, holder=holder, now=self.now, until=until
        )

    @rule(**WHICH, late=st.booleans())
    def close_window(self, model: int, night: int, late: bool) -> None:
        """Of a holder that comes too late nothing is written."""
        start, end = self.bounds(night)
        claim, name = self.claim(model, night), self.models[model]
        if late:
            self.claim(model, night, "there")
        position = self.log.position(name)
        closing = {"start": start, "end": end, "closed_at": self.now, "claim": claim}
        made = window(NIGHT + night * DAY, model=name, position=position)
        self.seen.append((model, night, position, self.night(model, night)))
        if late:
            with pytest.raises(HeldError):
                self.ledger.record_window(made, **closing)
            return
        assert self.ledger.record_window(made, **closing) == ((name, night) not in self.windows)
        self.windows.setdefault((name, night), position)

    @rule(
        **WHICH,
        data=st.data(),
        stream=st.sampled_from(["plan", "gate", "page"]),
        second_opinion=st.sampled_from(["none", "errors"]),
    )
    def draw(self, model: int, night: int, data: st.DataObject, stream: str, second_opinion: str) -> None:
        rows = self.night(model, night)
        if not rows:
            return
        cells, (start, end) = by_cell(rows, stream), self.bounds(night)
        keys = data.draw(st.lists(st.sampled_from(sorted(cells, key=repr)), min_size=1, max_size=4))
        picks = [Pick(*key, rank=data.draw(st.integers(0, len(cells[key]) - 1)), among=len(cells[key])) for key in keys]
        drawn = [cells[one.predicted_class, one.bin, one.slice][one.rank] for one in picks]
        version, name = self.versions[model], f"{self.models[model]}/plan {len(self.plans)}"
        assert self.log.pick(version, start, end, picks, stream=stream, upto=None) == drawn
        assert self.log.sample(version, start, end, 3, stream=stream) == in_order(rows, stream)[:3]
        draws = [
            Draw(f"{name}/{at}", name, one.model, one.id, "measure", "s", 0.5, 0.5) for at, one in enumerate(drawn)
        ]
        made = LabelPlan(name, version.model, 1, NIGHT + night * DAY, self.now, asked=len(draws))
        made = replace(made, second_opinion=second_opinion)
        assert self.ledger.record_plan(made, PlanDesign(len(rows), 0.5), draws, drawn, claim=self.claim(model, night))
        self.plans[name] = (version.model, [one.id for one in drawn], True)
        self.seconds |= {name} if second_opinion == "errors" else set()
        self.pins |= {(one.model, one.id): replace(one, probabilities=(), latency_ms=None) for one in drawn}

    @rule(data=st.data())
    def close_plan(self, data: st.DataObject) -> None:
        if self.plans:
            name = data.draw(st.sampled_from(sorted(self.plans)))
            self.ledger.close_plan(name, closed_at=self.now)
            self.upto.setdefault(name, len(self.labels))
            self.plans[name] = (*self.plans[name][:2], False)

    # Labels

    @rule(
        model=WHICH["model"],
        given=st.lists(
            st.tuples(
                st.sampled_from(NAMES), st.sampled_from(["cat", "dog"]), st.sampled_from(PEOPLE), st.integers(0, 3)
            ),
            max_size=4,
        ),
    )
    def label(self, model: int, given: list[tuple[str, str, str, int]]) -> None:
        """Or correct, by an hour that may lie before the one of the label that is known."""
        labels = [
            Label(self.models[model], name, said, who, CLOSED + timedelta(hours=hour))
            for name, said, who, hour in given
        ]
        new = 0
        for one in labels:
            own = self.said(one.model, one.prediction_id).get(one.labeler, [])
            last = last_of(own)
            if one in own or (last and last.label == one.label):
                continue
            self.labels.append(one)
            new += 1
        told = self.ledger.record_labels(labels)
        assert (told.new, told.known) == (new, len(labels) - new)

    def said(self, model: str, name: str, upto: int | None = None) -> dict[str, list[Label]]:
        own = [one for one in self.labels[:upto] if (one.model, one.prediction_id) == (model, name)]
        return {who: [one for one in own if one.labeler == who] for who in PEOPLE if any(o.labeler == who for o in own)}

    def truth(self, model: str, name: str, upto: int | None = None) -> Label | None:
        """The last of the person who came first."""
        people = self.said(model, name, upto)
        first = min(people, key=lambda who: (min(one.labelled_at for one in people[who]), who), default="")
        return last_of(people.get(first, []))

    def lasts(self, model: str, name: str, upto: int | None = None) -> list[Label]:
        """What each person said last, in the order in which they came."""
        people = self.said(model, name, upto)
        order = sorted(people, key=lambda who: (min(one.labelled_at for one in people[who]), who))
        return [one for who in order if (one := last_of(people[who]))]

    def answer(self, plan: str, model: str, name: str, upto: int | None = None) -> str | None:
        """What the draw counts as: of two who differ a contradiction, or, with second opinions, the model's answer."""
        lasts, answered = self.lasts(model, name, upto), self.pins[model, name].predicted_class
        against = [one.label for one in lasts if one.label != answered]
        if not against or (plan in self.seconds and len(against) < len(lasts)):
            return answered if lasts else None
        return against[0]

    # Who serves

    @rule(model=WHICH["model"], version=st.integers(1, 2))
    def serve(self, model: int, version: int) -> None:
        """Another version, or, once more, the one before."""
        self.now += timedelta(hours=1)
        period, periods = ServingPeriod(self.models[model], version, self.now, "told"), self.periods[self.models[model]]
        self.ledger.begin_epoch(period)
        periods[-1:] = [replace(one, ended_at=self.now) for one in periods[-1:]]
        periods.append(period)

    # What must hold after each step

    @invariant()
    def the_log_holds_the_rows(self) -> None:
        for model, version in enumerate(self.versions):
            own = sorted((one for key, one in self.rows.items() if key[0] == version.model), key=lambda one: one.id)
            assert self.log.by_ids(version.model, NAMES) == own
            for night in NIGHTS:
                expected = Counter(map(key_of, self.night(model, night)))
                assert counted(self.log.cells(version, *self.bounds(night))) == expected

    @invariant()
    def a_night_stays_as_it_was_seen(self) -> None:
        for model, night, position, rows in self.seen:
            version, bounds = self.versions[model], self.bounds(night)
            assert counted(self.log.cells(version, *bounds, upto=position)) == Counter(map(key_of, rows))
            late = len(self.night(model, night)) - len(rows)
            assert self.log.count(version, *bounds, after=position) == late
            expected = in_order(rows, "images")[:2]
            assert self.log.sample(version, *bounds, 2, stream="images", upto=position) == expected

    @invariant()
    def the_ledger_holds_what_was_asked_and_answered(self) -> None:
        for model in self.models:
            labelled = {name: truth for name in NAMES if (truth := self.truth(model, name))}
            known = [(truth, self.pins[model, name]) for name, truth in labelled.items() if (model, name) in self.pins]
            known.sort(key=lambda pair: (pair[0].labelled_at, pair[1].id))
            assert self.ledger.labels(model) == known
            assert self.ledger.label_counts().get(model, 0) == len(labelled)
            asked = {name for of, drawn, is_open in self.plans.values() if of == model and is_open for name in drawn}
            assert {one.id for _, one in self.ledger.label_queue(model)} == asked - set(labelled)
            wanted = {one for name in self.seconds for one in self.waiting(name, model)}
            assert {one.id for _, one, _ in self.ledger.second_opinions(model)} == wanted
            hers = {one for one in wanted if self.lasts(model, one)[0].labeler == "ada"}
            queue = {one.id for _, one in self.ledger.label_queue(model, labeler="ada")}
            assert queue == asked - set(labelled) | (wanted - hers)
            lasts = [{last_of(own) for own in self.said(model, name).values()} for name in NAMES]
            apart = sum(len({one.label for one in last if one}) > 1 for last in lasts)
            assert len(self.ledger.conflicts(model)) == apart
            assert self.ledger.serving_periods(model) == self.periods[model]
            closed = {
                night: one.position for one in self.ledger.windows(model, 1) for night in [(one.night - NIGHT).days]
            }
            assert closed == {night: position for (of, night), position in self.windows.items() if of == model}

    def waiting(self, plan: str, model: str) -> list[str]:
        """What an open plan drew, and one person alone has answered, otherwise than the model."""
        of, drawn, is_open = self.plans[plan]
        alone = [one for one in drawn if len(self.lasts(of, one)) == 1 and is_open and of == model]
        return [one for one in alone if self.lasts(of, one)[0].label != self.pins[of, one].predicted_class]

    @invariant()
    def each_draw_is_answered_by_the_label_that_counts(self) -> None:
        for name, (model, drawn, _) in self.plans.items():
            expected = [said for one in drawn if (said := self.answer(name, model, one))]
            assert [one.label for one in self.ledger.labelled_draws(name)] == expected

    @invariant()
    def a_closed_plan_measures_what_was_said_by_then_and_the_rest_is_late(self) -> None:
        late = []
        for name, (model, drawn, _) in self.plans.items():
            upto = self.upto.get(name)
            then = [self.answer(name, model, one, upto) for one in drawn]
            measured = [one.label for one in self.ledger.labelled_draws(name, as_closed=True)]
            assert measured == [said for said in then if said]
            late += [
                (name, one) for one, before in zip(drawn, then, strict=True) if not before and self.truth(model, one)
            ]
        found = [one for model in self.models for one in self.ledger.late_draws(model, 1, since=NIGHT)]
        assert sorted((one.plan_id, one.prediction_id) for one in found) == sorted(late)
        missed = {
            (model, one)
            for name, (model, drawn, _) in self.plans.items()
            for one in drawn
            if name in self.upto and not self.truth(model, one)
        }
        assert {(model, one) for model in self.models for one in self.ledger.missed(model)} == missed


def last_of(own: list[Label]) -> Label | None:
    """Of two at one time the one that was recorded last."""
    return max(enumerate(own), key=lambda pair: (pair[1].labelled_at, pair[0]), default=(0, None))[1]


def counted(cells: list[Cell]) -> Counter[tuple[str, int, str | None]]:
    return Counter({(one.predicted_class, one.bin, one.slice): one.count for one in cells})


def test_whatever_is_done_in_whatever_order_the_stores_hold_what_dictionaries_hold(
    stores: TwoStores, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["stores"]
    run_state_machine_as_test(
        lambda: Machine(stores),
        settings=settings(
            max_examples=EXAMPLES[kind],
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if kind == "memory" else [Phase.generate],  # it takes minutes in SQL
        ),
    )
