"""The replication checker of this host's pgpool, which pgpool's search for a new primary may have to wait for."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

PROCESSES = "/proc"
TITLE = b"pgpool: worker process"
"""What it calls itself (pool_worker_child.c)."""


def wake() -> None:
    """Have the checker let go of the lock that the search waits for, if it only sleeps with it.

    Told of an error by a PostgreSQL it sleeps for sr_check_period before it lets go (4.3.5, pool_process_query.c,
    do_query()). One that asks while a primary has failed takes the backend with the lowest number for the primary until
    the search has ended (PRIMARY_NODE_ID); if that is a standby, it answers "recovery is in progress". A signal ends
    the sleep. This one pgpool itself sends at the end of a failover.
    """
    for process in os.listdir(PROCESSES):  # noqa: PTH208 -- pathlib costs start-up time
        if process.isdigit() and title(process).startswith(TITLE):
            # It may have ended, or be another user's.
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(process), signal.SIGUSR1)


def title(process: str) -> bytes:
    """The command line of a process, as it shows in a list; nothing of one that has ended."""
    try:
        with open(f"{PROCESSES}/{process}/cmdline", "rb") as stream:  # noqa: PTH123 -- pathlib costs start-up time
            return stream.read()
    except OSError:
        return b""
