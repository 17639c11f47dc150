"""Repeats of a night: the sample in which they are seen, and their copies counted."""

from dataclasses import replace

from leeway.checks.repeats import OFTEN, SAMPLE, surplus, suspects
from leeway.domain.records import Prediction, WindowCounts
from leeway.epoch import Epoch


def sample_of(epoch: Epoch, window: WindowCounts) -> list[Prediction]:
    """Return at most 2,000 of the night's predictions, drawn uniformly: the same ones whenever they are asked for.

    Those of the night that was asked for last are kept: its page is drawn from what its closing looked at.
    """
    kept, this = epoch.history.sampled, (window.night, window.position)
    if this not in kept:
        kept.clear()
        bounds = epoch.bounds(window.night)
        kept[this] = epoch.log.sample(epoch.version, *bounds, SAMPLE, stream="page", upto=window.position)
    return kept[this]


def with_repeats(epoch: Epoch, window: WindowCounts) -> WindowCounts:
    """Return the window with what it holds of images that came often."""
    if window.total < OFTEN:
        return window
    found = suspects(sample_of(epoch, window))
    if not found.images and not found.groups:
        return window
    counted = epoch.log.copies(
        epoch.version,
        *epoch.bounds(window.night),
        images=found.images,
        groups={name for name, _ in found.groups},
        upto=window.position,
    )
    return replace(window, repeats=surplus(epoch.version, found, counted))
