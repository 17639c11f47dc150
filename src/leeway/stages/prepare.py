"""Prepares a dataset version: data/shards and data/feedback -> data/dataset. Run in the workspace."""

import logging
import sys
from pathlib import Path

import pyarrow.compute as pc

from leeway.curation.audit import audit
from leeway.data.manifest import build_manifest, write_manifest
from leeway.data.params import DataParams
from leeway.data.split import SPLITS
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
    for warning in [*params.split.unusual(), *audit(manifest).warnings]:
        log.warning("prepare: %s", warning)
    sizes = ", ".join(f"{split} {len(manifest.rows(split))}" for split in SPLITS)
    held_out = pc.sum(manifest.table["held_out"]).as_py()
    log.info(
        "prepare: dataset %s: %d images (%s, held out %d), %d findings, %d conflicting labels; listed in %s",
        *(manifest.digest[:12], len(manifest.table), sizes, held_out),
        *(len(manifest.findings), len(manifest.conflicts), dataset),
    )


if __name__ == "__main__":
    sys.exit(main())
