"""From the runs of an experiment to the comparison of its models."""
