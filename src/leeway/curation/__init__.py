"""The dataset under review: audit, label errors, corrections."""
