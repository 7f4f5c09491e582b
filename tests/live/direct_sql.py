"""SQL on one node's own PostgreSQL, past pgpool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pgpool_lab.cluster.client import run_on
from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.harness.clients import direct, rows


def sql(outputs: LabOutputs, node: NodeOutput, *statements: str) -> list[dict[str, Any]]:
    """Statements on one connection; the rows of the last."""
    with direct(outputs, node) as connection:
        return [rows(connection, statement) for statement in statements][-1]


@contextmanager
def deaf(outputs: LabOutputs, node: NodeOutput) -> Iterator[None]:
    """A standby receives nothing: its WAL receiver ends, and begins again afterwards (manual, primary_conninfo).

    PostgreSQL need not run on it by then.
    """
    alter_system(outputs, node, "SET primary_conninfo = ''")
    try:
        yield
    finally:
        file, service = f"{node.data_directory}/postgresql.auto.conf", node.services.postgresql
        run_on(outputs, node, f"sed -i /primary_conninfo/d {file} && systemctl try-reload-or-restart {service}")


def alter_system(outputs: LabOutputs, node: NodeOutput, change: str) -> None:
    """Set or reset a setting that a reload is enough for, such as `SET wal_keep_size = 0`."""
    sql(outputs, node, f"ALTER SYSTEM {change}", "SELECT pg_reload_conf()")
