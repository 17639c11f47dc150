"""A challenger that was refused for want of gate labels gets them, and the nightly job judges it again, by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from PIL import Image

from leeway.domain.records import Cause, Release
from leeway.errors import RegistryError
from leeway.evaluation.checklist import Checklist, ChecklistItem, write_checklist
from leeway.jobs import epochs
from leeway.jobs.init import init_workspace
from leeway.jobs.nightly import Nightly, nightly
from leeway.jobs.releasing import approve, release_bundle
from leeway.labels.queue import find_queue
from leeway.monitor.standing import concerns
from leeway.release.waiting import draws_missing, waiting
from leeway.settings import Settings
from leeway.stages import gather, prepare
from leeway.stores.opening import Stores
from leeway.workspace import Workspace
from memory_ports import MemoryNotifier, MemoryRegistry
from production import draws_of, label_all, morning, night, open_in, send
from tiny_bundle import COLOURS, write_tiny_bundle

LATER = morning(0) + timedelta(hours=1)  # than version 1 began to serve
WRONG = -0.05  # temperature of a bundle that is never right
POLICY = {
    "labels": {"per_night": 10, "burst_on_alarm": 40},
    "promotion": {"mode": "auto", "gate_share": 0.5, "margin_points": 10},
    "alerts": {"about": ["release"]},
}


class WithoutTags(MemoryRegistry):
    """A registry that fails where a version is judged."""

    def tags(self, model: str, version: int) -> dict[str, str]:
        if version == 2:
            raise RegistryError("MLflow cannot be reached")
        return super().tags(model, version)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset version of photos that production never sends."""
    folder = tmp_path_factory.mktemp("template") / "colours"
    init_workspace(folder)
    for name, colour in COLOURS.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(40):
            shade = tuple(channel + number % 20 for channel in colour)
            Image.new("RGB", (16 + number // 20, 16), shade).save(folder / "photos" / name / f"{number:02d}.png")
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["data"]["source"] = {"kind": "folder", "path": "photos"}
    params["data"]["split"] |= {"val": 0.2, "test": 0.4}
    params["data"]["near_duplicates"]["max_distance"] = None
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    (folder / "monitoring" / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["gather"])
        assert (gather.main(), prepare.main()) == (0, 0)
    return folder


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    opened = open_in(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def workspace(template: Path, tmp_path: Path, stores: Stores) -> Workspace:
    """Version 1 serves; version 2 is right where it is wrong, trained since accuracy fell, and refused: no labels."""
    made = Workspace(Settings(workspace=template, model="colours").resolved())
    made.__dict__.update(
        stores=stores, registry=MemoryRegistry(tmp_path / "registry"), notifier=MemoryNotifier(), trigger=None
    )
    versions, registry = made.versions, made.registry
    versions.register(bundle_in(tmp_path / "old", WRONG), reason="the first")
    registry.set_alias("colours", "champion", 1)
    epochs.reconcile(made, morning(0))
    versions.register(bundle_in(tmp_path / "new", 0.05), reason="accuracy fell", cause=Cause.ACCURACY)
    write_checklist(Checklist(digest_of(made, 2), (ChecklistItem("head", "pass", "3 of 3"),)), made.checklist)
    assert approve(made, 2, LATER, approved_by="a person").outcome == "refused"
    return made


def bundle_in(folder: Path, temperature: float) -> Path:
    write_tiny_bundle(folder, temperature=temperature)
    return folder


def digest_of(workspace: Workspace, version: int) -> str:
    return str(workspace.registry.tags("colours", version)["bundle_digest"])


def live(workspace: Workspace, number: int, *, wrong: int = 0) -> Nightly:
    """A night of production and the morning after it; then people answer the whole queue."""
    send(workspace.stores, number, images=workspace.images)
    done = nightly(workspace, morning(number))
    label_all(workspace.stores, number, wrong=wrong)
    return done


def releases(workspace: Workspace) -> list[Release]:
    return workspace.ledger.releases("colours")


def status(workspace: Workspace, number: int) -> str:
    champion = epochs.find_champion(workspace, morning(number))
    assert champion is not None
    return "; ".join(one.text for one in concerns(champion, find_queue(champion)))


def gate_draws(workspace: Workspace, number: int) -> int:
    plan = f"colours/1/{night(number)}"
    return sum(one.purpose == "gate" for one in draws_of(workspace.stores, plan))


def test_it_is_told_with_how_many_labels_it_could_be_judged_and_the_next_plan_asks_for_them(
    workspace: Workspace,
) -> None:
    [refused] = releases(workspace)
    assert (refused.outcome, refused.wanted) == ("refused", 20)
    assert "with about 20 recent labels the gate could tell: 20 more, which the next 1 night ask for" in refused.reason
    assert "promotion.gate_per_night" in refused.reason
    assert "version 2 waits for gate labels, 0 of 20 are in" in status(workspace, 0)
    live(workspace, 1)
    assert gate_draws(workspace, 1) == 20
    assert "the gate labels that it waited for are in" in status(workspace, 1)


def test_the_nightly_job_judges_it_again_once_the_labels_are_in_and_tells_people(workspace: Workspace) -> None:
    live(workspace, 1)
    assert len(releases(workspace)) == 1, "asked for, and not answered yet"
    done = live(workspace, 2)
    assert done.failures.errors == []
    promoted = releases(workspace)[-1]
    assert [(one.version, one.outcome) for one in releases(workspace)] == [(2, "refused"), (2, "promoted")]
    assert "McNemar" in promoted.reason
    assert workspace.registry.aliases("colours")["champion"] == 2
    assert workspace.ledger.serving_periods("colours")[-1].version == 2
    titles = [title for title, _ in workspace.notifier.sent]  # type: ignore[attr-defined]
    assert titles[1:] == ["leeway: colours version 2 refused", "leeway: colours version 2 promoted"]


def test_labels_that_wait_for_their_answers_are_not_asked_for_twice(workspace: Workspace) -> None:
    def missing(number: int) -> int:
        champion = epochs.find_champion(workspace, morning(number))
        assert champion is not None
        return draws_missing(champion)

    assert missing(1) == 20
    send(workspace.stores, 1, images=workspace.images)
    nightly(workspace, morning(1))
    assert missing(1) == 0
    nightly(workspace, morning(1))
    assert len(releases(workspace)) == 1


def test_a_promotion_again_with_the_same_labels_is_the_same_look(workspace: Workspace) -> None:
    again = approve(workspace, 2, LATER, approved_by="a person")
    assert again.reason == releases(workspace)[0].reason
    tags = workspace.registry.tags("colours", 2)
    assert '"number": 1, "look": 1, "labels": 0' in tags["gate_attempt"]


def test_a_newer_challenger_takes_its_place_and_is_the_second_attempt(workspace: Workspace) -> None:
    digest = write_tiny_bundle(workspace.bundle, temperature=WRONG / 2)
    write_checklist(Checklist(digest, (ChecklistItem("head", "pass", "3 of 3"),)), workspace.checklist)
    made = release_bundle(workspace, LATER, reason="a person")
    assert workspace.registry.tags("colours", 3)["cause"] == "hand"
    assert '"number": 2, "look": 1' in workspace.registry.tags("colours", 3)["gate_attempt"]
    champion = epochs.find_champion(workspace, morning(0))
    assert champion is not None
    waits = waiting(champion)
    assert waits is not None
    assert (made.outcome, made.version, waits.version) == ("refused", 3, 3)


def test_a_challenger_that_cannot_be_judged_stops_nothing_else(workspace: Workspace) -> None:
    live(workspace, 1)
    workspace.__dict__["registry"] = WithoutTags(**vars(workspace.registry))
    send(workspace.stores, 2, images=workspace.images)
    done = nightly(workspace, morning(2))
    assert [str(one) for one in done.failures.errors] == ["MLflow cannot be reached"]
    assert done.mornings[0].decided_now
    assert night(2) in done.mornings[0].labels_asked
    assert len(releases(workspace)) == 1
