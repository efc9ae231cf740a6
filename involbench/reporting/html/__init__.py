"""`report.html`: one experiment on one page that needs nothing else."""
