"""A node is cut off while its pgpool waits for an answer, and heard again: it must not have its peers detached."""

from __future__ import annotations

import time

import pytest

from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.harness.faults import Injector, Record, fault_named
from pgpool_lab.harness.faults.network import cut_script
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.waiting import bounded
from tests.live.kept import assert_nothing_lost
from tests.live.lab import LiveLab

pytestmark = [pytest.mark.three_nodes, pytest.mark.everything]

SLOW = "300ms"
"""By this every packet of the node is late until it is cut off: it takes a connection for made that long before the
other side does, so that the moment between the two can be met."""
CUT_SECONDS = 70.0
"""Longer than a kernel waits for the end of a handshake: 63 s (ip-sysctl, tcp_synack_retries)."""
REPEAT_SECONDS = 75.0
"""Within that a kernel repeats what has not been acknowledged in such a cut: the pauses double, and one began before
its end."""


def cut_in_a_session(lab: LiveLab, node: NodeOutput, others: tuple[NodeOutput, ...]) -> str:
    """Cut a node off while its replication checker begins to talk to the first of the others; ss(8) on that then."""
    sessions = f"ss -Htinp state established dst {others[0].ip} dport = {others[0].pg_port}"
    return lab.shell(
        node,
        f"""
checker=$(pgrep -f '^pgpool: worker process')
trap 'tc qdisc del dev {node.interface} root' EXIT
tc qdisc replace dev {node.interface} root netem delay {SLOW}
for _ in {{1..300}}; do
    if {sessions} | grep -q "pid=$checker,"; then
        {cut_script(node, others)}
        break
    fi
done
{sessions} | grep -A 1 "pid=$checker," || true
""",
    )


def test_a_standby_that_waited_for_the_primary_does_not_have_it_detached_when_it_is_heard_again(
    ready: LiveLab, workload: Workload
) -> None:
    primary, other, node = ready.nodes
    injector = Injector(ready, Record(ready.faults))
    with injector.all_healed():
        session = cut_in_a_session(ready, node, (primary, other))
        injector.inject(fault_named("partition"), node)
        assert session, "its checker talked to nobody"
        # Behind what has come in: how much of what was sent has not been acknowledged.
        assert int(session.split()[1]) > 0, f"it waits for no answer: {session!r}"
        assert "bytes_received" not in session, f"it has had one: {session!r}"
        time.sleep(bounded(CUT_SECONDS))
        # A pgpool that still reads from it would hang when it has to look for a primary.
        assert ready.shell(other, f"ss -Htn state established dst {node.ip} dport = {node.pg_port}") == ""
    time.sleep(bounded(REPEAT_SECONDS))

    assert ready.primaries() == [primary.name]
    backends = ready.pool_nodes()
    assert [backends[well.name]["status"] for well in (primary, other)] == ["up", "up"]
    ready.bring_back()
    assert_nothing_lost(ready, workload)
