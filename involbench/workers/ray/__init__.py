"""Trials on a Ray cluster: an ordinary worker on a node for each, and the runner's side of it."""
