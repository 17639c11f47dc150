"""DVC entry points: files in, files out."""
