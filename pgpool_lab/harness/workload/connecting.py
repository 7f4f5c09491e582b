"""Connections as a sane application makes them: bounded in time, and noticing that a peer is gone."""

from __future__ import annotations

import psycopg2
from psycopg2.extensions import connection as Connection

TCP_USER_TIMEOUT_SECONDS = 3
"""Something was sent and is not acknowledged by the peer's kernel (tcp(7), TCP_USER_TIMEOUT). Linux counts the request
to connect as well: nobody at the address is given up after this."""
KEEPALIVE_IDLE_SECONDS = 2
KEEPALIVE_INTERVAL_SECONDS = 1
KEEPALIVE_COUNT = 3
"""Nothing is to be sent, and the peer's kernel answers no probe: with the above, 5 s."""


def connect(dsn: str, password: str, seconds: int, *, name: str) -> Connection:
    """A connection in autocommit mode; `name` is its application_name.

    Takes at most `seconds` for each host of `dsn`. Raises psycopg2.Error.
    """
    connection = psycopg2.connect(
        dsn,
        password=password,
        application_name=name,
        connect_timeout=seconds,
        tcp_user_timeout=1000 * TCP_USER_TIMEOUT_SECONDS,
        keepalives_idle=KEEPALIVE_IDLE_SECONDS,
        keepalives_interval=KEEPALIVE_INTERVAL_SECONDS,
        keepalives_count=KEEPALIVE_COUNT,
    )
    connection.autocommit = True
    return connection
