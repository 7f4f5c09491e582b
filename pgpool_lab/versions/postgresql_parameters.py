"""postgresql.conf's parameters that the lab sets and not every version knows.

Source: the release notes' sections on server configuration, and "Server Configuration" in each version's manual.
"""

from __future__ import annotations

from pgpool_lab.versions.numbers import parse

SPANS: dict[str, tuple[str, str | None]] = {
    "checkpoint_segments": ("9.4", "9.5"),
    "max_wal_size": ("9.5", None),
    "wal_keep_segments": ("9.4", "13"),
    "wal_keep_size": ("13", None),
    "log_replication_commands": ("9.5", None),
    "wal_retrieve_retry_interval": ("9.5", None),
    "jit": ("11", None),
}
"""The version that a parameter came with, and the one that has it no longer. 9.4 is where this table begins."""


def knows(version: str, name: str) -> bool:
    """Whether a version knows a parameter; one that isn't in the table is known to all."""
    came, went = SPANS.get(name, ("0", None))
    return parse(came) <= parse(version) and (went is None or parse(version) < parse(went))
