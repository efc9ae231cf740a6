"""involbench: find out whether involution helps, from a YAML file and one command."""

__version__ = "0.1.0"
