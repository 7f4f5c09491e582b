"""What `lab bench` found, as one document."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pgpool_lab.bench.phases import HEALTHY, Phase
from pgpool_lab.errors import LabError
from pgpool_lab.harness.machine import processor
from pgpool_lab.paths import PROJECT
from pgpool_lab.progress import end_group


@dataclass(frozen=True)
class Bench:
    """Phases of one update, and boots of bare machines in the same run, all in seconds."""

    machine: str
    commit: str
    phases: Sequence[Phase]
    bare_pair: Sequence[float]
    """Two machines of the lab's image, side by side, until each takes a login."""
    lean_and_default: Sequence[float]
    """The lab's image beside the same with the distribution's own boot."""

    @property
    def ready_ratio(self) -> float:
        """Time from `pulumi up` to healthy over the time in which two bare machines of the same image take logins."""
        healthy = next(phase.end for phase in self.phases if phase.name == HEALTHY)
        return healthy / max(self.bare_pair)

    @property
    def boot_ratio(self) -> float:
        """Boot of the lab's image over that of the distribution's own."""
        lean, default = self.lean_and_default
        return lean / default

    def document(self) -> dict[str, Any]:
        return asdict(self) | {
            "phases": [asdict(phase) | {"seconds": phase.seconds} for phase in self.phases],
            "ready_ratio": self.ready_ratio,
            "boot_ratio": self.boot_ratio,
        }


def description(domain_type: str) -> str:
    """What the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = processor(Path("/proc/cpuinfo").read_text())
    how = "with KVM" if domain_type == "kvm" else "without KVM (QEMU's TCG)"
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {how}, Linux {platform.release()}"


def boot_times(images: Sequence[Path], *, domain_type: str, memory_mib: int, vcpus: int) -> list[float]:
    """Seconds in which bare machines of these images take logins, side by side. Raises LabError when one does not."""
    command = ["unshare", "--net", sys.executable, "-m", "pgpool_lab.bench.boots", *map(str, images)]
    command += ["--accelerator", "kvm" if domain_type == "kvm" else "tcg"]
    command += ["--memory-mib", str(memory_mib), "--vcpus", str(vcpus)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, cwd=PROJECT, start_new_session=True)
    try:
        said, complaint = process.communicate()
    except BaseException:
        end_group(process)
        raise
    times: list[float | None] = json.loads(said) if process.returncode == 0 else [None]
    found = [seconds for seconds in times if seconds is not None]
    if len(found) != len(images):
        raise LabError(f"a bare machine took no login: {complaint.decode().strip()[-500:]}", "./lab doctor")
    return found
