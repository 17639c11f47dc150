"""Pages for people: one look, one file each, no network and no script."""
