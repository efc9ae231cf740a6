"""`report.html`: one experiment on one self-contained page."""
