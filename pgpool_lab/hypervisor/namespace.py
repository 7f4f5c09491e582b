"""The lab's network namespace: bridge, machines and clients all live in it (ip-netns(8))."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pgpool_lab.paths import LabPaths

NAMESPACES = Path("/run/netns")


def exists(lab: LabPaths) -> bool:
    """Whether the namespace is there. A left-over mount point without a namespace on it does not count."""
    return subprocess.run(["ip", "-n", lab.name, "link"], capture_output=True, check=False).returncode == 0


def create(lab: LabPaths) -> None:
    """Make the namespace with its loopback up; does nothing when it is there."""
    if not exists(lab):
        (NAMESPACES / lab.name).unlink(missing_ok=True)
        subprocess.run(["ip", "netns", "add", lab.name], check=True)
    subprocess.run(["ip", "-n", lab.name, "link", "set", "lo", "up"], check=True)


def delete(lab: LabPaths) -> None:
    """Remove the namespace, and with it every interface in it."""
    if (NAMESPACES / lab.name).exists():
        subprocess.run(["ip", "netns", "delete", lab.name], check=False, capture_output=True)
        (NAMESPACES / lab.name).unlink(missing_ok=True)


def processes(lab: LabPaths) -> list[int]:
    """Ids of the processes in the namespace."""
    if not exists(lab):
        return []
    listed = subprocess.run(["ip", "netns", "pids", lab.name], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def enter(lab: LabPaths) -> list[str]:
    """What to put before a command so that it runs in the lab's network; mounts stay those of the caller."""
    return ["nsenter", f"--net={NAMESPACES / lab.name}"]
