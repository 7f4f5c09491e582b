"""A third member of the watchdog that serves nobody: it gives a quorum, and gives the lead back."""

from __future__ import annotations

import pytest

from pgpool_lab.cluster.client import facts, members_facts, vip_mac
from pgpool_lab.cluster.outputs import WitnessOutput
from pgpool_lab.harness.restoration import restore
from pgpool_lab.harness.timing import failover_seconds
from pgpool_lab.waiting import wait_for
from tests.live.lab import LiveLab

pytestmark = pytest.mark.witness


@pytest.fixture
def witness(lab: LiveLab) -> WitnessOutput:
    assert lab.outputs.witness is not None
    return lab.outputs.witness


def roles(lab: LiveLab) -> dict[str, str | None]:
    """The state of every pgpool in the watchdog cluster; None for one that is stopped or does not answer."""
    answers, witness = members_facts(lab.outputs)
    return {name: said["pgpool"]["watchdog_role"] if said else None for name, said in {**answers, **witness}.items()}


def holders(lab: LiveLab) -> list[str]:
    """Who has the virtual IP, the witness included."""
    answers, witness = members_facts(lab.outputs)
    return [name for name, said in {**answers, **witness}.items() if said and said["vip"]]


def test_it_is_a_member_that_follows_and_is_no_backend(ready: LiveLab, witness: WitnessOutput) -> None:
    assert roles(ready) == {
        node.name: "LEADER" if node is ready.first else "STANDBY" for node in ready.outputs.machines
    }
    assert set(ready.pool_nodes()) == {node.name for node in ready.nodes}
    report = ready.status()
    assert report["healthy"] and report["witness"]["pgpool"]["running"]


def handed_over(lab: LiveLab, witness: WitnessOutput) -> int:
    """How often the witness has given the lead back."""
    log = lab.shell(witness, "cat /var/log/pgpool-lab/witness.log")
    return log.count("this witness leads and a node's pgpool is back")


def wait_until_it_leads(lab: LiveLab, witness: WitnessOutput) -> None:
    """The witness leads, and nobody has the virtual IP."""
    wait_for(
        lambda: facts(lab.outputs, witness),
        lambda said: said is not None and said["pgpool"]["watchdog_role"] == "LEADER",
        seconds=failover_seconds(lab.outputs.timings),
        what="the witness leads",
    )
    assert holders(lab) == []
    assert vip_mac(lab.outputs) is None


def test_it_leads_without_the_virtual_ip_and_hands_over_when_a_node_is_back(
    ready: LiveLab, witness: WitnessOutput
) -> None:
    second, before = ready.nodes[1], handed_over(ready, witness)
    for node in ready.nodes:
        ready.shell(node, f"systemctl stop {node.services.pgpool}")
    wait_until_it_leads(ready, witness)
    ready.shell(second, f"systemctl start {second.services.pgpool}")
    wait_for(
        lambda: (roles(ready), holders(ready)),
        lambda seen: seen == ({ready.first.name: None, second.name: "LEADER", witness.name: "STANDBY"}, [second.name]),
        seconds=failover_seconds(ready.outputs.timings),
        what=f"{second.name} leads with the virtual IP, the witness follows",
    )
    assert vip_mac(ready.outputs) == second.mac
    assert handed_over(ready, witness) > before
    ready.bring_back()


def test_it_leads_when_both_machines_lose_their_power_and_follows_once_they_are_back(
    ready: LiveLab, witness: WitnessOutput
) -> None:
    for node in ready.nodes:
        ready.machine(node, "destroy")
    wait_until_it_leads(ready, witness)
    # By the rules of join, which stop a witness that leads alone before any node's pgpool is started.
    restore(ready)
    [holder] = holders(ready)
    assert roles(ready) == {
        node.name: "LEADER" if node.name == holder else "STANDBY" for node in ready.outputs.machines
    }
    assert holder != witness.name
    ready.bring_back()
