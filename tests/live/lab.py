"""A running lab under test: what can be asked of it, and the way back to where every test starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pgpool_lab.cluster.client import Facts, all_facts
from pgpool_lab.cluster.outputs import LabOutputs, NodeOutput
from pgpool_lab.cluster.status import status
from pgpool_lab.harness.clients import rows, through_vip
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.restoration import restore, wait_until_healthy
from pgpool_lab.harness.timing import RETURN_SECONDS
from pgpool_lab.lab import Lab
from pgpool_lab.node import health
from pgpool_lab.paths import LabPaths
from pgpool_lab.waiting import wait_for


class LiveLab(Control):
    """The ways to act on a lab, and what a test asks of it."""

    def __init__(self, outputs: LabOutputs, stack: str) -> None:
        super().__init__(outputs)
        self.stack = stack
        self.nodes = outputs.nodes
        self.first = outputs.nodes[0]

    @property
    def faults(self) -> Path:
        """Record of the faults that are in effect."""
        return Lab(LabPaths(self.stack)).kept.faults

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

    def bring_back(self) -> None:
        """The first node primary and holder of the virtual IP, all healthy; by the project's own means.

        Beyond what restores any lab, a primary elsewhere is moved by a switchover, and a pgpool that holds the virtual
        IP elsewhere is stopped until another one leads.
        """
        if self.is_at_start():
            return
        restore(self)
        if self.primaries() != [self.first.name]:
            self.agent(self.first, "switchover", self.first.name)
        holders = self.holders()
        if holders != [self.first.name]:
            self.hand_over(self.outputs.node(holders[0]))
        wait_until_healthy(self)
        assert self.is_at_start()

    def hand_over(self, holder: NodeOutput) -> None:
        """Stop the pgpool that holds the virtual IP, and start it when another one leads with the address.

        Restarted at once, it is back before the others have elected anybody, and can win.
        """
        self.shell(holder, f"systemctl stop {holder.services.pgpool}")
        wait_for(
            lambda: [name for name, said in all_facts(self.outputs).items() if leads(said)],
            bool,
            seconds=RETURN_SECONDS,
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
