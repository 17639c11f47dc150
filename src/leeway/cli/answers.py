"""Answers: which schema the JSON object of each command has."""

from typing import Any

from leeway.cli import label_schemas as labels
from leeway.cli import log_schemas, schemas
from leeway.cli.ingest_schemas import IngestFacts


def answers() -> dict[str, Any]:
    """Return the type of what `--json` prints, by the words of the command after `leeway`."""
    from leeway.simulate.power import Power  # heavy, and asked for by nobody but the page and its test

    return {
        "init": schemas.InitFacts,
        "status": schemas.StatusFacts,
        "monitor": schemas.MorningsFacts | schemas.MorningFacts,  # one morning by itself with --model
        "retrain": schemas.RetrainedFacts,
        "release": schemas.ReleasedFacts,
        "promote": schemas.ReleasedFacts,
        "rollback": schemas.ReleasedFacts,
        "predict": schemas.PredictionsFacts,
        "heartbeat": schemas.HeartbeatFacts,
        "ingest": IngestFacts,
        "watch init": schemas.WatchInitFacts,
        "data audit": schemas.DataAuditFacts,
        "data sql": schemas.RowsFacts,
        "data label-errors": labels.LabelErrorsFacts,
        "data relabel": labels.RelabelledFacts,
        "labels export": labels.LabelsExportFacts,
        "labels import": labels.LabelsImportFacts,
        "labels conflicts": labels.LabelsConflictsFacts,
        "power": Power,
        "backtest": labels.BacktestFacts,
        "reopen": labels.ReopenFacts,
        "prune": labels.PruneFacts,
        "accept": labels.AcceptFacts,
        "upgrade": schemas.UpgradeFacts,
        "doctor": schemas.DoctorFacts,
        "log check": log_schemas.LogCheckFacts,
    }
