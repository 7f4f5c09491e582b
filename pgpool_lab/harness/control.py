"""Acting on a lab's nodes and machines; what is done there is decided elsewhere."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgpool_lab.cluster.client import answers, run_on
from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput
from pgpool_lab.errors import LabError
from pgpool_lab.waiting import bounded

SHELL_SECONDS = 120
AGENT_SECONDS = 900
"""A base backup, a rewind and the wait until all agree, emulated and starved."""
VIRSH_SECONDS = 120
"""libvirt answers at once; saving or loading a machine's memory takes seconds."""


@dataclass(frozen=True)
class Moment:
    """When something was done: between two readings of this machine's monotonic clock (seconds), and, where a node
    did it itself, by that node's uptime (seconds), which tells it from the login that came before."""

    before: float
    after: float
    uptime: float | None = None
    said: str = ""
    """What the script that did it printed."""


class Control:
    """The ways to act on one lab. Every failure is a LabError that says what was attempted."""

    def __init__(self, outputs: LabOutputs) -> None:
        self.outputs = outputs

    def shell(self, node: MachineOutput, script: str, *, seconds: float = SHELL_SECONDS) -> str:
        """Run a script (bash) as root on a node; its standard output."""
        try:
            done = run_on(self.outputs, node, f"set -euo pipefail\n{script}", seconds=bounded(seconds))
        except subprocess.TimeoutExpired:
            said = f"{node.name} did not answer within {bounded(seconds):.0f} s: {script}"
            raise LabError(said, "./lab status") from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise LabError(f"{node.name}: {said}: {script}", "./lab status")
        return done.stdout

    def act(self, node: MachineOutput, script: str) -> Moment:
        """Run a script on a node and tell when it began there."""
        before = time.monotonic()
        uptime, _, said = self.shell(node, f"cut -d ' ' -f 1 /proc/uptime\n{script}").partition("\n")
        return Moment(before, time.monotonic(), float(uptime), said)

    def agent(self, node: MachineOutput, *words: str) -> dict[str, Any]:
        """Run the node's agent; the document that it gives."""
        try:
            done = run_on(self.outputs, node, [node.scripts.agent, *words], seconds=bounded(AGENT_SECONDS))
        except subprocess.TimeoutExpired:
            raise LabError(
                f"{node.name} did not finish `{' '.join(words)}` in {bounded(AGENT_SECONDS):.0f} s", "./lab logs"
            ) from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise LabError(f"{node.name}: {' '.join(words)}: {said[-1]}", "./lab status; ./lab logs")
        document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return document

    def virsh(self, *arguments: str) -> str:
        """One virsh command on the lab's libvirt; its output."""
        command = virsh_command(self.outputs, arguments)
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=VIRSH_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise LabError(f"virsh {' '.join(arguments)}: no end within {VIRSH_SECONDS} s", "./lab doctor") from None
        if done.returncode != 0:
            raise LabError(f"virsh {' '.join(arguments)}: {' '.join(done.stderr.split())}", "./lab status")
        return done.stdout.strip()

    def machine(self, node: MachineOutput, *arguments: str) -> Moment:
        """One virsh command on a node's machine: a verb, then what follows the domain's name."""
        verb, *rest = arguments
        before = time.monotonic()
        self.virsh(verb, node.domain, *rest)
        return Moment(before, time.monotonic())

    def machine_state(self, node: MachineOutput) -> str:
        """libvirt's word for it: `running`, `paused`, `shut off`."""
        return self.virsh("domstate", node.domain)

    def answers(self, node: MachineOutput) -> bool:
        """Whether a node takes an ssh login."""
        return answers(self.outputs, node)


def virsh_command(outputs: LabOutputs, arguments: Sequence[str]) -> list[str]:
    """A virsh command line. The socket of a lab's own libvirt is reached from outside its namespaces, too."""
    return ["virsh", "-q", "-c", outputs.libvirt_uri, *arguments]
