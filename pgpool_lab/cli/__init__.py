"""The command line: one module a group of commands."""

from pgpool_lab.cli.app import app

__all__ = ["app"]
