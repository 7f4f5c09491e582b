"""The table of numbered rows: made through the virtual IP, read from each node's own PostgreSQL in the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg2

from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.harness.clients import direct, rows, through_vip
from pgpool_lab.waiting import bounded, wait_for

TABLE = "lab_ledger"

# No primary key: a row that was applied twice must show.
CREATE = f"CREATE TABLE {TABLE} (number integer NOT NULL)"
INSERT = f"INSERT INTO {TABLE} (number) VALUES (%s)"
# Stable functions only: pgpool sends a SELECT with a volatile one to the primary, and standbys would go unwatched.
SELECT = f"SELECT count(*), max(number), host(inet_server_addr()), extract(epoch FROM now())::float FROM {TABLE}"

SETTLED_SECONDS = 30.0
"""Within this time the standbys of a healthy lab have replayed what was written before."""


def create(outputs: LabOutputs) -> None:
    """An empty table, through the virtual IP. Raises psycopg2.Error."""
    with through_vip(outputs) as connection:
        rows(connection, f"DROP TABLE IF EXISTS {TABLE}")
        rows(connection, CREATE)


def create_everywhere(outputs: LabOutputs) -> None:
    """An empty table that every node has, and no longer the one before. Raises psycopg2.Error, and NotInTime for a node
    that doesn't get it."""
    create(outputs)
    wait_for(
        lambda: [node.name for node in outputs.nodes if numbers(outputs, node) != ()],
        lambda without: not without,
        seconds=SETTLED_SECONDS,
        what="every node has the empty table",
    )


def numbers(outputs: LabOutputs, node: NodeOutput) -> tuple[int, ...] | None:
    """The rows that a node's own PostgreSQL has, in ascending order; None when it doesn't say."""
    try:
        with direct(outputs, node) as connection:
            return tuple(row["number"] for row in rows(connection, f"SELECT number FROM {TABLE} ORDER BY number"))
    except psycopg2.Error:
        return None


def settled_rows(outputs: LabOutputs, nodes: Sequence[NodeOutput]) -> dict[str, tuple[int, ...] | None]:
    """`final_rows` once replication has caught up; after SETTLED_SECONDS as they are, for the invariants to judge."""
    deadline = time.monotonic() + bounded(SETTLED_SECONDS)
    while True:
        found = final_rows(outputs, nodes)
        alike = None not in found.values() and len(set(found.values())) == 1
        if alike or time.monotonic() > deadline:
            return found
        time.sleep(1)


def final_rows(outputs: LabOutputs, nodes: Iterable[NodeOutput]) -> dict[str, tuple[int, ...] | None]:
    """The rows of each of `nodes` by its name, asked at the same time. The workload must have ended."""
    chosen = list(nodes)
    with ThreadPoolExecutor(len(chosen)) as pool:
        found = pool.map(lambda node: numbers(outputs, node), chosen)
        return {node.name: answer for node, answer in zip(chosen, found, strict=True)}
