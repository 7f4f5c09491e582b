"""A machine that loses its power leaves nobody waiting for it for ever (docs/three-nodes.md, "The hang").

`./lab measure hang` counts it, with the safeguard and without.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing

import psycopg2
import pytest

from pgpool_lab.harness.clients import rows
from pgpool_lab.harness.timing import failover_seconds
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.waiting import wait_for
from tests.live.kept import assert_nothing_lost
from tests.live.lab import LiveLab

pytestmark = [pytest.mark.three_nodes, pytest.mark.everything]

CLIENTS = 8
"""At the same time, beside the workload's: together they take most of pgpool's sixteen processes."""
LOGIN_SECONDS = 15
"""A login takes a second or two of emulated processors that are busy."""
DROPPED_SECONDS = 30
"""The failover drops them before it promotes; the kernel would go on for a quarter of an hour (tcp_retries2)."""


def query(lab: LiveLab, connected: ExitStack, host: str) -> None:
    """A client of a pgpool's that got in, and stays for as long as `connected`."""
    user = lab.outputs.credentials.superuser
    where = f"host={host} port={lab.outputs.pgpool_port} dbname=postgres connect_timeout={LOGIN_SECONDS}"
    client = connected.enter_context(closing(psycopg2.connect(where, user=user.user, password=user.password)))
    assert rows(client, "SELECT 1 AS one") == [{"one": 1}]


def test_after_a_power_off_no_node_has_a_connection_to_the_dead_one_and_every_client_gets_in(
    ready: LiveLab, workload: Workload
) -> None:
    dead, rest = ready.first, ready.nodes[1:]
    asked = f"ss -Htn state established dst {dead.ip} dport = :{dead.pg_port}"
    with ExitStack() as connected:
        for node in rest:
            # So that each pgpool has one to the primary when its power goes.
            query(ready, connected, node.ip)
            assert ready.shell(node, asked)
        struck = time.monotonic()
        ready.machine(dead, "destroy")
    power_lost = (struck, time.monotonic())
    wait_for(
        ready.primaries,
        lambda seen: len(seen) == 1 and seen != [dead.name],
        seconds=failover_seconds(ready.outputs.timings),
        what="another node is primary",
    )
    workload.wait_until_written(seconds=failover_seconds(ready.outputs.timings))
    wait_for(
        lambda: {node.name: ready.shell(node, asked) for node in rest},
        lambda kept: not any(kept.values()),
        seconds=DROPPED_SECONDS,
        what=f"no connection to {dead.name} is left",
    )
    with ExitStack() as connected:
        for _ in range(CLIENTS):
            query(ready, connected, ready.outputs.vip)
    ready.bring_back()
    assert_nothing_lost(ready, workload, power_lost=power_lost)
