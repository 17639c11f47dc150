"""Prediction logs: files of what a model said, from whoever serves it."""
