"""The README's snippet that records from Python: it scores what comes in, and labels what is asked."""

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from leeway.stores.opening import Stores, open_stores
from processes import environment
from production import VERSION, begun
from tiny_bundle import square

Leeway = Callable[..., tuple[int, str, str]]
README = (Path(__file__).parents[2] / "README.md").read_text()
[SNIPPET] = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "open_workspace" in block]


def run(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def stores_of(workspace: Path) -> Stores:
    return open_stores(f"sqlite:///{workspace / '.leeway' / 'leeway.db'}")


def test_it_works_on_an_empty_queue_scores_what_comes_in_and_labels_what_is_asked(
    workspace: Path, leeway: Leeway
) -> None:
    now = datetime.now(UTC)
    assert run(SNIPPET, workspace) == ""  # nothing serves yet, and nothing waits
    with closing(stores_of(workspace)) as stores:
        begun(stores, at=now - timedelta(days=1))
    (workspace / "incoming").mkdir()
    for name in ("red", "green"):
        (workspace / "incoming" / f"{name}.png").write_bytes(square(name))
    assert [line.split()[-2] for line in sorted(run(SNIPPET, workspace).splitlines())] == ["green", "red"]
    tomorrow = f"{now + timedelta(days=1, hours=3):%Y-%m-%dT%H:%M:%S}"
    assert leeway(workspace, "monitor", "--simulate", "--as-of", tomorrow)[0] == 0
    run(SNIPPET, workspace)
    with closing(stores_of(workspace)) as stores:
        assert stores.log.count(VERSION, now - timedelta(hours=1), None) == 4
        assert stores.ledger.label_queue("colours") == []
        assert stores.ledger.label_counts()["colours"] == 2
