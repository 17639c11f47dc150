"""The policy: what it promises, and how it refuses a mistake."""

from pathlib import Path

import pytest
import yaml

from leeway.checks.policy import Policy, load_policy, policy_digest
from leeway.checks.registry import CHECKS
from leeway.errors import ParamsError

SHIPPED = Path(__file__).parents[3] / "monitoring" / "policy.yaml"
RUNBOOK = SHIPPED.with_name("README.md")


def written(folder: Path, **sections: object) -> Path:
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return path


def test_the_shipped_policy_states_every_key_and_its_default():
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert content == Policy().model_dump(mode="json")
    assert load_policy(SHIPPED) == Policy()


def test_the_runbook_has_a_row_for_every_key_and_a_paragraph_for_every_check():
    text = RUNBOOK.read_text(encoding="utf-8")
    for section, content in Policy().model_dump().items():
        for key in content if isinstance(content, dict) else [None]:
            assert f"| `{section}{'.' + key if key else ''}` |" in text
    for name in CHECKS.names():
        assert f"### `{name}`" in text


def test_the_checks_share_the_yearly_budget():
    policy = Policy()
    assert sum(policy.alpha(check) for check in policy.checks.values()) == pytest.approx(0.05)
    assert set(policy.checks) == set(CHECKS.names())
    assert policy.checks["accuracy"] is policy.accuracy


def test_budget_shares_over_one_are_refused(tmp_path):
    path = written(tmp_path, accuracy={"budget_share": 0.8}, prediction_drift={"budget_share": 0.3})
    with pytest.raises(ParamsError, match=r"sum to 1.1, at most 1 is allowed: prediction_drift 0.3, accuracy 0.8"):
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
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_told_with_the_path_of_its_key(tmp_path, sections, told):
    with pytest.raises(ParamsError, match=f"policy.yaml: {told}"):
        load_policy(written(tmp_path, **sections))


def test_the_digest_changes_with_a_setting_and_with_nothing_else(tmp_path):
    plain = written(tmp_path, retrain={"cooldown_days": 7})
    assert policy_digest(load_policy(plain)) == policy_digest(Policy())
    assert policy_digest(load_policy(written(tmp_path, retrain={"cooldown_days": 8}))) != policy_digest(Policy())
