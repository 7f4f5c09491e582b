"""What this node's pgpool says in its log when it has found out that a backend or another pgpool is gone.

Nothing else tells it at that moment: during a failover pgpool answers nobody, and no sample asks about the watchdog.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .elders import LOG

SIGNS = (
    b"received degenerate backend request",
    b"fail over request from",
    b'" is lost',
    b'" is shutting down',
    b"is in down status",
)
"""Parts of its lines. A backend is asked to be given up: since 3.3 (4.3.5, main/pool_internal_comms.c,
degenerate_backend_set_ex), before (3.2.22, main.c, degenerate_backend_set). A member of the watchdog is gone, or says
that it goes: since 3.5 (4.3.5, watchdog/watchdog.c, watchdog_state_machine), 3.3 and 3.4 (3.4.26,
watchdog/wd_lifecheck.c). 3.2 does not log that a member is gone."""


class Noticed:
    """Counts such lines from the moment at which it was made."""

    def __init__(self, log: Path = LOG) -> None:
        self._log = log
        self._read = log.stat().st_size if log.is_file() else 0
        self._begun = b""
        self._count = 0

    def count(self) -> int:
        """How many there are by now. A line counts when it is whole."""
        with suppress(OSError):
            if self._log.stat().st_size > self._read:
                with self._log.open("rb") as stream:
                    stream.seek(self._read)
                    added = stream.read()
                self._read += len(added)
                *lines, self._begun = (self._begun + added).split(b"\n")
                self._count += sum(any(sign in line for sign in SIGNS) for line in lines)
        return self._count
