"""Prepares a dataset version: data/shards and data/feedback -> data/dataset. Run in the workspace."""

import logging
import sys
from pathlib import Path

from leeway.data.manifest import build_manifest, write_manifest
from leeway.data.params import DataParams
from leeway.paramsfile import load_section
from leeway.stages.running import run_stage

log = logging.getLogger("leeway.stages.prepare")


def main() -> int:
    return run_stage("prepare", prepare)


def prepare() -> None:
    params = load_section(Path("params.yaml"), "data", DataParams)
    shards, feedback, dataset = Path("data/shards"), Path("data/feedback"), Path("data/dataset")
    log.info("prepare: reading %s and %s", shards, feedback)
    manifest = build_manifest(shards, feedback, params)
    write_manifest(manifest, dataset)
    for name, split in manifest.gaps():
        log.warning("prepare: class '%s' has no original image in the %s split", name, split)
    sizes = ", ".join(f"{split} {len(manifest.rows(split))}" for split in ("train", "val", "test"))
    log.info(
        "prepare: dataset %s: %d images (%s), %d findings, %d conflicting labels; listed in %s",
        *(manifest.digest[:12], len(manifest.table), sizes, len(manifest.findings), len(manifest.conflicts), dataset),
    )


if __name__ == "__main__":
    sys.exit(main())
