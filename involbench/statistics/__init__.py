"""Tests and intervals: pure functions of numbers."""
