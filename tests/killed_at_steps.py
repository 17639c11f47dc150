"""Kills a process at each step that it takes towards the disk: writes, syncs, renames, deletions and transactions."""

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRELOADED = ["leeway.stores.opening", "leeway.stores.columnar.log", "duckdb", "pyarrow.parquet", "battery"]


def steps_of(act: Callable[[Path], object], folder: Path) -> list[str]:
    """Let another process do it, undisturbed; return the steps that it took."""
    note = folder.parent / "steps.txt"
    note.unlink(missing_ok=True)
    assert _run(_numbered, act, folder, 0, note) == 0
    return note.read_text().splitlines()


def killed_at(act: Callable[[Path], object], folder: Path, step: int) -> None:
    """Let another process begin it, and kill it at this step, counted from 1."""
    assert _run(_numbered, act, folder, step, folder.parent / "steps.txt") == -signal.SIGKILL


def killed_after(act: Callable[[Path], object], folder: Path, seconds: float | None) -> float:
    """Let another process do it, killed after so many seconds; return how many it took."""
    return _timed(act, folder, seconds)


def with_files_up_to(size: int, act: Callable[[Path], object], folder: Path) -> str:
    """Let another process do it, whose files cannot grow beyond so many bytes; return what it fails with."""
    note = folder.parent / "error.txt"
    note.unlink(missing_ok=True)
    assert _run(_limited, act, folder, size, note) == 0
    return note.read_text()


def _processes() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _run(target: Callable[..., None], *given: object) -> int | None:
    process = _processes().Process(target=target, args=given)
    process.start()
    process.join(120)
    code: int | None = process.exitcode
    return code


def _timed(act: Callable[[Path], object], folder: Path, seconds: float | None) -> float:
    begun = _processes().Event()
    process = _processes().Process(target=_begin, args=(act, folder, begun))
    process.start()
    assert begun.wait(120)
    start = time.monotonic()
    process.join(seconds)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return time.monotonic() - start


def _begin(act: Callable[[Path], object], folder: Path, begun: Any) -> None:
    begun.set()
    act(folder)


def _limited(act: Callable[[Path], object], folder: Path, size: int, note: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        act(folder)
        said = ""
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    note.write_text(said)


def _numbered(act: Callable[[Path], object], folder: Path, kill_at: int, note: Path) -> None:
    """Runs in a process of its own, whose system calls are counted."""
    import pyarrow.parquet as pq
    from sqlalchemy import Engine, event

    names: list[str] = []

    def step(name: str) -> None:
        names.append(name)
        if len(names) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(owner: Any, name: str) -> None:
        call = getattr(owner, name)

        def counting(*given: Any, **more: Any) -> Any:
            step(f"before {name}")
            answer = call(*given, **more)
            step(f"after {name}")
            return answer

        setattr(owner, name, counting)

    for owner, name in ((os, "fsync"), (os, "replace"), (os, "unlink"), (pq.ParquetWriter, "write_table")):
        counted(owner, name)

    def writes(connection: Any) -> bool:
        return bool(connection.get_execution_options().get("writes"))

    event.listen(Engine, "begin", lambda connection: writes(connection) and step("before BEGIN"))
    event.listen(Engine, "commit", lambda connection: writes(connection) and step("before COMMIT"))

    def executed(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if writes(connection) and statement.startswith(("INSERT", "DELETE")):
            step(f"after {' '.join(statement.split()[:3])}")

    event.listen(Engine, "after_cursor_execute", executed)
    act(folder)
    note.write_text("\n".join(names))
