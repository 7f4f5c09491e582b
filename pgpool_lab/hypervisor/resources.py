"""Free memory and disk, checked before anything is created."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgpool_lab.errors import LabError
from pgpool_lab.room import Need

MEMINFO = Path("/proc/meminfo")

ENGINE_MIB = 1024
"""What the engine, its plugins and QEMU itself take beside the machines."""


def parse_available_mib(meminfo: str) -> int:
    """MemAvailable of proc_meminfo(5), in MiB: what new programs can get without swapping."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.MULTILINE)
    if match is None:
        raise LabError("/proc/meminfo names no MemAvailable", "this needs Linux 3.14 or later")
    return int(match[1]) // 1024


def enough_memory(needed_mib: int, available_mib: int) -> None:
    """Raise LabError when the machines and what runs them would not fit into memory. Both in MiB."""
    if needed_mib + ENGINE_MIB > available_mib:
        raise LabError(
            f"not enough free memory: nodes[].memory_mib add up to {needed_mib} MiB, what runs them takes {ENGINE_MIB} "
            f"MiB, {available_mib} MiB are available",
            "end other programs, run ./lab down on another stack, or lower memory_mib",
        )


@dataclass(frozen=True)
class Demand:
    """What all needs on one file system come to, and what this user may still write there. Both in MiB."""

    needs: tuple[Need, ...]
    free_mib: int

    @property
    def needed_mib(self) -> int:
        return sum(need.mib for need in self.needs)

    @property
    def fits(self) -> bool:
        return self.needed_mib <= self.free_mib

    @property
    def way_out(self) -> str:
        """How room is made, without an end."""
        ways = dict.fromkeys(need.way_out for need in self.needs if need.way_out)
        return ", or ".join(["remove files from that file system", *ways])

    def __str__(self) -> str:
        folders = " and ".join(dict.fromkeys(str(need.folder) for need in self.needs))
        parts = ", ".join(f"{need.what} {need.mib}" for need in self.needs)
        return f"{folders}: {self.needed_mib} MiB are needed ({parts}), {self.free_mib} MiB are free"


def by_file_system(needs: Iterable[Need], system_of: Mapping[Path, int]) -> list[tuple[Need, ...]]:
    """The needs that share a file system, together; `system_of` tells each folder's."""
    systems: dict[int, list[Need]] = {}
    for need in needs:
        systems.setdefault(system_of[need.folder], []).append(need)
    return [tuple(sharing) for sharing in systems.values()]


def enough_disk(demand: Demand) -> None:
    """Raise LabError when a file system has too little room for what is to be made on it."""
    if not demand.fits:
        raise LabError(f"not enough free disk space in {demand}", demand.way_out)


def available_memory_mib() -> int:
    """Memory that machines can still get, in MiB."""
    return parse_available_mib(MEMINFO.read_text())


def nearest(folder: Path) -> Path:
    """The folder itself, or the one that exists in which it will be made."""
    while not folder.exists():
        folder = folder.parent
    return folder


def available_disk_mib(folder: Path) -> int:
    """Room for this user in the file system that holds a folder, in MiB."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize // 2**20


def demands(needs: Iterable[Need]) -> list[Demand]:
    """What is asked of each file system of this machine, and what it has."""
    wanted = list(needs)
    system_of = {need.folder: nearest(need.folder).stat().st_dev for need in wanted}
    return [
        Demand(sharing, available_disk_mib(nearest(sharing[0].folder))) for sharing in by_file_system(wanted, system_of)
    ]


def check_memory(needed_mib: int) -> None:
    """Raise LabError unless so many MiB are available for machines, beside what runs them."""
    enough_memory(needed_mib, available_memory_mib())


def check_disk(needs: Iterable[Need]) -> None:
    """Raise LabError unless there is room for all of them, where they share a file system for their sum."""
    for demand in demands(needs):
        enough_disk(demand)
