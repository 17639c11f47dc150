"""The nouns of the flow, and the edges of the system."""
