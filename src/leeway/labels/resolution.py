"""Resolution: which prediction of which model each statement of a file is about, asked of the stores in bulk."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from leeway.domain.stores import Ledger
from leeway.epoch import Epoch
from leeway.labels.files import readings
from leeway.labels.judge import Subject
from leeway.labels.label_studio import NO_TEXT, Statement


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a file may be about, and whose a statement is that names none."""

    ledger: Ledger
    epoch_of: Callable[[str], Epoch]  # of a model's last version
    named: str | None = None  # on the command line: a statement that names another model is refused
    default: str | None = None  # whose a prediction is that is pinned for no model


def resolve(statements: Sequence[Statement], models: Models) -> list[Subject]:
    """Return what each statement is about, in their order. Each store is asked once for each model, never by row.

    The model that a statement names counts; else the one on the command line, the one for which its prediction is
    pinned, or the default. Of what a cell of a spreadsheet may stand for, the first id that is known is meant.
    """
    subjects = _whose(statements, models)
    for model in sorted({one.model for one in subjects if one.model}):
        rows = [at for at, one in enumerate(subjects) if one.model == model]
        known = _known(models.epoch_of(model), [statements[at] for at in rows])
        for at, subject in zip(rows, known, strict=True):
            subjects[at] = subject
    return subjects


def _known(epoch: Epoch, statements: Sequence[Statement]) -> list[Subject]:
    """What these statements, all about this model, are about."""
    cells = [_readings(one, one.prediction_id) for one in statements]
    pinned = {one.id for one in epoch.ledger.pinned(epoch.model, {text for cell in cells for text in cell})}
    unpinned = {text for cell in cells for text in takewhile(lambda text: text not in pinned, cell)}
    logged = {one.id: one for one in epoch.log.by_ids(epoch.model, unpinned)} if unpinned else {}
    found = [next((text for text in cell if text in pinned or text in logged), None) for cell in cells]
    classes, accepted = tuple(epoch.version.reference.classes), epoch.class_rule.names
    return [
        _unknown(one, epoch.model)
        if known is None
        else Subject(epoch.model, known, classes, accepted, unpinned=logged.get(known))
        for one, known in zip(statements, found, strict=True)
    ]


def _unknown(one: Statement, model: str) -> Subject:
    problem = f"prediction {one.prediction_id!r} is not known here; was it exported from another workspace?"
    return Subject(model, one.prediction_id, problem=problem)


def _whose(statements: Sequence[Statement], models: Models) -> list[Subject]:
    """Subjects as they are written, with their model, or with the reason why they are of none."""
    written = {name for one in statements for name in _readings(one, one.model)} | {models.default or ""}
    here = {name for name in written if name and models.ledger.versions(name)}
    unnamed = [] if models.named else [one for one in statements if not one.model.strip()]
    ids = {text for one in unnamed for text in _readings(one, one.prediction_id)}
    queues = models.ledger.queues(ids) if ids else {}
    return [_owned(one, models, here, queues) for one in statements]


def _owned(one: Statement, models: Models, here: Collection[str], queues: Mapping[str, Sequence[str]]) -> Subject:
    if not one.prediction_id.strip():
        return Subject("", one.prediction_id)
    if one.model.strip():
        return _of_its_model(one, models.named, here)
    if models.named:
        return Subject(models.named, one.prediction_id)
    owners = sorted({model for text in _readings(one, one.prediction_id) for model in queues.get(text, ())})
    if not owners:
        owners = [name for name in here if name == models.default]
    if len(owners) == 1:
        return Subject(owners[0], one.prediction_id)
    of = f"is one of {' and one of '.join(owners)}" if owners else "is not known here"
    return Subject("", one.prediction_id, problem=f"prediction {one.prediction_id!r} {of}; say whose: --model NAME")


def _of_its_model(one: Statement, named: str | None, here: Collection[str]) -> Subject:
    names = _readings(one, one.model)
    if named is None:
        model = next((name for name in names if name in here), None)
        problem = f"model {one.model!r} is not known here; was it exported from another workspace?"
    else:
        model = named if named in names else None
        problem = f"it is of model {one.model!r}, and --model says {named!r}; import it without --model"
    return Subject("", one.prediction_id, problem=problem) if model is None else Subject(model, one.prediction_id)


def _readings(one: Statement, text: str) -> tuple[str, ...]:
    """What the text may stand for, the likeliest first, as far as a database takes it."""
    texts = readings(text) if one.from_spreadsheet else (text,)
    return tuple(text for text in texts if text.strip() and not NO_TEXT.search(text))
