"""One function per use case, over ports."""
