"""The Pulumi engine and its plugins: found on this machine, downloaded, or built from pinned Go modules."""

from __future__ import annotations

from pgpool_lab.toolchain.cached import Toolchain, made, prepare, take
from pgpool_lab.toolchain.choice import Choice, Source, choose
from pgpool_lab.toolchain.stack import ensure_stack
from pgpool_lab.toolchain.variables import environment

__all__ = ["Choice", "Source", "Toolchain", "choose", "ensure_stack", "environment", "made", "prepare", "take"]
