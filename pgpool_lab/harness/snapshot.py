"""Snapshots of a whole lab with the machines' memory, and the way back to one in seconds.

All machines are suspended before the first is captured, and reverted and still paused before the first goes on: a
standby captured later than its primary would hold WAL that the primary does not have, on the same timeline.

The guests' clocks stay behind afterwards, all by the same time more than when they were captured, which the snapshot's
description says: a machine that was paused before is behind the others. They are not set: pgpool takes the age of a
heartbeat from the time of day, so a step beyond `wd_heartbeat_deadtime` declares the peers dead, and PostgreSQL ends
replication connections whose last message then seems older than `wal_sender_timeout`. What is measured is measured by
this machine's clock. A machine that is started anew has the right time, which neither of the two minds.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from pgpool_lab.cluster.client import network_prefix
from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.harness.bridge import wait_until_forwarding
from pgpool_lab.harness.control import Control
from pgpool_lab.harness.faults.clock import READING
from pgpool_lab.harness.faults.record import Record
from pgpool_lab.harness.restoration import wait_until_healthy

HEALTHY = "healthy"
"""The snapshot that `./lab snapshot` takes and `./lab rewind` goes back to."""

APART = "apart"
"""The snapshot of a healthy lab whose virtual IP a standby holds."""

SKEW_SECONDS = 3.0
"""How differently far the nodes' clocks may seem to have gone back: asking takes a login, a second or two on an
emulated node."""


class TornApart(LabError):
    """Some machines went back and some did not: none may go on, or two histories would be mixed."""


@dataclass(frozen=True)
class Rewound:
    """What a rewind left."""

    status: Mapping[str, Any]
    """The status document of the healthy lab."""
    behind: dict[str, float]
    """Seconds by which each node's clock is behind this machine's."""


def take(control: Control, record: Record, name: str = HEALTHY) -> None:
    """Capture all machines, replacing an earlier snapshot of that name. They go on afterwards, whatever happens.

    Raises LabError; with a machine that does not run or a fault in force, before anything is done.
    """
    if entries := record.entries():
        # The way back to it forgets what is recorded: nobody would heal it then.
        faults = ", ".join(f"{entry.fault} on {entry.node}" for entry in entries)
        raise LabError(f"a snapshot would keep what is injected: {faults}", "./lab fault heal first")
    for node in control.outputs.machines:
        if (state := control.machine_state(node)) != "running":
            remedy = "./lab fault heal; ./lab rewind" if state == "paused" else "./lab up"
            raise LabError(f"{node.name} is {state}: a snapshot has all machines", remedy)
    behind = clocks_behind(control)
    on_all(control, lambda node: delete(control, node, name))

    def capture(node: MachineOutput) -> None:
        control.machine(node, "snapshot-create-as", name, "--atomic", f"--description={behind[node.name]}")

    try:
        on_all(control, lambda node: control.machine(node, "suspend"))
        on_all(control, capture)
    finally:
        on_all(control, lambda node: resume(control, node))


def exists(control: Control, name: str = HEALTHY) -> bool:
    """Whether all machines have a snapshot of that name."""
    return all(name in names(control, node) for node in control.outputs.machines)


def rewind(control: Control, record: Record, name: str = HEALTHY) -> Rewound:
    """Take all machines back, forget the recorded faults, and wait until the lab is healthy.

    Raises LabError without such a snapshot, before anything is done, and for a lab that does not become healthy;
    TornApart when a machine could not be reverted: all stay paused.
    """
    if not exists(control, name):
        raise LabError(f"there is no snapshot {name!r} of all machines", "./lab snapshot, while the lab is healthy")
    on_all(control, lambda node: suspend(control, node))
    try:
        on_all(control, lambda node: control.machine(node, "snapshot-revert", name, "--paused"))
    except LabError as error:
        raise TornApart(
            f"not every machine went back, so all stay paused: {error.problem}",
            "./lab rewind again; otherwise ./lab down, ./lab up",
        ) from None
    # The link is the hypervisor's: a guest's memory says nothing of it.
    on_all(control, lambda node: control.machine(node, "domif-setlink", node.mac, "up"))
    # A revert starts the emulator anew, with a new port on the bridge, which drops everything for its first seconds:
    # cut off from all, a primary stops itself, and its standby is promoted.
    wait_until_forwarding(control.outputs.network)
    on_all(control, lambda node: control.machine(node, "resume"))
    record.clear()
    forget_holder(control.outputs)
    status = wait_until_healthy(control)
    behind = clocks_behind(control)
    back = {node.name: behind[node.name] - captured_behind(control, node, name) for node in control.outputs.machines}
    if max(back.values()) - min(back.values()) > SKEW_SECONDS:
        raise LabError(
            f"the nodes' clocks did not go back by the same time: {back}", "./lab rewind again; ./lab down, ./lab up"
        )
    return Rewound(status, behind)


def forget(control: Control) -> None:
    """Remove every snapshot of the harness's, from the machines that there are: the lab has become another."""
    there = control.virsh("list", "--all", "--name").split()
    for node in control.outputs.machines:
        if node.domain in there:
            for name in (HEALTHY, APART):
                delete(control, node, name)


def names(control: Control, node: MachineOutput) -> list[str]:
    """A machine's snapshots."""
    return control.virsh("snapshot-list", node.domain, "--name").split()


def delete(control: Control, node: MachineOutput, name: str) -> None:
    """Remove a snapshot where there is one."""
    if name in names(control, node):
        control.machine(node, "snapshot-delete", name)


def suspend(control: Control, node: MachineOutput) -> None:
    """Suspend a machine that runs."""
    if control.machine_state(node) == "running":
        control.machine(node, "suspend")


def resume(control: Control, node: MachineOutput) -> None:
    """Let a machine go on that is paused."""
    if control.machine_state(node) == "paused":
        control.machine(node, "resume")


def forget_holder(outputs: LabOutputs) -> None:
    """Make this machine ask again who has the virtual IP: nobody announces that it has moved back."""
    prefix = network_prefix(outputs.network.namespace)
    command = [*prefix, "ip", "neigh", "flush", "to", outputs.vip, "dev", outputs.network.bridge]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}", "root is needed")


def captured_behind(control: Control, node: MachineOutput, name: str) -> float:
    """Seconds by which a node's time of day was behind this machine's when the snapshot was taken."""
    snapshot = ElementTree.fromstring(control.virsh("snapshot-dumpxml", node.domain, name))
    return float(snapshot.findtext("description") or 0)


def clocks_behind(control: Control) -> dict[str, float]:
    """Each machine's `clock_behind`, one after the other: beside each other the logins would take longer."""
    return {node.name: clock_behind(control, node) for node in control.outputs.machines}


def clock_behind(control: Control, node: MachineOutput) -> float:
    """Seconds by which a node's time of day is behind this machine's."""
    there = float(control.shell(node, READING).split()[0])
    return round(time.time() - there, 1)


def on_all(control: Control, act: Callable[[MachineOutput], object]) -> None:
    """Do something with every machine at the same time. Raises the first error after all have ended."""
    with ThreadPoolExecutor(len(control.outputs.machines)) as pool:
        list(pool.map(act, control.outputs.machines))
