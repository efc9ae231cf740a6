"""`python -m involbench` is `involbench`."""

from involbench.cli import main

if __name__ == "__main__":
    main()
