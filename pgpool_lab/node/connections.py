"""Drops a pgpool host's own connections to a PostgreSQL that has failed."""

from __future__ import annotations

import subprocess

SS = "/usr/bin/ss"
"""ss(8) of iproute2; `-K` takes a kernel with CONFIG_INET_DIAG_DESTROY."""


def dropping(ip: str, port: int) -> list[str]:
    """The command that drops this host's connections to the PostgreSQL there; others, such as an operator's ssh, stay.

    Run by pgpool's service, which may (CAP_NET_ADMIN), or by root.

    pgpool's replication checker that reads from a dead host waits for ever: no time limit, and a signal only makes it
    read on (pool_stream.c, EINTR). It holds the lock that the search for a primary waits for, in this failover or a
    later one (seen with 4.3.5: no client gets in any more).

    Those that are still asked for stay: they have limits of their own, and one may be the fence's question.
    """
    return [SS, "-K", "state", "synchronized", "dst", ip, "dport", "=", str(port)]


def drop_connections(ip: str, port: int) -> None:
    """Drop them on this host."""
    subprocess.run(dropping(ip, port), capture_output=True, check=False)
