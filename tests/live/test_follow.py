"""A standby that can't follow the new primary with the data that it has."""

from __future__ import annotations

import pytest

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.timing import RETURN_SECONDS, failover_seconds
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.waiting import wait_for
from tests.live.direct_sql import alter_system, deaf, sql
from tests.live.kept import assert_nothing_lost
from tests.live.lab import LiveLab

# primary_conninfo can be reloaded, and wal_keep_size is there, since then (manual, release notes).
pytestmark = [pytest.mark.three_nodes, pytest.mark.everything, pytest.mark.since_postgresql("13")]


def remove_wal(lab: LiveLab, primary: NodeOutput, standby: NodeOutput, segment: str) -> None:
    """Have both give up a segment, as they would some hundred megabytes later."""
    for node in (primary, standby):
        alter_system(lab.outputs, node, "SET wal_keep_size = 0")
    for _ in range(2):
        # A restartpoint takes a checkpoint of the primary's for its own, once it is replayed.
        sql(lab.outputs, primary, "SELECT pg_switch_wal()", "CHECKPOINT")
    for node in (primary, standby):
        wait_until_gone(lab, node, segment)
        alter_system(lab.outputs, node, "RESET wal_keep_size")


def wait_until_gone(lab: LiveLab, node: NodeOutput, segment: str) -> None:
    look = f"SELECT name FROM pg_ls_waldir() WHERE name = '{segment}'"
    wait_for(
        lambda: sql(lab.outputs, node, "CHECKPOINT", look),
        lambda there: not there,
        seconds=60,
        what=f"{node.name} no longer has {segment}",
    )


def set_aside(lab: LiveLab, node: NodeOutput) -> set[str]:
    """The folders of data that a node has given up."""
    return set(lab.shell(node, f"ls -d {node.data_directory}.diverged-* || true").split())


def test_a_standby_whose_wal_is_gone_copies_the_new_primary_and_serves_again(
    ready: LiveLab, workload: Workload
) -> None:
    first, second, third = ready.nodes
    before = set_aside(ready, third)
    with deaf(ready.outputs, third):
        [received] = sql(ready.outputs, third, "SELECT pg_last_wal_receive_lsn() AS position")
        [needed] = sql(ready.outputs, first, f"SELECT pg_walfile_name('{received['position']}') AS segment")
        remove_wal(ready, first, second, str(needed["segment"]))
    ready.shell(first, f"systemctl stop {first.services.postgresql}")
    wait_for(
        lambda: sql(ready.outputs, second, "SELECT application_name AS name, state FROM pg_stat_replication"),
        lambda seen: seen == [{"name": third.name, "state": "streaming"}],
        seconds=failover_seconds(ready.outputs.timings) + RETURN_SECONDS,
        what=f"{third.name} streams from {second.name}",
    )
    assert ready.primaries() == [second.name]
    assert set_aside(ready, third) - before, "it followed with its own data"
    backends = wait_for(
        ready.pool_nodes,
        lambda seen: seen[third.name]["status"] == "up",
        seconds=failover_seconds(ready.outputs.timings),
        what=f"pgpool reads from {third.name} again",
    )
    assert backends[third.name]["role"] == "standby"
    workload.wait_until_written(seconds=failover_seconds(ready.outputs.timings))
    ready.bring_back()
    assert_nothing_lost(ready, workload)
