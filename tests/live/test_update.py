"""A machine lost behind the engine's back. It comes last: what it breaks would break every other test."""

from __future__ import annotations

import pytest

from pgpool_lab.engine import Engine
from pgpool_lab.harness.restoration import wait_until_healthy
from pgpool_lab.harness.workload import table
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.waiting import wait_for
from tests.live.conftest import UP
from tests.live.lab import LiveLab


@pytest.mark.two_nodes
def test_a_machine_deleted_behind_the_engine_is_rebuilt_as_a_standby_of_the_current_primary(
    ready: LiveLab, workload: Workload, engine: Engine
) -> None:
    first, second = ready.nodes[0], ready.nodes[1]
    pool = ready.virsh("pool-list", "--name")
    names = [line.split()[0] for line in ready.virsh("vol-list", pool).splitlines()]
    # Its root, its data, and the seed of its first boot.
    volumes = [name for name in names if name.startswith(f"{first.name}-")]
    assert len(volumes) == 3, names
    ready.agent(second, "switchover", second.name)
    ready.virsh("destroy", first.domain)
    ready.virsh("undefine", first.domain, "--snapshots-metadata")
    for volume in volumes:
        ready.virsh("vol-delete", "--pool", pool, volume)
    engine.ask(UP)
    report = wait_until_healthy(ready)
    assert {node["name"]: node["postgres"]["role"] for node in report["nodes"]} == {
        first.name: "standby",
        second.name: "primary",
    }
    acknowledged = {write.number for write in workload.stop().acknowledged}
    wait_for(
        lambda: acknowledged - set(table.numbers(ready.outputs, first) or ()),
        lambda missing: not missing,
        seconds=30,
        what="the rebuilt node has every acknowledged row",
    )
