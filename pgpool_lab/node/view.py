"""`lab-node view`: what this node's pgpool believes, as CSV for every line on standard input, by PCP where it can.

For pgpool 3.2, in which sessions with several pgpools at once are dangerous. A session that learns of a backend's end
asks for a failover: it holds the semaphore of such requests while it tells the other pgpools and waits for their answer
(3.2.9, main.c, degenerate_backend_set; watchdog/wd_packet.c), and they can't answer while a session of their own holds
theirs. Then all of them wait, for ever; 3.3 tells the others without the semaphore. PCP has no backend's connection, so
nothing learns of an end that way. It doesn't tell the roles there, which are asked for in a short session when
something has changed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from . import pgpool
from .configuration import Config, load

ROLES_SECONDS = 15.0
"""How long after a change of a backend's status the roles may change as well: the search for the new primary ends
recovery_timeout (10 s) after the backend was given up."""


def main(arguments: Sequence[str]) -> int:
    """It takes no arguments: the pace is the listener's. Ends with 1 when pgpool does not answer, as psql would."""
    if arguments:
        print("usage: lab-node view", file=sys.stderr)
        return 2
    view = View(load())
    for _ in sys.stdin:
        if (rows := view.rows(time.monotonic())) is None:
            return 1
        lines = ["hostname,status,role", *(f"{row['name']},{row['status']},{row['role']}" for row in rows)]
        print("\n".join(lines), flush=True)
    return 0


class View:
    """Status of every backend by PCP, and the role that a session told last."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._roles: dict[str, str] = {}
        self._statuses: dict[str, str] = {}
        self._changed = 0.0

    def rows(self, now: float) -> list[dict[str, str]] | None:
        """Name, status and role of every backend; None when pgpool does not say. `now`: seconds of any clock."""
        found = pgpool.backends_by_pcp(self._config, "127.0.0.1")
        statuses = {row["name"]: row["status"] for row in found}
        if statuses != self._statuses:
            self._statuses, self._changed = statuses, now
        if statuses and (not self._roles or now - self._changed < ROLES_SECONDS):
            told = pgpool.shown_backends(self._config, "127.0.0.1")
            self._roles = {row["name"]: row["role"] for row in told or ()} or self._roles
        if not statuses or not self._roles:
            return None
        return [{"name": name, "status": status, "role": self._roles[name]} for name, status in statuses.items()]
