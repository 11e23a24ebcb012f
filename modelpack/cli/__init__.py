"""The command `modelpack`."""

from modelpack.cli.app import app, main

__all__ = ["app", "main"]
