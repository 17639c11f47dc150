"""The policy: what it promises, and how it refuses a mistake."""

from pathlib import Path

import pytest
import yaml

from leeway.checks.accuracy import Accuracy
from leeway.checks.label_free import LabelFree
from leeway.checks.policy import LabelPlanning, Policy, load_policy, policy_digest
from leeway.checks.registry import CHECKS
from leeway.errors import ParamsError

SHIPPED = Path(__file__).parents[3] / "monitoring" / "policy.yaml"


def written(folder: Path, **sections: object) -> Path:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return path


def test_the_shipped_policy_states_every_key_and_its_default():
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert content == Policy().model_dump(mode="json")
    assert load_policy(SHIPPED) == Policy()


def test_the_checks_share_the_yearly_budget():
    policy = Policy()
    assert sum(policy.alpha(check) for check in policy.checks.values()) == pytest.approx(0.05)
    assert set(policy.checks) == set(CHECKS.names())


def test_a_check_is_asked_for_by_its_class():
    policy = Policy.model_validate({"accuracy": {"floor": 0.8}})
    assert policy.check(Accuracy) is policy.checks["accuracy"]
    assert policy.check(Accuracy).floor == 0.8
    assert policy.check(LabelFree) == LabelFree()  # it has no settings, and so no section


def test_the_checks_stand_in_the_order_of_the_shipped_file():
    sections = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert list(Policy().model_dump()) == list(sections)
    checked = [name for name in sections if name in CHECKS.names()]
    assert checked == [name for name in CHECKS.names() if name in sections]


def test_the_digest_of_the_shipped_policy_is_that_of_decisions_in_the_database():
    known = "8ecf5de1cc8371b0cdc81edeff9a65bba409a577a2e1c2fff25f4b18400505b8"
    assert policy_digest(load_policy(SHIPPED)) == known


def test_budget_shares_over_one_are_refused(tmp_path):
    path = written(tmp_path, accuracy={"budget_share": 0.7}, prediction_drift={"budget_share": 0.2})
    with pytest.raises(ParamsError, match=r"sum to 1.1, at most 1 is allowed: prediction_drift 0.2, accuracy 0.7"):
        load_policy(path)


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"acuracy": {}}, "acuracy: unknown key. Did you mean accuracy"),
        ({"accuracy": {"flor": 0.9}}, "accuracy.flor: unknown key. Did you mean floor"),
        ({"accuracy": {"floor": "high"}}, "accuracy.floor: .*got 'high'"),
        ({"time_zone": "Mars"}, "time_zone: no time zone is called 'Mars'"),
        ({"time_zone": "../etc"}, "time_zone: no time zone is called"),
        ({"promotion": {"mode": "always"}}, "promotion.mode: "),
        ({"alerts": {"about": ["everything"]}}, "alerts.about.0: "),
        ({"labels": {"uniform_share": 0}}, "labels.uniform_share: "),
        ({"labels": {"per_night": "many"}}, "labels.per_night"),
        ({"false_alarm_probability_per_year": 1.5}, "false_alarm_probability_per_year: .*less than 1, got 1.5"),
        ({"prediction_drift": {"then": "panic"}}, "prediction_drift.then: .*'alert', 'labels' or 'retrain'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_told_with_the_path_of_its_key(tmp_path, sections, told):
    with pytest.raises(ParamsError, match=f"policy.yaml: {told}"):
        load_policy(written(tmp_path, **sections))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "not YAML"),
        (b"a: 2026-99-99", "not YAML: month must be in 1..12"),
        (b"[" * 5000, "not YAML"),
        (b"- a", "expected sections"),
        (None, "Is a directory"),
    ],
)
def test_a_file_that_is_no_yaml_is_named(tmp_path, content, told):
    path = tmp_path / "policy.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ParamsError, match=rf"policy\.yaml: .*{told}"):
        load_policy(path)


def test_the_digest_changes_with_a_setting_and_with_nothing_else(tmp_path):
    plain = written(tmp_path, retrain={"cooldown_days": 7})
    assert policy_digest(load_policy(plain)) == policy_digest(Policy())
    assert policy_digest(load_policy(written(tmp_path, retrain={"cooldown_days": 8}))) != policy_digest(Policy())


def test_labels_may_be_asked_for_as_a_number_or_as_a_share():
    assert LabelPlanning(per_night=20).wanted(2000) == 20
    assert LabelPlanning(per_night=0.05).wanted(2010) == 101


def test_models_share_the_yearly_budget():
    alone, shared = Policy(), Policy().shared_by(20)
    assert shared.alpha(shared.check(Accuracy)) == pytest.approx(alone.alpha(alone.check(Accuracy)) / 20)
