"""Descriptions, intervals and tests: pure functions of numbers and arrays."""

from involbench.statistics.permutation import Estimate, paired, two_sample

__all__ = ["Estimate", "paired", "two_sample"]
