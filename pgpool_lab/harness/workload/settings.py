"""How the clients behave: as an application with sane settings does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkloadSettings:
    """How many clients there are, how fast they go, how long they wait. Times in seconds."""

    writers: int = 2
    writes_per_second: float = 10.0
    """By all writers together: what a cluster of emulated nodes on two shared cores bears beside its own work."""
    readers: int = 1
    reads_per_second: float = 2.0
    """By all readers together."""
    reads_per_connection: int = 5
    """pgpool chooses the backend when a session begins: a reader that stayed would watch one backend only."""
    connect_seconds: int = 2
    """For each host of the connection string; libpq takes no less than 2."""
    statement_seconds: float = 5.0
    """A server that is alive and doesn't answer, such as a stopped process, is given up after this."""
    back_off_seconds: float = 0.25
    """Between a failure and the next attempt."""
