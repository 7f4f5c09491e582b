"""Whether another pgpool has just taken over from this node's: the isolation service says so, the failover script asks.

A pgpool whose machine stood still goes on as the leader that it was, until its watchdog hears of the other. Sessions
with the other nodes' PostgreSQL were dropped meanwhile, and it has those for failed (pool_stream.c,
notice_backend_error(), as failover_on_backend_error says): obeyed, it would stop the primary that is there.
"""

from __future__ import annotations

from . import notice
from .address import has_address

FILE = "/run/pgpool-lab-overtaken"
VALID_SECONDS = 10
"""Its watchdog has heard by then. An election takes longer, but for that after an orderly stop, and who wins it has the
virtual IP before it asks for a failover."""


def say() -> None:
    """Write down that another holds the virtual IP."""
    notice.put_up(FILE, ())


def lately(vip: str) -> bool:
    """Whether another took over a moment ago and has the virtual IP still; False as well where nobody says so."""
    return notice.read(FILE, VALID_SECONDS) is not None and not has_address(vip)
