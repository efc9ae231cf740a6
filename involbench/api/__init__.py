"""What a script or a notebook uses; `involbench` exports it, and the command line uses it too."""
