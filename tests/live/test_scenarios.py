"""The procedure's three scenarios for two nodes, and what must be true before each."""

from __future__ import annotations

import time

import psycopg2
import pytest

from pgpool_lab.cluster.client import vip_mac
from pgpool_lab.cluster.outputs import NodeOutput
from pgpool_lab.engine import Engine
from pgpool_lab.harness.clients import direct, rows
from pgpool_lab.harness.timing import failover_seconds
from pgpool_lab.harness.workload.workload import Workload
from pgpool_lab.waiting import wait_for
from tests.live.conftest import UP
from tests.live.kept import assert_nothing_lost
from tests.live.lab import LiveLab

pytestmark = pytest.mark.two_nodes


SYNC_STATES = {"async": {"async"}, "sync": {"sync", "quorum"}}
"""What pg_stat_replication calls a standby by the lab's replication: one of several is "quorum" since PostgreSQL 10."""


def state(lab: LiveLab) -> tuple[list[str], list[str]]:
    """Primaries and holders of the virtual IP."""
    report = lab.status()
    primaries = [node["name"] for node in report["nodes"] if node["postgres"] and node["postgres"]["role"] == "primary"]
    return primaries, report["vip"]["holders"]


def wait_for_state(lab: LiveLab, *, primary: str, holder: str) -> None:
    expected = ([primary], [holder])
    wait_for(
        lambda: state(lab),
        lambda seen: seen == expected,
        seconds=failover_seconds(lab.outputs.timings),
        what=f"primary {primary}, virtual IP on {holder}",
    )


LOGS = "/var/log/pgpool-lab"


def length(lab: LiveLab, node: NodeOutput, log: str) -> int:
    """How many bytes a node's log has; none where it is not there yet."""
    return int(lab.shell(node, f"stat -c %s {LOGS}/{log} || echo 0"))


def logged(lab: LiveLab, node: NodeOutput, log: str, since: int) -> str:
    """What a node has logged since its log was that long."""
    return lab.shell(node, f"tail -c +{since + 1} {LOGS}/{log}")


def assert_as_before_each(lab: LiveLab) -> None:
    """What the procedure has its operator look at before every scenario."""
    first, second = lab.nodes[0], lab.nodes[1]
    with direct(lab.outputs, first) as connection:
        replicas = rows(connection, "SELECT application_name, state, sync_state FROM pg_stat_replication")
    assert [(replica["application_name"], replica["state"]) for replica in replicas] == [(second.name, "streaming")]
    assert replicas[0]["sync_state"] in SYNC_STATES[lab.outputs.replication]
    backends = lab.pool_nodes()
    assert {name: (row["status"], row["role"]) for name, row in backends.items()} == {
        first.name: ("up", "primary"),
        second.name: ("up", "standby"),
    }
    assert lab.holders() == [first.name]
    assert vip_mac(lab.outputs) == first.mac


def test_before_each_the_standby_streams_and_the_first_node_holds_everything(ready: LiveLab) -> None:
    assert_as_before_each(ready)


def test_scenario_1_a_stopped_pgpool_moves_the_virtual_ip_and_nothing_else(ready: LiveLab, workload: Workload) -> None:
    assert_as_before_each(ready)
    first, second = ready.nodes[0], ready.nodes[1]
    # It asks again after five seconds, and fails when pgpool has ended by then (main.c, stop_me).
    ready.shell(first, "runuser -u postgres -- /usr/local/pgpool/bin/pgpool -m fast stop || ! pgrep -x pgpool")
    wait_for_state(ready, primary=first.name, holder=second.name)
    workload.wait_until_written(seconds=failover_seconds(ready.outputs.timings))
    assert vip_mac(ready.outputs) == second.mac
    with direct(ready.outputs, first) as connection:
        replicas = rows(connection, "SELECT application_name, state FROM pg_stat_replication")
    assert replicas == [{"application_name": second.name, "state": "streaming"}]
    ready.bring_back()
    assert_nothing_lost(ready, workload)


def test_scenario_2_a_stopped_primary_is_replaced_and_the_virtual_ip_stays(
    ready: LiveLab, workload: Workload, engine: Engine
) -> None:
    assert_as_before_each(ready)
    first, second = ready.nodes[0], ready.nodes[1]
    # The pg_ctl beside the server's program, wherever that came from.
    server = f"readlink /proc/$(head -n 1 {first.data_directory}/postmaster.pid)/exe"
    ready.shell(
        first, f'runuser -u postgres -- "$(dirname "$({server})")/pg_ctl" -D {first.data_directory} -m fast stop'
    )
    wait_for_state(ready, primary=second.name, holder=first.name)
    workload.wait_until_written(seconds=failover_seconds(ready.outputs.timings))
    engine.ask([*UP, "--expect-no-changes"])
    assert ready.primaries() == [second.name]
    ready.bring_back()
    assert_nothing_lost(ready, workload)


def test_scenario_3_a_dead_host_loses_both_roles(ready: LiveLab, workload: Workload) -> None:
    assert_as_before_each(ready)
    first, second = ready.nodes[0], ready.nodes[1]
    # Earlier failovers of the same node are in the same files.
    before = {log: length(ready, second, log) for log in ("pgpool.log", "failover.log")}
    asked = time.monotonic()
    ready.virsh("destroy", first.domain)
    power_lost = (asked, time.monotonic())
    wait_for_state(ready, primary=second.name, holder=second.name)
    workload.wait_until_written(seconds=failover_seconds(ready.outputs.timings))
    backends = wait_for(
        ready.pool_nodes,
        lambda seen: seen[first.name]["status"] == "down" and seen[second.name]["role"] == "primary",
        seconds=failover_seconds(ready.outputs.timings),
        what=f"pgpool shows {first.name} down and {second.name} primary",
    )
    assert (backends[first.name]["role"], backends[second.name]["status"]) == ("standby", "up")
    done = f"failover done. shutdown host {first.name}({first.pg_port})"
    wait_for(
        lambda: done in logged(ready, second, "pgpool.log", before["pgpool.log"]),
        bool,
        seconds=failover_seconds(ready.outputs.timings),
        what=f"pgpool has logged {done!r}",
    )
    script = logged(ready, second, "failover.log", before["failover.log"])
    # The node that failed, its host, and who was primary.
    assert f"called: {first.backend_id} {first.name} {first.backend_id} " in script, script
    assert f"{second.name} is primary" in script, script
    ready.bring_back()
    assert_nothing_lost(ready, workload, power_lost=power_lost)


@pytest.mark.parametrize("part", ["superuser", "check"])
def test_a_client_outside_the_nodes_logs_in_through_the_virtual_ip_with_a_password_only(
    ready: LiveLab, part: str
) -> None:
    user = getattr(ready.outputs.credentials, part)
    where = f"host={ready.outputs.vip} port={ready.outputs.pgpool_port} dbname=postgres connect_timeout=10"
    connection = psycopg2.connect(where, user=user.user, password=user.password)
    try:
        assert rows(connection, "SELECT current_user AS name") == [{"name": user.user}]
    finally:
        connection.close()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(where, user=user.user, password="wrong")
