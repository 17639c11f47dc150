"""Names of the release before, for one release more: see leeway.wiring."""
