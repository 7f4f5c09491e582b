"""A planned change of the primary loses nothing, also to a standby that is still receiving."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pgpool_lab.cluster.outputs import NodeOutput
from tests.live.direct_sql import sql
from tests.live.lab import LiveLab

pytestmark = pytest.mark.two_nodes

ROWS = 1000
FAILOVERS = "/var/log/pgpool-lab/failover.log"
WAITING = "a planned stop: waiting"
"""What the failover script says once it knows that the stop it was called for is one."""
HELD_SECONDS = 3
"""How long nothing is received after that: a failure's connections are dropped by then."""
RECEIVER = "^postgres: .*walreceiver"


@contextmanager
def receiving_late(lab: LiveLab, standby: NodeOutput) -> Iterator[None]:
    """A standby receives nothing until the failover script waits, for which the primary's end waits in turn.

    That is for less than wal_sender_timeout, a minute.
    """
    said = int(lab.shell(standby, f"grep -c '{WAITING}' {FAILOVERS} || true"))
    waits = f'until [ "$(grep -c "{WAITING}" {FAILOVERS})" -gt {said} ]; do sleep 0.5; done'
    goes_on = f"pkill -CONT -f '{RECEIVER}'"
    lab.shell(standby, f"pkill -STOP -f '{RECEIVER}'")
    try:
        unit = f"timeout 50 bash -c '{waits}; sleep {HELD_SECONDS}'; {goes_on}"
        lab.shell(standby, f"systemd-run --quiet --collect bash -c {shlex.quote(unit)}")
        yield
    finally:
        lab.shell(standby, f"{goes_on} || true")


def test_a_switchover_to_a_standby_that_is_still_receiving_loses_nothing(ready: LiveLab) -> None:
    first, second = ready.nodes
    sql(ready.outputs, first, "DROP TABLE IF EXISTS late", "CREATE TABLE late (number int)")
    ready.agent(second, "switchover", second.name)
    assert ready.holders() == [first.name], "the failover script runs where the standby receives"
    with receiving_late(ready, first):
        # As with asynchronous replication: nobody confirms it.
        insert = f"INSERT INTO late SELECT generate_series(1, {ROWS})"
        sql(ready.outputs, second, "SET synchronous_commit = local", insert)
        assert sql(ready.outputs, first, "SELECT count(*) FROM late")[0]["count"] == 0, "it has received them already"
        ready.agent(first, "switchover", first.name)
    counts = {node.name: sql(ready.outputs, node, "SELECT count(*) FROM late")[0]["count"] for node in ready.nodes}
    assert counts == dict.fromkeys(counts, ROWS)
    sql(ready.outputs, first, "DROP TABLE late")
