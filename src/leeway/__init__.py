"""Leeway keeps an image classifier accurate after it ships."""

__version__ = "0.1.0"
