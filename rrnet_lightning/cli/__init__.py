"""The command line."""

from rrnet_lightning.cli.command import RRNetCLI, main

__all__ = ["RRNetCLI", "main"]
