"""Measuring time and memory: the operator, training steps, networks, exports."""
