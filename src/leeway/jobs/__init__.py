"""Sequences of steps, each written once."""
