"""The processes that train, and what passes between them and the runner."""
