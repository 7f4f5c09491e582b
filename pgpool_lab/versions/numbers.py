"""Version numbers, and tables that are keyed by the version in which something changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

Version = tuple[int, ...]


def parse(text: str) -> Version:
    """`4.3.5` as numbers, which compare as versions do. Raises ValueError for anything else."""
    return tuple(int(part) for part in text.split("."))


def since(table: Mapping[str, T], version: Version) -> T:
    """The entry in force: the one with the highest version that is not above `version`.

    Raises LookupError for a version older than the table.
    """
    reached = [known for known in map(parse, table) if known <= version]
    if not reached:
        raise LookupError(f"nothing is known of version {'.'.join(map(str, version))}")
    return table[".".join(map(str, max(reached)))]
