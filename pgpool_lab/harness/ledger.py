"""A client's own record of the rows that the cluster acknowledged, to be held against what it has in the end."""

from __future__ import annotations

import psycopg2

from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.harness.clients import direct, rows, through_vip
from pgpool_lab.waiting import wait_for

TABLE = "lab_ledger"


class Ledger:
    """Numbered rows, written one at a time through the virtual IP."""

    def __init__(self, outputs: LabOutputs) -> None:
        self._outputs = outputs
        self._next = 1
        self.acknowledged: list[int] = []
        with through_vip(outputs) as connection:
            rows(connection, f"DROP TABLE IF EXISTS {TABLE}")
            rows(connection, f"CREATE TABLE {TABLE} (number integer PRIMARY KEY)")

    def write(self) -> bool:
        """Write one row on a connection of its own; whether it was acknowledged. A lost one keeps its number."""
        number, self._next = self._next, self._next + 1
        try:
            with through_vip(self._outputs) as connection:
                rows(connection, f"INSERT INTO {TABLE} VALUES (%s)", number)
        except psycopg2.Error:
            return False
        self.acknowledged.append(number)
        return True

    def write_until_acknowledged(self, *, seconds: float) -> None:
        """Write until a row is acknowledged: a client gets in again. Raises NotInTime."""
        wait_for(self.write, bool, seconds=seconds, what="a write through the virtual IP is acknowledged")

    def missing(self, node: NodeOutput) -> set[int]:
        """Acknowledged rows that a node's own PostgreSQL does not have."""
        with direct(self._outputs, node) as connection:
            present = {row["number"] for row in rows(connection, f"SELECT number FROM {TABLE}")}
        return set(self.acknowledged) - present
