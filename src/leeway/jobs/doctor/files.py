"""Files: params.yaml, the policies and the pipeline, each read as whoever uses it reads it."""

import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leeway.checks.policy import load_policy
from leeway.domain.text import counted
from leeway.errors import LeewayError, ParamsError, first_few
from leeway.jobs.doctor.diagnosis import Diagnosis, Patient, fail, ok, warn
from leeway.paramsfile import ParamsModel, load_section, read_yaml
from leeway.stages.validation import SECTIONS

STAGE = re.compile(r"-m leeway\.stages\.(\w+)")
TEMPLATED = "${"  # DVC fills it in
COPY = "compare it with a new workspace's (`leeway init DIR`)"


def params(patient: Patient) -> Iterator[Diagnosis]:
    """Is every section of params.yaml as its stage will read it, and is the source there?"""
    path = patient.folder / "params.yaml"
    read, mistakes = dict[str, ParamsModel](), list[str]()
    for name, model in SECTIONS.items():
        try:
            read[name] = load_section(path, name, model)
        except ParamsError as error:
            mistakes.append(str(error))
    if mistakes:
        yield fail("params", "; ".join(dict.fromkeys(mistakes)), f"mend it in {path.name}; {COPY}")
        return
    missing = _missing_source(read["data"], patient.folder)
    if missing:
        yield fail("params", f"params.yaml: data.source: {missing} is not there", "mend data.source in params.yaml")
        return
    yield ok("params", f"params.yaml: the sections {', '.join(SECTIONS)} are valid")


def policy(patient: Patient) -> Iterator[Diagnosis]:
    """Is the workspace's policy valid, and that of every model that is watched from files?"""
    own, watched = patient.settings.policy_path, sorted(patient.settings.watched.glob("*.yaml"))
    valid = True
    for path in [own, *watched]:
        try:
            load_policy(path)
        except LeewayError as error:
            valid, where = False, path.relative_to(patient.folder).as_posix()
            yield fail("policy", str(error), f"mend it in {where}; each key is explained in monitoring/README.md")
    if valid:
        also = f", with {counted(len(watched), 'watched model')} beside it" if watched else ""
        yield ok("policy", f"monitoring/policy.yaml is valid{also}; nights are those of {load_policy(own).time_zone}")


def pipeline(patient: Patient) -> Iterator[Diagnosis]:
    """Will DVC take dvc.yaml: its stages, what they depend on, the params that they name, and dvc.lock?"""
    try:
        stages = _stages(patient.folder / "dvc.yaml")
        if (patient.folder / "dvc.lock").exists():
            read_yaml(patient.folder / "dvc.lock")
    except ParamsError as error:
        mend = f"git checkout -- the file that is named, or mend it by hand; {COPY}"
        yield fail("pipeline", str(error), mend)
        return
    problems = [f"{name}: {problem}" for name, stage in stages.items() for problem in _problems(stage, stages, patient)]
    if problems:
        yield fail("pipeline", f"dvc.yaml: stages.{'; stages.'.join(problems[:3])}", f"mend it in dvc.yaml; {COPY}")
    elif not (patient.folder / "dvc.lock").exists():
        yield ok("pipeline", f"dvc.yaml has {counted(len(stages), 'stage')}; none was run yet")
    else:
        yield ok("pipeline", f"dvc.yaml has {counted(len(stages), 'stage')}, and dvc.lock says what they made")


def missing_stages(patient: Patient) -> Iterator[Diagnosis]:
    """Are the stages there that a retraining reproduces?"""
    try:
        lacking = sorted({"gather", "prepare", "train", "evaluate"} - _stages(patient.folder / "dvc.yaml").keys())
    except ParamsError:
        return  # `pipeline` says so
    if lacking:
        yield warn("stages", f"dvc.yaml has no stage {first_few(lacking)}, which a release may need", COPY)


def _missing_source(data: ParamsModel, folder: Path) -> str:
    path = getattr(getattr(data, "source", None), "path", None)
    return "" if path is None or (folder / path).exists() else str(path)


def _stages(path: Path) -> Mapping[str, Any]:
    stages = read_yaml(path).get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise ParamsError(f"{path.name}: stages: expected names with their settings, got {stages!r:.80}")
    return stages


def _problems(stage: dict[str, Any], stages: Mapping[str, Any], patient: Patient) -> Iterator[str]:
    inner = _inner(stage)
    if "cmd" not in inner:
        yield "cmd: is missing"
        return
    for module in STAGE.findall(str(inner["cmd"])):
        if importlib.util.find_spec(f"leeway.stages.{module}") is None:
            yield f"cmd: this leeway has no stage '{module}'"
    if "wdir" in inner or TEMPLATED in str(inner):
        return
    made = {path for one in stages.values() for path in _paths(_inner(one))}
    for path in map(str, inner.get("deps") or []):
        known = any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in made)
        if "://" not in path and not known and not (patient.folder / path).exists():
            yield f"deps: {path} is not there"
    content = _content(patient.folder / "params.yaml")
    for key in inner.get("params") or []:
        if content is not None and isinstance(key, str) and not _has(content, key):
            yield f"params: params.yaml has no {key}"


def _inner(stage: dict[str, Any]) -> dict[str, Any]:
    """What is done, of a stage that does it for each of several things."""
    inner = stage.get("do")
    return inner if isinstance(inner, dict) else stage


def _paths(stage: dict[str, Any]) -> Iterator[str]:
    """What a stage makes."""
    for kind in ("outs", "metrics", "plots"):
        for out in stage.get(kind) or []:
            yield from out if isinstance(out, dict) else [str(out)]


def _content(path: Path) -> dict[str, Any] | None:
    """Of params.yaml; None where it cannot be read, which `params` says."""
    try:
        return read_yaml(path)
    except ParamsError:
        return None


def _has(content: Any, key: str) -> bool:
    for step in key.split("."):
        if not isinstance(content, dict) or step not in content:
            return False
        content = content[step]
    return True
