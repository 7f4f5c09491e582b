"""The primary's data are lost while everything is down: which of the standbys goes on."""

from __future__ import annotations

import pytest

from pgpool_lab.cluster.client import all_facts
from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.timing import failover_seconds
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.node.join import parse_lsn
from pgpool_lab.waiting import wait_for
from tests.live.direct_sql import deaf, sql
from tests.live.kept import assert_nothing_lost
from tests.live.lab import LiveLab

# primary_conninfo can be reloaded since then (manual, release notes).
pytestmark = [pytest.mark.three_nodes, pytest.mark.everything, pytest.mark.since_postgresql("13")]

WRITE_SECONDS = 30
"""For a row, while nothing that clients need is broken."""


def position(lab: LiveLab, node: NodeOutput, function: str) -> int:
    [row] = sql(lab.outputs, node, f"SELECT {function}() AS position")
    return parse_lsn(str(row["position"]))


def known_of(lab: LiveLab, node: NodeOutput) -> int:
    """How far a stopped node's WAL goes, as far as its pg_control knows."""
    said = all_facts(lab.outputs)[node.name]
    assert said is not None and not said["postgres"]["running"]
    return parse_lsn(said["postgres"]["lsn"])


def test_the_standby_with_the_most_rows_is_promoted_though_its_control_file_knows_less(
    ready: LiveLab, workload: Workload
) -> None:
    first, second, third = ready.nodes
    # The second one's control file is told how far it is, and from then on it receives nothing.
    for node in (first, second):
        sql(ready.outputs, node, "CHECKPOINT")
    with deaf(ready.outputs, second):
        workload.wait_until_written(seconds=WRITE_SECONDS)
        for node in ready.nodes:
            ready.shell(node, f"systemctl stop {node.services.pgpool}")
        written = position(ready, first, "pg_current_wal_flush_lsn")
        wait_for(
            lambda: position(ready, third, "pg_last_wal_receive_lsn"),
            lambda received: received >= written,
            seconds=WRITE_SECONDS,
            what=f"{third.name} has everything",
        )
        for node in (third, second, first):
            ready.shell(node, f"systemctl kill --signal=SIGKILL {node.services.postgresql}")
    ready.shell(first, f"find {first.data_directory} -mindepth 1 -delete")
    assert known_of(ready, second) > known_of(ready, third), "the third one's control file tells of more"

    ready.agent(first, "start")

    assert ready.primaries() == [third.name]
    workload.wait_until_written(seconds=failover_seconds(ready.outputs.timings))
    ready.bring_back()
    assert_nothing_lost(ready, workload)
