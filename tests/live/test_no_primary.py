"""A failover that promoted nobody, and an operator who does it afterwards."""

from __future__ import annotations

import pytest

from pgpool_lab.cluster.client import all_facts
from pgpool_lab.harness.restoration import restore
from pgpool_lab.harness.timing import failover_seconds
from pgpool_lab.node.health import leaves_out
from pgpool_lab.waiting import wait_for
from tests.live.lab import LiveLab
from tests.live.sabotages import promotion, put_back, replace_script

pytestmark = [pytest.mark.two_nodes, pytest.mark.everything]


def test_a_primary_that_was_made_by_hand_is_found_when_its_node_is_rejoined(ready: LiveLab) -> None:
    first, second = ready.nodes
    for node in ready.nodes:
        ready.shell(node, replace_script(node.scripts.failover, "exit 0"))
    try:
        ready.virsh("destroy", first.domain)
        wait_for(
            lambda: all_facts(ready.outputs)[second.name],
            lambda said: said is not None and leaves_out(said, second.name),
            seconds=failover_seconds(ready.outputs.timings) + int(ready.outputs.timings["search_primary_node_timeout"]),
            what=f"pgpool on {second.name} has given up looking for a primary",
        )
        ready.shell(second, f"runuser -u postgres -- {promotion(second)}")
        ready.agent(second, "rejoin", second.name)
        assert ready.pool_nodes()[second.name]["role"] == "primary"
    finally:
        restore(ready)
        for node in ready.nodes:
            ready.shell(node, put_back(node.scripts.failover))
