"""Whether another pgpool has just taken over from this node's: the isolation service says so, the failover script asks.

A pgpool whose machine stood still goes on as the leader that it was, until its watchdog hears of the other. Sessions
with the other nodes' PostgreSQL were dropped meanwhile, and it has those for failed (pool_stream.c,
notice_backend_error(), as failover_on_backend_error says): obeyed, it would stop the primary that is there.

Start-up time counts here, on emulated processors: the standard library's heavy parts are not imported.
"""

from __future__ import annotations

import time
from contextlib import suppress

from .address import has_address

FILE = "/run/pgpool-lab-overtaken"
VALID_SECONDS = 10
"""Its watchdog has heard by then. An election takes longer, but for that after an orderly stop, and who wins it has the
virtual IP before it asks for a failover."""


def say() -> None:
    """Write down that another holds the virtual IP, for any account to read."""
    # The clock is the same in every process of the host, and nobody sets it.
    with suppress(OSError), open(FILE, "w") as stream:  # noqa: PTH123 -- pathlib costs start-up time
        stream.write(str(time.monotonic()))


def lately(vip: str) -> bool:
    """Whether another took over a moment ago and has the virtual IP still; False as well where nobody says so."""
    try:
        with open(FILE) as stream:  # noqa: PTH123 -- pathlib costs start-up time
            moment = float(stream.read())
    except (OSError, ValueError):
        return False
    return time.monotonic() - moment <= VALID_SECONDS and not has_address(vip)
