"""Checks that come with Leeway; importing this module registers them."""

from leeway.checks.accuracy import Accuracy, LabelFree, MonthlyDrop
from leeway.checks.attribution import AttributionOfShift
from leeway.checks.class_accuracy import ClassAccuracy
from leeway.checks.drift import PredictionDrift
from leeway.checks.traffic import Traffic

__all__ = ["Accuracy", "AttributionOfShift", "ClassAccuracy", "LabelFree", "MonthlyDrop", "PredictionDrift", "Traffic"]
