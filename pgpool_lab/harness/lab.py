"""A running lab under test: what it is, what can be done to it, and the way back to where every scenario starts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from pgpool_lab.cluster.client import Facts, all_facts, answers, members_facts, run_on
from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput, NodeOutput
from pgpool_lab.cluster.status import status
from pgpool_lab.harness.clients import rows, through_vip
from pgpool_lab.node import health
from pgpool_lab.waiting import bounded, wait_for

BOOT_SECONDS = 240
"""An emulated machine boots in about a minute; three times that on a busy host."""
AGENT_SECONDS = 600
SETTLE_SECONDS = 180


class LiveLab:
    """Everything a scenario does to a lab or asks of it."""

    def __init__(self, outputs: LabOutputs, stack: str) -> None:
        self.outputs = outputs
        self.stack = stack
        self.nodes = outputs.nodes
        self.first = outputs.nodes[0]

    def node(self, name: str) -> NodeOutput:
        return self.outputs.node(name)

    def shell(self, node: MachineOutput, command: str | Sequence[str], *, seconds: float = 120) -> str:
        """Run a command on a node; its standard output. Raises AssertionError when it fails."""
        done = run_on(self.outputs, node, command, seconds=bounded(seconds))
        assert done.returncode == 0, f"{node.name}: {command}: {done.stderr}"
        return done.stdout

    def agent(self, node: NodeOutput, *words: str) -> dict[str, Any]:
        """Run the agent on a node; the document that it gives."""
        text = self.shell(node, [node.scripts.agent, *words], seconds=AGENT_SECONDS)
        result: dict[str, Any] = json.loads(text.splitlines()[-1])
        return result

    def status(self) -> dict[str, Any]:
        return status(self.outputs, self.stack)

    def primaries(self) -> list[str]:
        """Nodes that say they are primary, now."""
        return health.primaries(all_facts(self.outputs))

    def holders(self) -> list[str]:
        """Nodes that have the virtual IP, now."""
        return health.holders(all_facts(self.outputs))

    def pool_nodes(self) -> dict[str, dict[str, Any]]:
        """`show pool_nodes` through the virtual IP, by host name."""
        with through_vip(self.outputs) as connection:
            return {row["hostname"]: row for row in rows(connection, "show pool_nodes")}

    def virsh(self, *arguments: str) -> str:
        """One virsh command on the lab's libvirt."""
        command = ["virsh", "-q", "-c", self.outputs.libvirt_uri, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()

    def machine_runs(self, node: MachineOutput) -> bool:
        return self.virsh("domstate", node.domain) == "running"

    def wait_until_healthy(self, *, seconds: float = SETTLE_SECONDS) -> dict[str, Any]:
        return wait_for(self.status, lambda seen: bool(seen["healthy"]), seconds=seconds, what="the lab is healthy")

    def wait_for_ssh(self, node: MachineOutput) -> None:
        """Wait until a machine that was started takes logins."""
        wait_for(lambda: answers(self.outputs, node), bool, seconds=BOOT_SECONDS, what=f"{node.name} takes ssh logins")

    def bring_back(self) -> None:
        """The first node primary and holder of the virtual IP, all healthy; by the project's own means, losing nothing.

        A stopped machine is started; a node that left rejoins (`lab rejoin`); a primary elsewhere is moved by a
        switchover; a pgpool that holds the virtual IP elsewhere is stopped until another one leads.
        """
        if self.is_at_start():
            return
        for machine in self.outputs.machines:
            if not self.machine_runs(machine):
                self.virsh("start", machine.domain)
        for machine in self.outputs.machines:
            self.wait_for_ssh(machine)
        facts, witness = members_facts(self.outputs)
        if health.problems(facts, witness=witness):
            primary = health.primaries(facts)
            for node in self.nodes:
                answer = facts[node.name]
                if primary and node.name not in primary and not (answer and answer["postgres"]["streaming_from"]):
                    self.agent(node, "rejoin", node.name)
        facts, witness = members_facts(self.outputs)
        if health.problems(facts, witness=witness):
            self.agent(self.first, "start")
        if self.primaries() != [self.first.name]:
            self.agent(self.first, "switchover", self.first.name)
        holders = self.holders()
        if holders != [self.first.name]:
            self.hand_over(self.node(holders[0]))
        self.wait_until_healthy()
        assert self.is_at_start()

    def hand_over(self, holder: NodeOutput) -> None:
        """Stop the pgpool that holds the virtual IP, and start it when another one leads with the address.

        Restarted at once, it is back before the others have elected anybody, and can win.
        """
        self.shell(holder, f"systemctl stop {holder.services.pgpool}")
        wait_for(
            lambda: [name for name, said in all_facts(self.outputs).items() if leads(said)],
            bool,
            seconds=SETTLE_SECONDS,
            what=f"another pgpool than {holder.name}'s leads with the virtual IP",
        )
        self.shell(holder, f"systemctl start {holder.services.pgpool}")

    def is_at_start(self) -> bool:
        """Whether the lab is healthy with both roles on the first node."""
        report = self.status()
        roles = {node["name"]: (node["postgres"] or {}).get("role") for node in report["nodes"]}
        holds = report["vip"]["holders"] == [self.first.name]
        return bool(report["healthy"]) and roles[self.first.name] == "primary" and holds


def leads(said: Facts | None) -> bool:
    """Whether a node's pgpool leads the watchdog cluster with the virtual IP."""
    return said is not None and said["vip"] and said["pgpool"]["watchdog_role"] == "LEADER"
