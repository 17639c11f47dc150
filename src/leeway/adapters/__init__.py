"""The ports, implemented on real systems."""
