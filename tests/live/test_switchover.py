"""A planned change of the primary loses nothing, also to a standby that is still receiving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pgpool_lab.cluster.outputs import NodeOutput
from tests.live.direct_sql import sql
from tests.live.lab import LiveLab

pytestmark = pytest.mark.two_nodes

ROWS = 6000
BULK = f"CREATE TABLE bulk AS SELECT number, repeat('x', 500) AS filling FROM generate_series(1, {ROWS}) AS number"
"""More than three megabytes of WAL, of which a slow link carries a quarter in a second."""


@contextmanager
def slow_link(lab: LiveLab, node: NodeOutput) -> Iterator[None]:
    """What a node sends goes out at 2 Mbit/s, and no connection keeps the others waiting (tc-tbf(8), tc-sfq(8))."""
    device = f"dev {node.interface}"
    shaped = f"tc qdisc replace {device} root handle 1: tbf rate 2mbit burst 32k latency 800ms"
    lab.shell(node, f"{shaped} && tc qdisc add {device} parent 1:1 handle 10: sfq")
    try:
        yield
    finally:
        lab.shell(node, f"tc qdisc del {device} root")


def test_a_switchover_to_a_standby_that_is_still_receiving_loses_nothing(ready: LiveLab) -> None:
    first, second = ready.nodes
    sql(ready.outputs, first, "DROP TABLE IF EXISTS bulk")
    ready.agent(second, "switchover", second.name)
    assert ready.holders() == [first.name], "the failover script runs where the standby receives"
    with slow_link(ready, second):
        sql(ready.outputs, second, BULK)
        ready.agent(first, "switchover", first.name)
    counts = {node.name: sql(ready.outputs, node, "SELECT count(*) FROM bulk")[0]["count"] for node in ready.nodes}
    assert counts == dict.fromkeys(counts, ROWS)
    sql(ready.outputs, first, "DROP TABLE bulk")
