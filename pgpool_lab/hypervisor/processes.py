"""The processes of a lab, found by the namespaces that they are in, whatever became of their pid files."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.hypervisor import namespace
from pgpool_lab.paths import LabPaths

GRACE_SECONDS = 10.0
"""How long processes have to end by themselves before they are killed."""

PROC = Path("/proc")


def has_mounts_of(mountinfo: str, lab_name: str) -> bool:
    """Whether a process with these mounts (proc_pid_mountinfo(5)) has the lab's runtime folder as its /run."""
    for line in mountinfo.splitlines():
        root, point = line.split(" ")[3:5]
        if point == "/run" and root.removesuffix("//deleted").rsplit("/", 1)[-1] == lab_name:
            return True
    return False


def ancestors(process: int) -> Iterator[int]:
    """A process and its ancestors: `lab down` may run in a shell that `lab run` opened in the namespace."""
    while process > 0:
        yield process
        try:
            # The command's name, in brackets, may hold blanks.
            process = int((PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            return


def of_lab(lab: LabPaths) -> list[int]:
    """Daemon, machines and clients of the lab; never this process or one that it descends from."""
    found: set[int] = set()
    if namespace.exists(lab):
        listed = subprocess.run(["ip", "netns", "pids", lab.name], capture_output=True, text=True, check=False)
        found.update(int(word) for word in listed.stdout.split())
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if has_mounts_of((folder / "mountinfo").read_text(), lab.name):
                found.add(int(folder.name))
    return sorted(found.difference(ancestors(os.getpid())))


def daemons(lab: LabPaths) -> list[int]:
    """The lab's libvirtd and what serves its networks, without its machines."""
    return [process for process in of_lab(lab) if command(process) in ("libvirtd", "dnsmasq")]


def command(process: int) -> str:
    """Name of the program that a process runs; empty when it has ended."""
    try:
        return (PROC / str(process) / "comm").read_text().strip()
    except OSError:
        return ""


def running(process: int) -> bool:
    """Whether a process is there and is no zombie, which only its parent could take away."""
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(processes: list[int]) -> None:
    """End processes politely, then for good. Raises LabError when one stays."""
    left = processes
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, sign)
        deadline = time.monotonic() + GRACE_SECONDS
        while (left := [process for process in left if running(process)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not left:
            return
    raise LabError(f"these processes cannot be ended: {left}", "look at them with `ps`, then repeat")
