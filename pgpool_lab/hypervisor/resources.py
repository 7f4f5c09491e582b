"""Free memory and disk, checked before anything is created."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pgpool_lab.errors import LabError

MEMINFO = Path("/proc/meminfo")


def parse_available_mib(meminfo: str) -> int:
    """MemAvailable of proc_meminfo(5), in MiB: what new programs can get without swapping."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.MULTILINE)
    if match is None:
        raise LabError("/proc/meminfo names no MemAvailable", "this needs Linux 3.14 or later")
    return int(match[1]) // 1024


def enough_memory(needed_mib: int, available_mib: int) -> None:
    """Raise LabError when the machines would not fit into memory. Both in MiB."""
    if needed_mib > available_mib:
        raise LabError(
            f"not enough free memory: nodes[].memory_mib add up to {needed_mib} MiB, {available_mib} MiB are available",
            "end other programs, run ./lab down on another stack, or lower memory_mib",
        )


def enough_disk(needed_mib: int, available_mib: int, folder: Path) -> None:
    """Raise LabError when the file system that holds `folder` has too little room. Both in MiB."""
    if needed_mib > available_mib:
        raise LabError(
            f"not enough free disk space in {folder}: {needed_mib} MiB are needed, {available_mib} MiB are free",
            "remove files from that file system, or move the checkout to another",
        )


def available_memory_mib() -> int:
    """Memory that machines can still get, in MiB."""
    return parse_available_mib(MEMINFO.read_text())


def available_disk_mib(folder: Path) -> int:
    """Room for this user in the file system that holds `folder`, which need not exist yet, in MiB."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize // 2**20


def check_memory(needed_mib: int) -> None:
    """Raise LabError unless `needed_mib` MiB of memory are available."""
    enough_memory(needed_mib, available_memory_mib())


def check_disk(needed_mib: int, folder: Path) -> None:
    """Raise LabError unless `needed_mib` MiB are free where `folder` is or will be."""
    enough_disk(needed_mib, available_disk_mib(folder), folder)
