"""Tables of the ledger: what was asked, answered, concluded, released and sent. None points into the log."""

from sqlalchemy import JSON, Date, Double, ForeignKey, ForeignKeyConstraint, Index, Integer, Table, text

from leeway.domain.records import Action, DecisionState, Status
from leeway.stores.schema import TEXT, UtcDateTime, column, metadata, words

SERVES = "ended_at IS NULL"

ledger = Table(
    "ledger",
    metadata,
    column("id", TEXT, key=True),
    column("secret", TEXT),  # of the permanent numbers
    column("made_at", UtcDateTime),
    column("reconciled_at", UtcDateTime, null=True),  # with the registry
)

models = Table(
    "models",
    metadata,
    column("model", TEXT, key=True),
    column("version", Integer, key=True),
    column("bundle_digest", TEXT),
    column("dataset_digest", TEXT),
    column("reference", JSON),
)

epochs = Table(
    "epochs",
    metadata,
    column("id", Integer, key=True),
    column("model", TEXT),
    column("version", Integer),
    column("began_at", UtcDateTime),
    column("ended_at", UtcDateTime, null=True),
    column("why", TEXT),
    Index("epoch_that_serves", "model", unique=True, sqlite_where=text(SERVES), postgresql_where=text(SERVES)),
)

pins = Table(
    "pins",
    metadata,
    column("model", TEXT, key=True),
    column("prediction_id", TEXT, key=True),
    column("version", Integer),
    column("occurred_at", UtcDateTime),
    column("image", TEXT),
    column("predicted_class", TEXT),
    column("second_class", TEXT, null=True),
    column("confidence", Double, null=True),
    column("energy", Double, null=True),
    column("group", TEXT),
    column("slice", TEXT, null=True),
    column("review", TEXT, null=True),
)

label_plans = Table(
    "label_plans",
    metadata,
    column("id", TEXT, key=True),
    column("model", TEXT),
    column("version", Integer),
    column("night", Date),
    column("made_at", UtcDateTime),
    column("predictions", Integer),
    column("mean_guess", Double),
    column("closed_at", UtcDateTime, null=True),
    column("stratum_shares", JSON),
    column("parts", JSON),
    column("uniform_share", Double),
    column("given", JSON),
    column("answer_rates", JSON),
    column("seconded", Double),
    column("applied_by", TEXT, null=True),
    column("position", TEXT, null=True),  # of the log
    column("labels_upto", Integer, null=True),  # labels.id when it closed: what counts of it; null: all that are in
    column("late_of", TEXT, null=True),  # the plan whose draws it holds that were answered after that one closed
    column("second_opinion", TEXT),  # none, errors: what of it goes to a second person
    Index("label_plans_of_model", "model", "version", "night"),
)

draws = Table(
    "draws",
    metadata,
    column("id", TEXT, key=True),
    column("plan_id", TEXT, ForeignKey("label_plans.id")),
    column("model", TEXT),
    column("prediction_id", TEXT),
    column("purpose", TEXT),
    column("stratum", TEXT),
    column("probability", Double),
    column("guess", Double),
    column("position", Integer),  # order within the plan
    ForeignKeyConstraint(["model", "prediction_id"], ["pins.model", "pins.prediction_id"]),
    Index("draws_of_plan", "plan_id", "position"),
    Index("draws_of_prediction", "model", "prediction_id"),
)

labels = Table(
    "labels",
    metadata,
    column("id", Integer, key=True),  # in the order in which they were recorded
    column("model", TEXT),
    column("prediction_id", TEXT),  # may come before its prediction
    column("labeler", TEXT),
    column("label", TEXT, null=True),  # null where the answer is another
    column("answer", TEXT),  # label, unsure, none of these classes
    column("kind", TEXT),  # drawn, census, volunteered
    column("mode", TEXT),  # single, grid: how it was given
    column("labelled_at", UtcDateTime),
    Index("labels_of_prediction", "model", "prediction_id"),
)

windows = Table(
    "windows",
    metadata,
    column("model", TEXT, key=True),
    column("version", Integer, key=True),
    column("night", Date, key=True),
    column("classes", JSON),
    column("counts", JSON),
    column("foreign", Integer),
    column("histogram", JSON),
    column("without_confidence", Integer),
    column("slices", JSON),
    column("repeats", JSON),
    column("start", UtcDateTime),
    column("end", UtcDateTime),
    column("closed_at", UtcDateTime),
    column("position", TEXT, null=True),  # of the log when it was counted
)

night_claims = Table(
    "night_claims",
    metadata,
    column("model", TEXT, key=True),
    column("version", Integer, key=True),
    column("night", Date, key=True),
    column("holder", TEXT),  # who decides it
    column("until", UtcDateTime),  # when another may
    column("token", Integer),  # grows with every claim
)

reopenings = Table(
    "reopenings",
    metadata,
    column("id", Integer, key=True),
    column("at", UtcDateTime),
    column("model", TEXT),
    column("from_night", Date),
    column("content", JSON),  # what was taken back, by table
)

decisions = Table(
    "decisions",
    metadata,
    column("key", TEXT, key=True),
    column("model", TEXT),
    column("version", Integer),
    column("night", Date),
    column("action", words(Action)),
    column("reason", TEXT),
    column("made_at", UtcDateTime),
    column("policy_digest", TEXT),
    column("state", words(DecisionState)),
    column("outcome", TEXT),
    column("claimed_at", UtcDateTime, null=True),
    column("class_weights", JSON),
    column("cause", TEXT),  # of a retraining request
    Index("decisions_of_model", "model", "made_at"),
)

check_results = Table(
    "check_results",
    metadata,
    column("decision_key", TEXT, ForeignKey("decisions.key"), key=True),
    column("position", Integer, key=True),  # order in which the policy lists its checks
    column("model", TEXT),
    column("version", Integer),
    column("night", Date),
    column("check", TEXT),
    column("status", words(Status)),
    column("reason", TEXT),
    column("statistic", Double, null=True),
    column("threshold", Double, null=True),
    column("effect", Double, null=True),
    column("n", Integer),
    column("details", JSON),
    column("state", JSON),
    Index("check_results_of_model", "model", "version", "night"),
)

releases = Table(
    "releases",
    metadata,
    column("id", Integer, key=True),
    column("model", TEXT),
    column("version", Integer),
    column("previous", Integer, null=True),
    column("outcome", TEXT),
    column("reason", TEXT),
    column("at", UtcDateTime),
    column("wanted", Integer),  # gate labels with which it is judged again
    column("wanted_since", Date, null=True),
)

alerts = Table(
    "alerts",
    metadata,
    column("key", TEXT, key=True),
    column("title", TEXT),
    column("body", TEXT),
    column("made_at", UtcDateTime),
    column("sent_at", UtcDateTime, null=True),
    column("error", TEXT),
)

deliveries = Table(
    "deliveries",
    metadata,
    column("key", TEXT, ForeignKey("alerts.key"), key=True),
    column("channel", TEXT, key=True),
    column("sent_at", UtcDateTime, null=True),
    column("error", TEXT),
    column("tries", Integer),
    column("tried_at", UtcDateTime, null=True),
    column("holder", TEXT),  # who is sending it
    column("until", UtcDateTime),  # when another may
)
