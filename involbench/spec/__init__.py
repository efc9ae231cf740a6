"""The experiment spec: its schema, and how it is read."""
