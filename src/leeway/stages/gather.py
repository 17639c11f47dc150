"""Gathers the images of `data.source` into shards: params.yaml -> data/shards. Run in the workspace.

It runs first, and always: so it says what is wrong anywhere in params.yaml and policy.yaml before anything is done.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from leeway import durable
from leeway.data.params import DataParams
from leeway.data.shards import gather_images
from leeway.paramsfile import load_section
from leeway.stages.running import run_stage
from leeway.stages.validation import validate_workspace
from leeway.version import __version__

log = logging.getLogger("leeway.stages.gather")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m leeway.stages.gather", description=__doc__)
    parser.add_argument(
        "--record-version", type=Path, metavar="FILE", help="write the installed leeway's version there"
    )
    version_file: Path | None = parser.parse_args(arguments).record_version

    def gather() -> None:
        validate_workspace()
        gather_stage(Path("data/shards"))
        if version_file is not None:
            record_version(version_file)

    return run_stage("gather", gather)


def gather_stage(folder: Path) -> None:
    source = load_section(Path("params.yaml"), "data", DataParams).source
    log.info("gather: looking through %s", source.place)
    found = gather_images(source, folder)
    log.info(
        "gather: %d files, %d inspected now, %d gone, %d unusable; %s %s",
        *(found.files, found.inspected, found.gone, found.unusable),
        *(folder, "updated" if found.changed else "unchanged"),
    )


def record_version(path: Path) -> None:
    """A workspace without src depends on this file instead of on the code. Untouched if it says so already."""
    text = f"{__version__}\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        durable.write_text(path, text)


if __name__ == "__main__":
    sys.exit(main())
