"""Brings params.yaml and policies to this version: keys are added and moved, values and comments stay."""

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from leeway.checks.policy import Policy
from leeway.jobs.yaml_text import add_missing, move, replace_value
from leeway.paramsfile import parse_section
from leeway.stages.validation import SECTIONS, validate_params


@dataclass(frozen=True, slots=True)
class Renewed:
    """A YAML file's new text, and in a few words what changed."""

    text: str
    changes: tuple[str, ...]


def renew_params(text: str, template: str) -> Renewed:
    """Return params.yaml with the keys of this version. Raises ParamsError for a key that no release had."""
    text, added = add_missing(text, template)
    moved = []
    for section, model in SECTIONS.items():
        for old, new in model.MOVED.items():
            before, text = text, move(text, f"{section}.{old}", f"{section}.{new}")
            if text != before:
                moved.append(f"{section}.{old} is {section}.{new} now")
    validate_params(yaml.safe_load(text))
    return Renewed(text, (*_told(added), *moved))


def renew_policy(text: str, template: str, *, name: str) -> Renewed:
    """Return a policy with the keys of this version. Raises ParamsError for a key that no release had.

    A check that is new here gets what the others leave of the false-alarm budget.
    """
    text, added = add_missing(text, template)
    text, capped = _within_budget(text, added)
    parse_section(yaml.safe_load(text), Policy, where=name)
    return Renewed(text, (*_told(added), *capped))


def _told(added: Sequence[str]) -> list[str]:
    if not added:
        return []
    return [f"{len(added)} {'key' if len(added) == 1 else 'keys'} added: {', '.join(added)}"]


def _within_budget(text: str, added: Sequence[str]) -> tuple[str, list[str]]:
    """The text with smaller parts of the budget for the checks that were added, where all together exceed it."""
    sections = {name: one for name, one in yaml.safe_load(text).items() if isinstance(one, dict)}
    shares = {name: one["budget_share"] for name, one in sections.items() if _is_share(one.get("budget_share"))}
    new = [name for name in shares if name in added or f"{name}.budget_share" in added]
    left = round(1 - sum(share for name, share in shares.items() if name not in new), 9)
    told = []
    for name in new:
        share = min(shares[name], max(left, 0))
        left -= share
        if share < shares[name]:
            text = replace_value(text, f"{name}.budget_share", f"{share:g}")
            told.append(f"{name}.budget_share is {share:g}, since the other checks spend the rest of the budget")
    return text, told


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
