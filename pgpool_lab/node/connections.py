"""Drops a pgpool host's own connections to a PostgreSQL that has failed, and has the others drop theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from .script import start_program

SS = "/usr/bin/ss"
"""ss(8) of iproute2; `-K` takes a kernel with CONFIG_INET_DIAG_DESTROY."""


def dropping(ip: str, port: int) -> list[str]:
    """The command that drops this host's connections to the PostgreSQL there; others, such as an operator's ssh, stay.

    Run by pgpool's service, which may (CAP_NET_ADMIN), or by root.

    pgpool's replication checker that reads from a dead host waits for ever: no time limit, and a signal only makes it
    read on (pool_stream.c, EINTR). It holds the lock that the search for a primary waits for, in this failover or a
    later one (seen with 4.3.5: no client gets in any more). One that still asks for a connection holds it for
    connect_timeout, and the search looks once a second (pool_acquire_follow_primary_lock()).
    """
    return [SS, "-K", "state", "connected", "dst", ip, "dport", "=", str(port)]


def drop_connections(ip: str, port: int) -> None:
    """Drop them on this host."""
    subprocess.run(dropping(ip, port), capture_output=True, check=False)


def drop_everywhere(config: Mapping[str, Any], failed: Mapping[str, Any]) -> None:
    """Drop every pgpool host's connections to the PostgreSQL of a node; nobody waits for what others do.

    A pgpool that leads later must not hang because of one. The failed node's own may: its pgpool can be well. Without
    the agent, whose start would take a second of every node's processor while clients log in.
    """
    port = config["postgresql"]["port"]
    drop_connections(failed["ip"], port)
    for other in config["nodes"]:
        if other["name"] != config["name"]:
            start_program(other, " ".join(dropping(failed["ip"], port)))
