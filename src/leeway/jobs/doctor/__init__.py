"""Doctor: looks at everything that a workspace needs, and says of each part how it is and what mends it."""
