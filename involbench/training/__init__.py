"""Training one model as a trial says."""
