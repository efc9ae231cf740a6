"""Descriptions, intervals and tests: pure functions of numbers and arrays."""
