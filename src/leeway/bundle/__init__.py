"""What a model version contains, and how it answers."""
