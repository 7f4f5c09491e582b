"""The Pulumi engine and its plugins: found on this machine, downloaded, or built from pinned Go modules."""

from __future__ import annotations

from pgpool_lab.toolchain.cached import Toolchain, kept, needs, prepare, take
from pgpool_lab.toolchain.choice import INSTALLER, Choice, Source, choose, site_answers
from pgpool_lab.toolchain.stack import ensure_stack
from pgpool_lab.toolchain.variables import environment

__all__ = [
    "INSTALLER",
    "Choice",
    "Source",
    "Toolchain",
    "choose",
    "ensure_stack",
    "environment",
    "kept",
    "needs",
    "prepare",
    "site_answers",
    "take",
]
