"""Statistics of the monitor: pure functions on numpy arrays. Needs numpy and scipy only."""
