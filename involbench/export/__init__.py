"""Trained networks, taken to where they will run: files that other runtimes read."""
