"""Database clients outside the nodes: through the virtual IP as an application, or on one node directly.

Whatever the server does, a statement ends: what judges a lab must not hang with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn

from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.harness.workload.connecting import connect
from pgpool_lab.harness.workload.guard import limited
from pgpool_lab.waiting import bounded

CONNECT_SECONDS = 5
"""How long an application of ours waits for a connection before it tries again."""
STATEMENT_SECONDS = 60.0
"""A statement of ours takes a second or two on an emulated node; more than any failover is a server that hangs."""
NAME = "lab-harness"
"""Its application_name."""


@contextmanager
def through_vip(outputs: LabOutputs, *, connect_seconds: int = CONNECT_SECONDS) -> Iterator[Connection]:
    """A connection as an application has it, in autocommit mode."""
    connection = connect(outputs.dsn, outputs.credentials.superuser.password, connect_seconds, name=NAME)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def direct(outputs: LabOutputs, node: NodeOutput) -> Iterator[Connection]:
    """A connection to one node's PostgreSQL, past pgpool."""
    user = outputs.credentials.superuser
    dsn = make_dsn(host=node.ip, port=node.pg_port, user=user.user, dbname="postgres")
    connection = connect(dsn, user.password, CONNECT_SECONDS, name=NAME)
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: Connection, sql: str, *values: object) -> list[dict[str, Any]]:
    """The rows of one statement, by column name; none for a statement that gives none.

    Raises psycopg2.Error, for one that takes longer than STATEMENT_SECONDS as well.
    """
    with limited(connection, bounded(STATEMENT_SECONDS)), connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
