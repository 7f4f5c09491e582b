"""The lab's network namespace: bridge, machines and clients all live in it (ip-netns(8))."""

from __future__ import annotations

import subprocess
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.paths import LabPaths

NAMESPACES = Path("/run/netns")


def exists(lab: LabPaths) -> bool:
    """Whether the namespace is there. A left-over mount point without a namespace on it does not count."""
    return subprocess.run(["ip", "-n", lab.name, "link"], capture_output=True, check=False).returncode == 0


def create(lab: LabPaths) -> bool:
    """Make the namespace with its loopback up; returns whether it had to be made."""
    made = not exists(lab)
    if made:
        (NAMESPACES / lab.name).unlink(missing_ok=True)
        ip("netns", "add", lab.name)
    ip("-n", lab.name, "link", "set", "lo", "up")
    return made


def ip(*arguments: str) -> None:
    """Run iproute2's `ip`; its refusal becomes a LabError."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"ip {' '.join(arguments)}: {done.stderr.strip()}",
            "network namespaces are needed: in a container, give it the capabilities SYS_ADMIN and NET_ADMIN",
        )


def delete(lab: LabPaths) -> None:
    """Remove the namespace, and with it every interface in it."""
    if (NAMESPACES / lab.name).exists():
        # It refuses where only the mount point is left.
        subprocess.run(["ip", "netns", "delete", lab.name], check=False, capture_output=True)
        (NAMESPACES / lab.name).unlink(missing_ok=True)


def enter(lab: LabPaths) -> list[str]:
    """What to put before a command so that it runs in the lab's network.

    Unlike `ip netns exec` this keeps the caller's mounts as they are.
    """
    return ["nsenter", f"--net={NAMESPACES / lab.name}", "--"]
