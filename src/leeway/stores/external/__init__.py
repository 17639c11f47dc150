"""Prediction logs that stay where they lie, in files or in tables of a warehouse: read there, never written."""
