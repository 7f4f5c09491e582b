"""The parameters that a pgpool release knows: one file of names for each release (its pgpool.conf.sample)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


@cache
def known(version: str) -> frozenset[str]:
    """Names of all parameters of a release; a final N stands for a node's number. Raises FileNotFoundError."""
    return frozenset(Path(__file__).with_name(f"pgpool-{version}.txt").read_text().split())


def general(name: str) -> str:
    """A parameter's name with N for the number that it ends with: `backend_weight0` is listed as `backend_weightN`."""
    return re.sub(r"\d+$", "N", name)
