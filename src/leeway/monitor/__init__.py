"""The nightly look at what models say: close, check, decide, tell people."""
