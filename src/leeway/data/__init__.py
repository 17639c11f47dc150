"""Images in, dataset version out."""
