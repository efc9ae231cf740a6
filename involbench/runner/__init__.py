"""Which trials are run, in which order, by which workers."""
