"""Past: the epochs that a trained model has had, each from when a version began to serve, or to answer."""

from dataclasses import replace
from datetime import date

from leeway.epoch import Epoch


def past_epochs(epoch: Epoch) -> list[Epoch]:
    """Return an epoch for each time that a version of this trained model began to serve, or to answer, in order.

    An epoch ends where the same version's next one begins.
    """
    known = {one.version: one for one in epoch.ledger.versions(epoch.model)}
    periods = [one for one in epoch.ledger.serving_periods(epoch.model) if one.version in known]
    begun = [replace(epoch, version=known[one.version], began_at=one.began_at) for one in periods]
    served = {one.version.version: one.first_night for one in reversed(begun)}
    answered = [replace(epoch, version=one, began_at=epoch.log.first_at(one)) for one in known.values()]
    begun += [
        one
        for one in answered
        if one.began_at and one.first_night < served.get(one.version.version, date.max) and one.history.windows
    ]
    begun.sort(key=lambda one: one.began_at or one.as_of)
    found = {(one.first_night, one.version.version): one for one in begun}
    return [
        replace(one, until=next((first for first, again in found if again == version and first > began), None))
        for (began, version), one in found.items()
    ]
