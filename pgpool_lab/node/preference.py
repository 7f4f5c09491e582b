"""A switchover's wish: the standby that the failover script promotes among equally advanced ones.

It is an advisory lock on that standby, which the script sees when it asks where the standby stands: whichever pgpool's
host runs the script, and gone with the session, so that no wish outlives its switchover.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from . import advisory
from .configuration import PASSWORDS, Config, StepFailed, node


@contextmanager
def preferred(config: Config, name: str) -> Iterator[None]:
    """While this lasts, `name` is preferred. Raises StepFailed when it cannot be told so."""
    postgres = config["postgresql"]
    command = [f"{postgres['client_bin']}/psql", "-XAtqw", "-h", node(config, name)["ip"], "-p", str(postgres["port"])]
    command += ["-U", config["users"]["superuser"], "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    session = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # The service account may not enter root's home.
        cwd="/",
        env={**os.environ, "PGPASSFILE": PASSWORDS, "PGCONNECT_TIMEOUT": "5"},
    )
    with session:
        try:
            if session.stdin is None or session.stdout is None:
                raise StepFailed("psql has no pipes")
            with suppress(BrokenPipeError):
                session.stdin.write(f"SELECT 'held' FROM pg_advisory_lock_shared({advisory.PREFERENCE});\n")
                session.stdin.flush()
            if session.stdout.readline().strip() != "held":
                raise StepFailed(f"{name} did not take note that it is to be primary")
            yield
        finally:
            session.kill()
