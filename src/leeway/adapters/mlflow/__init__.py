"""MLflow: runs, registry, and the model it serves."""
