"""Database clients outside the nodes: through the virtual IP as an application, or on one node directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput

CONNECT_SECONDS = 5
"""How long an application of ours waits for a connection before it tries again."""


@contextmanager
def through_vip(outputs: LabOutputs, *, connect_seconds: int = CONNECT_SECONDS) -> Iterator[Connection]:
    """A connection as an application has it, in autocommit mode."""
    connection = psycopg2.connect(
        outputs.dsn, password=outputs.credentials.superuser.password, connect_timeout=connect_seconds
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


@contextmanager
def direct(outputs: LabOutputs, node: NodeOutput) -> Iterator[Connection]:
    """A connection to one node's PostgreSQL, past pgpool."""
    user = outputs.credentials.superuser
    connection = psycopg2.connect(
        host=node.ip,
        port=node.pg_port,
        user=user.user,
        password=user.password,
        dbname="postgres",
        connect_timeout=CONNECT_SECONDS,
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()


def rows(connection: Connection, sql: str, *values: object) -> list[dict[str, Any]]:
    """The rows of one statement, by column name; none for a statement that gives none."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
