"""What differs between the supported versions of PostgreSQL and pgpool-II, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PostgresqlVersion:
    """What a PostgreSQL major version calls things (release notes of that version)."""

    major: int
    """The number that orders versions: 15 for 15.x."""
    recovery_style: str
    """`signal`: standby.signal and primary_conninfo as a parameter (since 12)."""
    wal_names: str
    """`wal`: functions and folders are called wal, not xlog (since 10)."""


POSTGRESQL: dict[str, PostgresqlVersion] = {
    "15": PostgresqlVersion(major=15, recovery_style="signal", wal_names="wal"),
}

PGPOOL: dict[str, tuple[int, int, int]] = {
    "4.3.5": (4, 3, 5),
}

DISTRIBUTIONS: dict[str, str] = {
    "debian12": "debian",
}
"""Distribution of the nodes, and the package family it belongs to."""
