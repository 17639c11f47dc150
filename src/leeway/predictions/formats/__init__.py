"""Prediction logs as people have them: CSV, JSON lines, Parquet."""
