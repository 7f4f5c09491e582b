"""Running things on a lab's nodes and asking them what they are, from outside the nodes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pgpool_lab.cluster.outputs import LabOutputs, MachineOutput

Facts = dict[str, Any]

FACTS_SECONDS = 40
"""An ssh login and some queries on a starved emulated processor."""


def network_prefix(namespace: str | None) -> list[str]:
    """What to put before a command so that it reaches the lab; nothing when this process is in its network already."""
    if namespace is None:
        return []
    path = Path("/run/netns") / namespace
    if path.exists() and path.stat().st_ino == Path("/proc/self/ns/net").stat().st_ino:
        return []
    return ["nsenter", f"--net={path}", "--"]


ALIVE_SECONDS = 5
"""How often ssh asks a silent peer whether it is there."""


def ssh_command(
    outputs: LabOutputs, node: MachineOutput, *, interactive: bool = False, silent_seconds: int = 15
) -> list[str]:
    """An ssh command line up to (and without) the remote command; a peer may be silent for about so long."""
    ssh = outputs.ssh
    options = {
        "IdentityFile": str(ssh.private_key_path),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(ssh.known_hosts_path),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": str(ALIVE_SECONDS),
        "ServerAliveCountMax": str(silent_seconds // ALIVE_SECONDS),
        "LogLevel": "ERROR",
        "Port": str(ssh.port),
    }
    if not interactive:
        options["BatchMode"] = "yes"
    # No configuration of the user's own takes part.
    words = [*network_prefix(outputs.network.namespace), "ssh", "-F", "/dev/null"]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return [*words, f"{ssh.user}@{node.ip}"]


def run_on(
    outputs: LabOutputs, node: MachineOutput, command: Sequence[str] | str, *, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command on a node as root. A text is a shell's; a list is quoted. Raises subprocess.TimeoutExpired."""
    text = command if isinstance(command, str) else shlex.join(command)
    return subprocess.run(
        [*ssh_command(outputs, node), text],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def answers(outputs: LabOutputs, node: MachineOutput) -> bool:
    """Whether a node takes an ssh login."""
    try:
        return run_on(outputs, node, "true", seconds=20).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def facts(outputs: LabOutputs, node: MachineOutput) -> Facts | None:
    """What a node says of itself; None when it does not answer."""
    try:
        answer = run_on(outputs, node, [node.scripts.agent, "facts"], seconds=FACTS_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if answer.returncode != 0:
        return None
    content: Facts = json.loads(answer.stdout)
    return content


def all_facts(outputs: LabOutputs) -> dict[str, Facts | None]:
    """Facts of every node, asked at the same time."""
    return facts_of(outputs, outputs.nodes)


def members_facts(outputs: LabOutputs) -> tuple[dict[str, Facts | None], dict[str, Facts | None]]:
    """Facts of every node, and of the witness where there is one, asked at the same time."""
    said = facts_of(outputs, outputs.machines)
    nodes = {node.name for node in outputs.nodes}
    return {name: said[name] for name in said if name in nodes}, {
        name: said[name] for name in said if name not in nodes
    }


def facts_of(outputs: LabOutputs, machines: Sequence[MachineOutput]) -> dict[str, Facts | None]:
    """Facts of machines, asked at the same time."""
    with ThreadPoolExecutor(len(machines)) as pool:
        answers = pool.map(lambda machine: facts(outputs, machine), machines)
        return {machine.name: answer for machine, answer in zip(machines, answers, strict=True)}


def vip_mac(outputs: LabOutputs) -> str | None:
    """The MAC address that answers for the virtual IP, seen from outside the nodes."""
    prefix = network_prefix(outputs.network.namespace)
    command = [*prefix, "arping", "-c", "1", "-w", "2", "-I", outputs.network.bridge, outputs.vip]
    answer = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    return parse_arping(answer.stdout)


def parse_arping(text: str) -> str | None:
    """The address in brackets of iputils' arping: `Unicast reply from 192.168.31.139 [52:54:00:31:01:33]  0.9ms`."""
    for line in text.splitlines():
        if "reply from" in line and "[" in line:
            return line.split("[")[1].split("]")[0].lower()
    return None
