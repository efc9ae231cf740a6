"""The results tree: records, files, locks, cleanup."""
