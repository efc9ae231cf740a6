"""The operator, and training steps with it, timed against other ways to compute the same."""
