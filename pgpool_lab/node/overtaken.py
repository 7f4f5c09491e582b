"""Whether another pgpool has just taken over from this node's: the isolation service says so, the failover script asks.

A pgpool whose machine stood still goes on as the leader that it was, until its watchdog hears of the other, and may
have the primary for failed (docs/cut-off.md, "A holder that was away"): obeyed, it would stop the one that is there.
"""

from __future__ import annotations

from . import notice
from .address import has_address

FILE = "/run/pgpool-lab-overtaken"
VALID_SECONDS = 10
"""It asked within two seconds of its node's being told; longer ones were not seen. Who is elected within these seconds
has the virtual IP before it asks for a failover."""


def say() -> None:
    """Write down that another holds the virtual IP."""
    notice.put_up(FILE, ())


def lately(vip: str) -> bool:
    """Whether another took over a moment ago and has the virtual IP still; False as well where nobody says so."""
    return notice.read(FILE, VALID_SECONDS) is not None and not has_address(vip)
