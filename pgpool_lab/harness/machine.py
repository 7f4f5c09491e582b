"""The machine that a lab ran on, since every figure depends on it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Machine(BaseModel):
    """What slows a lab down or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processor: str
    cores: int
    """Those that this process may use."""
    memory_mib: int
    kernel: str
    domain_type: str
    """`kvm`, or `qemu` for emulated nodes."""
    node_processors: int
    """Those of a node's virtual machine."""


def this_machine(domain_type: str, node_processors: int) -> Machine:
    """The host of the lab, from /proc (proc(5))."""
    return Machine(
        processor=processor(Path("/proc/cpuinfo").read_text()),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=memory_mib(Path("/proc/meminfo").read_text()),
        kernel=platform.release(),
        domain_type=domain_type,
        node_processors=node_processors,
    )


def processor(cpuinfo: str) -> str:
    """The model's name; the architecture where /proc/cpuinfo doesn't tell it, as on arm64."""
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, platform.machine())


def memory_mib(meminfo: str) -> int:
    """MemTotal, given in KiB. Raises StopIteration for a text without it."""
    return next(int(line.split()[1]) // 1024 for line in meminfo.splitlines() if line.startswith("MemTotal:"))
