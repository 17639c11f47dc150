"""DuckDB: SQL over a dataset version."""
