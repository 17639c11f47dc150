"""Prefect: starts the training flow."""
