"""The prediction log in columns: Parquet for the past, an SQLite file for today."""
